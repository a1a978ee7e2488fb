-- Why do they fail? In `tlsfloor report --format json`: reasons.
SELECT reason AS name, sum(count) AS connections
FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
GROUP BY name
HAVING connections > 0
ORDER BY connections DESC, name;
