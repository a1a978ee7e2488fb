-- What do those who fail look like? In `tlsfloor report --format json`: stacks.
-- What a stack is and what its owner has to do stands in the report, under the same word.
SELECT
    if(client IN (SELECT client FROM tlsfloor.middleboxes(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})), 'middlebox', stack) AS looks,
    uniqExactIf(client, client != 'other') AS clients,
    sum(count) AS connections
FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
GROUP BY looks
HAVING connections > 0
ORDER BY connections DESC, looks;
