-- Which lines could not be read, and why? In `tlsfloor report --format json`: damaged.
-- A line that is sent again counts again: see README.md.
SELECT
    fault,
    count() AS lines,
    min(received) AS first,
    max(received) AS last,
    any(source) AS example_source,
    any(line) AS example
FROM tlsfloor.damaged
WHERE received >= {since:DateTime('UTC')} AND received < {until:DateTime('UTC')}
GROUP BY fault
ORDER BY lines DESC, fault;
