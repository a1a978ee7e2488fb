-- Which protocols and cipher suites are in use? The inventory of PCI DSS 4.0.1, requirement 12.3.3.
-- In `tlsfloor report --evidence --format json`: in_use. `version` and `cipher` are what was agreed
-- on; empty where nothing was, or not here.
SELECT
    lane, verdict, offered, version, cipher,
    sum(count) AS connections,
    sum(connections) OVER () AS all_connections,
    intDiv(toUInt128(connections) * 1000000000, all_connections) / 1e9 AS share,
    min(at) AS first,
    max(until) AS last
FROM tlsfloor.totals(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
GROUP BY lane, verdict, offered, version, cipher
HAVING connections > 0
ORDER BY
    indexOf(['serve', 'legacy', 'refuse'], lane),
    version DESC,
    indexOf(['none', 'sslv2', 'ssl3', '1.0', '1.1', '1.2', '1.3'], offered) DESC,
    connections DESC,
    cipher,
    verdict = 'fail';
