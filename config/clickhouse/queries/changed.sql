-- Which clients have vanished, come back or are new since the last brownout?
-- In `tlsfloor report --format json`: since_brownout.most_vanished and most_back; here all of them.
SELECT
    multiIf(first_seen >= after_from, 'new', again < after_from, 'vanished', 'back') AS change,
    client, connections, last_seen
FROM tlsfloor.sightings(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}) AS clients
CROSS JOIN tlsfloor.last_brownout(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}) AS last
WHERE first_seen < began OR first_seen >= after_from
ORDER BY change, connections DESC, client;
