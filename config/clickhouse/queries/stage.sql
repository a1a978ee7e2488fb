-- Where does the rollout stand, and since when? In `tlsfloor report --format json`: stage.
SELECT stage, at AS since
FROM tlsfloor.events
WHERE event = 'stage' AND rollout IN ('', 'rollout')
    AND at >= {since:DateTime('UTC')} AND at < {until:DateTime('UTC')}
ORDER BY at DESC, written DESC
LIMIT 1;
