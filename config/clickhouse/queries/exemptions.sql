-- Which exemptions are used, and which only stand in the configuration?
-- In `tlsfloor report --format json`: exemptions.
SELECT
    exemption,
    argMaxIf(owner, (at, written), owner != '') AS owned_by,
    sum(count) AS uses,
    if(uses > 0, maxIf(at, count > 0), NULL) AS last_used,
    argMaxIf(expires, (at, written), expires != '') AS ends,
    argMaxIf(state, (at, written), state != '') AS last_state
FROM tlsfloor.events FINAL
WHERE event = 'exemption'
    AND at >= {since:DateTime('UTC')} AND at < {until:DateTime('UTC')}
GROUP BY exemption
ORDER BY uses DESC, exemption;
