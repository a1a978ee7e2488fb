-- What is the trend, by day and reason? In `tlsfloor report --format json`: days.
-- Days without any row stand there too, with nothing.
SELECT
    toDate(at, 'UTC') AS day,
    sum(total) AS connections,
    sum(failing) AS below,
    mapFilter((word, count) -> count > 0, sumMapIf(map(reason, failing), reason != '')) AS reasons
FROM
(
    SELECT at, count AS total, 0 AS failing, '' AS reason
    FROM tlsfloor.totals(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
    UNION ALL
    SELECT at, 0, count, reason
    FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
)
GROUP BY day
ORDER BY day WITH FILL;
