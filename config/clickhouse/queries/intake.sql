-- What has arrived, by hour and kind: does every replica's log come in?
SELECT hour, kind, sum(tlsfloor.intake.lines) AS lines
FROM tlsfloor.intake
WHERE hour >= {since:DateTime('UTC')} AND hour < {until:DateTime('UTC')}
GROUP BY hour, kind
ORDER BY hour, kind;
