-- The attempts that run in each lane, and the logs of rates.

-- name: running_lanes
-- How many jobs of each lane are processing. All of it stands in the index.
SELECT type, lane, count(*)
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_processing
WHERE status = 'processing'
    AND lane IS NOT NULL
GROUP BY type, lane;

-- name: meters
-- The starts of rates for some keys, and when their lines are to be looked at.
SELECT meter, starts, free_at
FROM aiojobs_meters
WHERE meter IN ({rows});

-- name: meters_ahead
-- Those that have started after an instant.
SELECT meter
FROM aiojobs_meters
WHERE last_at > ?;

-- name: set_meters
-- Stores them.
INSERT INTO aiojobs_meters (meter, starts, free_at, last_at)
VALUES {rows}
ON CONFLICT (meter) DO UPDATE
SET starts = excluded.starts, free_at = excluded.free_at, last_at = excluded.last_at;

-- name: free_meters
-- The meters whose lines are to be looked at.
SELECT meter
FROM aiojobs_meters
WHERE free_at IS NOT NULL
    AND free_at <= ?
ORDER BY free_at
LIMIT ?;

-- name: next_free
-- When the next one is to be looked at.
SELECT min(free_at)
FROM aiojobs_meters
WHERE free_at IS NOT NULL;
