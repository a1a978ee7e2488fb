-- The census of a fleet in ClickHouse: what `tlsfloor report` adds up on one machine, for fleets
-- whose logs no longer fit one.
--
--   lines  --read-->  parsed  --keep-->       events    what counts, once a line
--  (arrives)                  --leave_out-->  damaged   lines of ours that cannot be read
--                             --count_in-->   intake    how many lines came, by kind and hour
--
-- Everything may be run again: it changes nothing that is there. README.md says how lines get in,
-- and why one that comes twice counts once.

CREATE DATABASE IF NOT EXISTS tlsfloor;

-- Where collectors insert: one line of a log a row, as it was written. Nothing is kept here.
CREATE TABLE IF NOT EXISTS tlsfloor.lines
(
    line   String,
    source String DEFAULT '' COMMENT 'the pod; else what stands before the object, [pod/NAME/CONTAINER]'
)
ENGINE = Null;

-- What a line says, and what is wrong with it. Nothing is kept here either.
CREATE TABLE IF NOT EXISTS tlsfloor.parsed
(
    event       LowCardinality(String),
    fault       LowCardinality(String),
    is_kept     UInt8,
    line        String,
    source      String,
    at          DateTime('UTC'),
    until       DateTime('UTC'),
    written     DateTime64(6, 'UTC'),
    policy      String,
    client      String,
    sni         String,
    ja4         String,
    offered     String,
    version     String,
    cipher      String,
    reason      String,
    lane        String,
    verdict     String,
    stack       String,
    count       UInt64,
    rollout     String,
    stage_from  String,
    stage       String,
    percent     Nullable(UInt8),
    exemption   String,
    owner       String,
    expires     String,
    state       String,
    user_agent  String,
    id          FixedString(16)
)
ENGINE = Null;

-- What counts. A line that was inserted before has the same `id` and replaces itself, in a merge
-- and, until that has come, by FINAL, which every query asks for.
--
-- On a cluster: ENGINE = ReplicatedReplacingMergeTree, and a Distributed table over it with the
-- sharding key cityHash64(id), so that a line finds the shard where it is already.
CREATE TABLE IF NOT EXISTS tlsfloor.events
(
    event       LowCardinality(String) COMMENT 'census, totals, stage, exemption or legacy',
    at          DateTime('UTC') COMMENT 'census, totals: from; stage: at; exemption: to or timestamp; legacy: its day',
    until       DateTime('UTC') COMMENT 'census, totals: to',
    written     DateTime64(6, 'UTC') COMMENT 'timestamp; 1970 where a line has none',
    policy      LowCardinality(String),
    client      String CODEC(ZSTD),
    sni         String CODEC(ZSTD),
    ja4         String CODEC(ZSTD),
    offered     LowCardinality(String) COMMENT 'census: offered_max; totals: offered',
    version     LowCardinality(String),
    cipher      LowCardinality(String),
    reason      LowCardinality(String),
    lane        LowCardinality(String),
    verdict     LowCardinality(String),
    stack       LowCardinality(String),
    count       UInt64 COMMENT 'since the line before' CODEC(T64, ZSTD),
    rollout     LowCardinality(String),
    stage_from  LowCardinality(String),
    stage       LowCardinality(String),
    percent     Nullable(UInt8),
    exemption   String CODEC(ZSTD),
    owner       String CODEC(ZSTD),
    expires     String CODEC(ZSTD),
    state       LowCardinality(String),
    user_agent  String CODEC(ZSTD),
    source      LowCardinality(String),
    id          FixedString(16) COMMENT 'of the source and the line'
)
ENGINE = ReplacingMergeTree
-- A line has its month from its own time, so a copy of it is always in the same partition.
PARTITION BY toYYYYMM(at)
PRIMARY KEY (event, policy, at)
ORDER BY (event, policy, at, id)
-- PCI DSS looks back twelve months. To keep it longer: ALTER TABLE tlsfloor.events MODIFY TTL ...
TTL at + INTERVAL 13 MONTH DELETE;

-- Lines that look like ours, or like nothing at all, with the first thing that is wrong with them.
CREATE TABLE IF NOT EXISTS tlsfloor.damaged
(
    received DateTime('UTC'),
    source   LowCardinality(String),
    fault    LowCardinality(String),
    line     String COMMENT 'its first 4096 bytes' CODEC(ZSTD)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (received, source)
TTL received + INTERVAL 30 DAY DELETE;

-- How many lines came: a kind of event, `foreign` or `damaged`. Copies count again.
CREATE TABLE IF NOT EXISTS tlsfloor.intake
(
    hour  DateTime('UTC'),
    kind  LowCardinality(String),
    lines UInt64
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, kind)
TTL hour + INTERVAL 13 MONTH DELETE;

-- Reads a line by the rules of `tlsfloor report`. Nothing here may throw: an exception would turn
-- away the whole insert, and the collector would send it again for ever.
CREATE MATERIALIZED VIEW IF NOT EXISTS tlsfloor.read TO tlsfloor.parsed AS
WITH
    ['none', 'sslv2', 'ssl3', '1.0', '1.1', '1.2', '1.3'] AS all_offered,
    ['version', 'cipher', 'group', 'signature', 'malformed', 'plaintext'] AS all_reasons,
    ['serve', 'legacy', 'refuse'] AS all_lanes,
    ['pass', 'fail'] AS all_verdicts,
    -- A closed set of JSON functions over the object, by key.
    key -> JSONExtractString(object, key) AS text_of,
    key -> JSONType(object, key) = 'String' AS is_text,
    key -> JSONType(object, key) IN ('String', 'Null') AS is_text_or_none,
    -- RFC 3339, from 1970 to what 32 bits hold, cut to seconds.
    key -> if(match(text_of(key), '^\\d{4}-\\d\\d-\\d\\d[Tt ]([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d([.]\\d{1,9})?([Zz]|[+-]\\d\\d:\\d\\d)$'),
        parseDateTime64BestEffortOrNull(text_of(key), 6, 'UTC'), NULL) AS time_of,
    key -> ifNull(time_of(key) >= toDateTime64('1970-01-01 00:00:00', 6, 'UTC')
        AND time_of(key) < toDateTime64('2106-02-07 06:28:16', 6, 'UTC'), 0) AS is_time,
    key -> if(is_time(key), toDateTime(time_of(key), 'UTC'), toDateTime(0, 'UTC')) AS second_of,
    key -> toUInt64OrNull(JSONExtractRaw(object, key)) AS number_of,
    key -> match(JSONExtractRaw(object, key), '^\\d+$') AND number_of(key) IS NOT NULL AS is_number,
    multiIf(
        kind IN ('census', 'totals'), [
            ('from', is_time('from')), ('to', is_time('to')),
            ('lane', has(all_lanes, text_of('lane'))), ('count', is_number('count')),
            ('to: it is before from', second_of('from') <= second_of('to'))],
        kind = 'stage', [
            ('from', is_text('from')), ('to', is_text('to')), ('at', is_time('at')),
            ('rollout', is_text_or_none('rollout')),
            ('percent', JSONType(object, 'percent') = 'Null'
                OR is_number('percent') AND ifNull(number_of('percent'), 256) < 256)],
        kind = 'exemption', [
            ('exemption', is_text('exemption')), ('count', is_number('count')),
            ('to', JSONType(object, 'to') = 'Null' OR is_time('to')),
            ('timestamp', JSONType(object, 'timestamp') = 'Null' OR is_time('timestamp')),
            ('owner', is_text_or_none('owner')), ('expires', is_text_or_none('expires')),
            ('state', is_text_or_none('state'))],
        kind = 'legacy', [
            ('client', is_text('client')), ('user_agent', is_text_or_none('user_agent'))],
        []) AS common,
    multiIf(
        kind = 'census', [
            ('client', is_text('client')), ('policy', is_text('policy')),
            ('offered_max', has(all_offered, text_of('offered_max'))),
            ('reason', has(all_reasons, text_of('reason'))), ('sni', is_text_or_none('sni')),
            ('ja4', is_text_or_none('ja4')), ('stack', is_text_or_none('stack'))],
        kind = 'totals', [
            ('offered', has(all_offered, text_of('offered'))),
            ('verdict', has(all_verdicts, text_of('verdict'))),
            ('version', is_text_or_none('version')), ('cipher', is_text_or_none('cipher'))],
        []) AS own,
    arrayFirst(field -> ifNull(field.2, 0) = 0, arrayConcat(common, own)).1 AS wrong
SELECT
    kind AS event,
    multiIf(
        length(whole) >= 1048576, 'longer than any line of ours',
        NOT isValidUTF8(whole), 'not text in UTF-8',
        start = 0, 'no JSON object',
        is_marked AND NOT is_ours, if(endsWith(text, '}'), '', 'a JSON object that breaks off'),
        is_ours AND NOT isValidJSON(object), 'not JSON',
        -- Without the mark the object was looked at by a parser, see below.
        NOT is_marked AND NOT isValidJSON(substring(text, start)), 'not JSON',
        NOT is_marked AND JSONType(substring(text, start), 'event') NOT IN ('String', 'Null'), 'event',
        wrong != '', concat(kind, ': ', wrong),
        '') AS fault,
    -- The proxy's own `legacy` line, about a client that it passed on, has no program.
    fault = '' AND is_ours AND (kind != 'legacy' OR is_text('user_agent')) AS is_kept,
    whole AS line,
    from_where AS source,
    multiIf(
        kind = 'stage', second_of('at'),
        kind = 'exemption', if(is_time('to'), second_of('to'), second_of('timestamp')),
        -- A client's program once a day: nginx writes a line for each request.
        kind = 'legacy', toDateTime(toDate(if(is_time('timestamp'), second_of('timestamp'), now('UTC')), 'UTC'), 'UTC'),
        second_of('from')) AS at,
    if(kind IN ('census', 'totals'), second_of('to'), at) AS until,
    if(kind != 'legacy' AND is_time('timestamp'),
        assumeNotNull(time_of('timestamp')), toDateTime64(0, 6, 'UTC')) AS written,
    text_of('policy') AS policy,
    text_of('client') AS client,
    text_of('sni') AS sni,
    text_of('ja4') AS ja4,
    text_of(if(kind = 'census', 'offered_max', 'offered')) AS offered,
    text_of('version') AS version,
    text_of('cipher') AS cipher,
    text_of('reason') AS reason,
    text_of('lane') AS lane,
    text_of('verdict') AS verdict,
    if(kind = 'census' AND text_of('stack') = '', 'unknown', text_of('stack')) AS stack,
    ifNull(number_of('count'), 0) AS count,
    text_of('rollout') AS rollout,
    if(kind = 'stage', text_of('from'), '') AS stage_from,
    if(kind = 'stage', text_of('to'), '') AS stage,
    toUInt8OrNull(JSONExtractRaw(object, 'percent')) AS percent,
    text_of('exemption') AS exemption,
    text_of('owner') AS owner,
    text_of('expires') AS expires,
    text_of('state') AS state,
    text_of('user_agent') AS user_agent,
    if(kind = 'legacy', sipHash128(client, user_agent), sipHash128(from_where, object)) AS id
FROM
(
    SELECT
        line AS whole,
        replaceRegexpAll(line, '^\\s+|\\s+$', '') AS text,
        position(text, '{') AS start,
        -- Most lines are of other kinds and are known as such without a parser, as `report` does it:
        -- in a text the quotes would be escaped, so this is a key.
        extract(substring(text, start), '"event":"([^"]*)"') AS mark,
        match(substring(text, start), '"event":"[^"]*"') AS is_marked,
        if(is_marked, mark, JSONExtractString(substring(text, start), 'event')) AS kind,
        kind IN ('census', 'totals', 'stage', 'exemption', 'legacy') AS is_ours,
        if(is_ours AND isValidUTF8(line), substring(text, start), '{}') AS object,
        multiIf(
            source != '', source,
            startsWith(text, '[pod/'), extract(text, '^\\[pod/([^/\\]]+)'),
            replaceRegexpOne(substring(text, 1, greatest(start, 1) - 1), '[\\s|]+$', '')) AS from_where
    FROM tlsfloor.lines
)
WHERE text != '';

CREATE MATERIALIZED VIEW IF NOT EXISTS tlsfloor.keep TO tlsfloor.events AS
SELECT * EXCEPT (fault, is_kept, line)
FROM tlsfloor.parsed
WHERE is_kept;

CREATE MATERIALIZED VIEW IF NOT EXISTS tlsfloor.leave_out TO tlsfloor.damaged AS
SELECT now('UTC') AS received, source, fault, substring(line, 1, 4096) AS line
FROM tlsfloor.parsed
WHERE fault != '';

CREATE MATERIALIZED VIEW IF NOT EXISTS tlsfloor.count_in TO tlsfloor.intake AS
SELECT
    toStartOfHour(now('UTC')) AS hour,
    multiIf(fault != '', 'damaged', is_kept, event, 'foreign') AS kind,
    count() AS lines
FROM tlsfloor.parsed
GROUP BY hour, kind;

-- What the queries share. {since} and {until} are compared with the time in which a row begins.

-- Who fails a policy.
CREATE VIEW IF NOT EXISTS tlsfloor.census AS
SELECT at, until, client, sni, ja4, offered, reason, lane, stack, count
FROM tlsfloor.events FINAL
WHERE event = 'census' AND policy = {policy:String}
    AND at >= {since:DateTime('UTC')} AND at < {until:DateTime('UTC')};

-- All connections, by what was offered and agreed on.
CREATE VIEW IF NOT EXISTS tlsfloor.totals AS
SELECT at, until, offered, version, cipher, lane, verdict, count
FROM tlsfloor.events FINAL
WHERE event = 'totals'
    AND at >= {since:DateTime('UTC')} AND at < {until:DateTime('UTC')};

-- Clients with one and the same old hello behind which the legacy terminator saw three programs or
-- more: a device that encrypts for them. A program is its product without the version; browsers all
-- call themselves Mozilla, so with them it is the whole. When it was seen does not matter.
CREATE VIEW IF NOT EXISTS tlsfloor.middleboxes AS
SELECT client
FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
WHERE client IN (
    SELECT client
    FROM tlsfloor.events
    WHERE event = 'legacy'
    GROUP BY client
    HAVING uniqExact(if(extract(user_agent, '^[^/ ]*') = 'Mozilla', user_agent, extract(user_agent, '^[^/ ]*'))) >= 3)
GROUP BY client
HAVING client != 'other' AND uniqExact(stack) = 1;

-- The brownouts of the rollout. Every replica says each move, some a moment later: one is from the
-- first that began it to the first that ended it. Plain HTTP has stages of its own.
CREATE VIEW IF NOT EXISTS tlsfloor.brownouts AS
WITH arrayJoin(range(1, length(moves) + 1, 2)) AS n
SELECT
    moves[n].1 AS began,
    if(n < length(moves), moves[n + 1].1, NULL) AS ended,
    nullIf(moves[n].3, -1) AS percent,
    if(n > 1, moves[greatest(n, 2) - 1].1, toDateTime(0, 'UTC')) AS previous
FROM
(
    SELECT
        arraySort(groupArray((at, stage = 'brownout', toInt16(ifNull(percent, -1))))) AS every,
        -- Where it changes; what comes first has to be a beginning.
        arrayFilter((move, n) -> move.2 != if(n > 1, every[greatest(n, 2) - 1].2, 0), every, arrayEnumerate(every)) AS moves
    FROM tlsfloor.events
    WHERE event = 'stage' AND rollout IN ('', 'rollout')
        AND (stage_from = 'brownout') != (stage = 'brownout')
        AND at >= {since:DateTime('UTC')} AND at < {until:DateTime('UTC')}
);

-- The last of them, and the times around it that are compared: as long after it as before it, at
-- most a day, and nothing that another brownout colours.
CREATE VIEW IF NOT EXISTS tlsfloor.last_brownout AS
WITH
    (SELECT max(until) FROM tlsfloor.totals(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})) AS last_total,
    (SELECT max(until) FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})) AS last_row,
    greatest(toUInt32(last_total), toUInt32(last_row)) AS data_end
SELECT
    began, ended, percent,
    if(isNull(ended), data_end, toUInt32(assumeNotNull(ended))) AS over,
    least(data_end - least(over, data_end), 86400) AS after,
    least(if(after = 0, 86400, after), toUInt32(began) - toUInt32(previous)) AS before,
    toDateTime(toUInt32(began) - before, 'UTC') AS before_from,
    toDateTime(over, 'UTC') AS after_from,
    toDateTime(over + after, 'UTC') AS after_to
FROM tlsfloor.brownouts(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
WHERE data_end > 0
ORDER BY began DESC
LIMIT 1;

-- When each client was seen first, and since when it surely was again: before, during or after.
CREATE VIEW IF NOT EXISTS tlsfloor.sightings AS
SELECT client, sum(count) AS connections, min(at) AS first_seen, max(at) AS again, max(until) AS last_seen
FROM tlsfloor.census(policy = {policy:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
WHERE client != 'other'
GROUP BY client;
