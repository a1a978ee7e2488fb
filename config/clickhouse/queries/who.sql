-- Who is below the floor? In `tlsfloor report --by client|network|sni|stack --format json`: who.
-- {by} is client, network (/24 and /48), sni or stack. `other` has no client of its own: it is the
-- sum of what the replicas' tables had no room for.
WITH
    (SELECT sum(count) FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})) AS all_below,
    (SELECT groupArray(client) FROM tlsfloor.middleboxes(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})) AS middleboxes,
    splitByChar('/', client) AS parts,
    parts[1] AS address,
    isIPv4String(address) AS is_ipv4,
    isIPv6String(address) AS is_ipv6,
    toUInt8(if(is_ipv4, 32, 128)) AS width,
    if(length(parts) = 1, width, ifNull(toUInt8OrNull(parts[2]), 255)) AS bits,
    if(is_ipv4, toString(IPv4CIDRToRange(toIPv4OrDefault(address), least(bits, 24)).1),
        toString(IPv6CIDRToRange(toIPv6OrDefault(address), least(bits, 48)).1)) AS first_address,
    -- What is no network stays what it is: "other", or a hash.
    if((is_ipv4 OR is_ipv6) AND length(parts) < 3 AND bits <= width,
        concat(first_address, '/', toString(least(bits, if(is_ipv4, 24, 48)))), client) AS network,
    if(has(middleboxes, client), 'middlebox', stack) AS looks,
    -- With `stack`, what stands behind a middlebox leaves its stack: it is no more counted there, but
    -- when that was seen stays.
    multiIf(
        {by:String} = 'client', [(client, looks, 1)],
        {by:String} = 'network', [(network, looks, 1)],
        {by:String} = 'sni', [(sni, stack, 1)],
        {by:String} = 'stack', if(looks = stack, [(stack, stack, 1)], [(stack, stack, 0), (looks, looks, 1)]),
        throwIf({by:String} NOT IN ('client', 'network', 'sni', 'stack'), 'by is client, network, sni or stack') = 0, [],
        []) AS places
SELECT
    place.1 AS who,
    uniqExactIf(client, place.3 AND client != 'other') AS clients,
    sum(count * place.3) AS connections,
    intDiv(toUInt128(connections) * 1000000000, greatest(all_below, 1)) / 1e9 AS share,
    sumIf(count * place.3, lane = 'refuse') AS refused,
    sumIf(count * place.3, lane = 'legacy') AS legacy,
    min(at) AS first_seen,
    max(until) AS last_seen,
    arraySort(groupUniqArray(offered)) AS offers,
    arraySort(groupUniqArray(reason)) AS reasons,
    -- The first one, and " ..." where there are more.
    concat(argMinIf(sni, (at, sni), sni != ''), if(uniqExactIf(sni, sni != '') > 1, ' ...', '')) AS names,
    concat(argMinIf(ja4, (at, ja4), ja4 != ''), if(uniqExactIf(ja4, ja4 != '') > 1, ' ...', '')) AS hellos,
    arraySort(groupUniqArray(place.2)) AS stacks
FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
ARRAY JOIN places AS place
GROUP BY who
HAVING connections > 0
ORDER BY who = 'other', connections DESC, who;
