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

-- name: pending_of_limit
-- The pending jobs that a limit may count, by lane: how many, and how many of them are due.
SELECT lane, count(*), sum(scheduled_at <= :now)
FROM (
    SELECT ordinary.lane, ordinary.scheduled_at
    FROM aiojobs_limited
    CROSS JOIN aiojobs_jobs AS ordinary INDEXED BY aiojobs_jobs_pending ON ordinary.type = aiojobs_limited.type
    WHERE aiojobs_limited.name = :name
        AND ordinary.status = 'pending'
        AND ordinary.held IS NULL
        AND ordinary.place IS NULL
        AND instr(ordinary.lane, :part) > 0
    UNION ALL
    SELECT waiting.lane, waiting.scheduled_at
    FROM aiojobs_lanes
    CROSS JOIN aiojobs_jobs AS waiting ON waiting.lane = aiojobs_lanes.lane
    WHERE instr(aiojobs_lanes.lane, :part) > 0
        AND waiting.place IS NOT NULL
        AND waiting.status = 'pending'
        AND waiting.held IS NULL
)
GROUP BY lane;

-- name: before_in_lane
-- The first job of an ordered lane that is pending, if it comes before a job.
SELECT min(id)
FROM aiojobs_jobs
WHERE place IS NOT NULL
    AND status = 'pending'
    AND held IS NULL
    AND lane = ?
    AND id < ?;
