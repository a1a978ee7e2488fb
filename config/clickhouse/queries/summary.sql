-- How many are below the floor, of how many, and from how many clients?
-- In `tlsfloor report --format json`: from, to, connections, failed, below, below_other, clients.
--
-- `connections` is NULL where no totals have come: then the share is not known. `failed` is what the
-- totals say of the policy "floor": where `below` is less, lines of a log are missing.
SELECT
    min(at) AS `from`,
    max(until) AS `to`,
    sum(total) AS connections,
    sum(if(verdict = 'fail', total, total * 0)) AS failed,
    sum(failing) AS below,
    sumIf(failing, client = 'other') AS below_other,
    uniqExactIf(client, client NOT IN ('', 'other')) AS clients,
    intDiv(toUInt128(below) * 1000000000, nullIf(connections, 0)) / 1e9 AS share
FROM
(
    SELECT at, until, toNullable(count) AS total, verdict, 0 AS failing, '' AS client
    FROM tlsfloor.totals(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
    UNION ALL
    SELECT at, until, NULL, '', count, client
    FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
);
