-- How many fail each policy, what-if policies too? In `tlsfloor report --format json`: policies.
SELECT policy AS name, sum(count) AS connections
FROM tlsfloor.events FINAL
WHERE event = 'census'
    AND at >= {since:DateTime('UTC')} AND at < {until:DateTime('UTC')}
GROUP BY name
ORDER BY name;
