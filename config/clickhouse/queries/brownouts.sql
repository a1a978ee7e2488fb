-- When were the brownouts?
SELECT began, ended, percent
FROM tlsfloor.brownouts(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')})
ORDER BY began;
