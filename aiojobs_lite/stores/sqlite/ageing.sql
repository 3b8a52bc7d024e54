-- Raising the priority of jobs that have waited for long.

-- name: types_pending
-- The types that have claimable jobs outside of lanes, in their order: one search each.
WITH RECURSIVE found (type) AS (
    SELECT min(type)
    FROM aiojobs_jobs INDEXED BY aiojobs_jobs_pending
    WHERE {ordinary}
    UNION ALL
    SELECT (
        SELECT min(type)
        FROM aiojobs_jobs INDEXED BY aiojobs_jobs_pending
        WHERE {ordinary}
            AND type > found.type
    )
    FROM found
    WHERE type IS NOT NULL
)
SELECT type
FROM found
WHERE type IS NOT NULL;

-- name: waiting_long
-- Claimable jobs of a type and priority that were due before an instant.
SELECT id, scheduled_at
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = :type
    AND priority = :priority
    AND scheduled_at < :before
ORDER BY scheduled_at, id
LIMIT :limit;

-- name: set_priority
-- Gives pending jobs another priority.
UPDATE aiojobs_jobs
SET priority = ?
WHERE id IN ({rows})
    AND +status = 'pending';
