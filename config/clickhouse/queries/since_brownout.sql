-- What has changed since the last brownout? In `tlsfloor report --format json`: since_brownout.
-- No row: there was none. `vanished` clients were seen before it and not since its end, `back` were
-- seen before it and again, `new` were not seen before its end; who they are says changed.sql.
WITH
    minutes AS (
        SELECT toStartOfMinute(at) AS minute, sum(total) AS connections, sum(failing) AS below
        FROM
        (
            SELECT at, count AS total, 0 AS failing FROM tlsfloor.totals(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
            UNION ALL
            SELECT at, 0, count FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
        )
        GROUP BY minute),
    around AS (
        SELECT
            sumIf(connections, is_before) AS before_connections,
            sumIf(below, is_before) AS before_below,
            sumIf(connections, is_after) AS after_connections,
            sumIf(below, is_after) AS after_below
        FROM
        (
            SELECT
                connections, below,
                minute >= toStartOfMinute(before_from) AND minute < toStartOfMinute(began) AS is_before,
                minute >= toStartOfMinute(after_from) AND minute < toStartOfMinute(after_to) AS is_after
            FROM minutes CROSS JOIN tlsfloor.last_brownout(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}) AS last
        )),
    changed AS (
        SELECT
            countIf(first_seen < began AND again < after_from) AS vanished,
            countIf(first_seen < began AND again >= after_from) AS back,
            countIf(first_seen >= after_from) AS new
        FROM tlsfloor.sightings(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}) AS clients
        CROSS JOIN tlsfloor.last_brownout(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}) AS last)
SELECT
    began, ended, percent,
    before_from, began AS before_to, before_connections, before_below,
    intDiv(before_below * 36000, greatest(before, 1)) / 10 AS before_below_per_hour,
    after_from, after_to, after_connections, after_below,
    intDiv(after_below * 36000, greatest(after, 1)) / 10 AS after_below_per_hour,
    vanished, back, new
FROM tlsfloor.last_brownout(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}) AS last
CROSS JOIN around
CROSS JOIN changed;
