-- What is stored of limits by key, and where they stand for one job.

-- name: limits
-- All limits.
SELECT key, name, most, per, pinned, paused_since, paused_by, paused_until
FROM aiojobs_limits
ORDER BY name, key;

-- name: limit_for_key
-- What counts for one key: its own values, and those for all keys.
SELECT key, name, most, per, pinned, paused_since, paused_by, paused_until
FROM aiojobs_limits
WHERE name = ?
    AND key IN ('', ?);

-- name: starts_of_meter
-- The log of a rate for one key.
SELECT starts
FROM aiojobs_meters
WHERE meter = ?;

-- name: before_in_lane
-- The first job of an ordered lane that is pending, if it comes before a job.
SELECT min(id)
FROM aiojobs_jobs
WHERE place IS NOT NULL
    AND status = 'pending'
    AND held IS NULL
    AND lane = ?
    AND id < ?;
