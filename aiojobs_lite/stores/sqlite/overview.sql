-- How the database stands. No query looks at more jobs than it counts.

-- name: overview_counts
-- How many jobs of each type stand where.
SELECT type, pending, processing, completed, dead, cancelled
FROM aiojobs_counts
ORDER BY type;

-- name: count_due
-- How many jobs are due of types that are not paused, those in lanes left out.
SELECT count(*)
FROM (
    SELECT 1
    FROM aiojobs_counts AS type
    CROSS JOIN (VALUES (0), (1), (2)) AS priority
    CROSS JOIN aiojobs_jobs AS job INDEXED BY aiojobs_jobs_pending
    WHERE type.pending > 0
        AND type.type NOT IN (SELECT type FROM aiojobs_pauses)
        AND job.status = 'pending'
        AND job.held IS NULL
        AND job.place IS NULL
        AND job.type = type.type
        AND job.priority = priority.column1
        AND job.scheduled_at <= :now
    LIMIT :limit
);

-- name: count_ready_lanes
-- How many lanes may start a job: they wait in the line of a type, and not of a limit.
SELECT count(*)
FROM (
    SELECT 1
    FROM aiojobs_counts AS type
    CROSS JOIN aiojobs_lanes AS lane INDEXED BY aiojobs_lanes_line
    WHERE type.pending > 0
        AND type.type NOT IN (SELECT type FROM aiojobs_pauses)
        AND lane.line = type.type
        AND lane.ready_at <= :now
    LIMIT :limit
);

-- name: oldest_due
-- Since when the longest waiting due job of each type has been due, those in lanes left out.
SELECT type, min(scheduled_at)
FROM (
    SELECT
        type.type,
        (
            SELECT job.scheduled_at
            FROM aiojobs_jobs AS job INDEXED BY aiojobs_jobs_pending
            WHERE job.status = 'pending'
                AND job.held IS NULL
                AND job.place IS NULL
                AND job.type = type.type
                AND job.priority = priority.column1
                AND job.scheduled_at <= :now
            ORDER BY job.scheduled_at
            LIMIT 1
        ) AS scheduled_at
    FROM aiojobs_counts AS type
    CROSS JOIN (VALUES (0), (1), (2)) AS priority
    WHERE type.pending > 0
        AND type.type NOT IN (SELECT type FROM aiojobs_pauses)
)
WHERE scheduled_at IS NOT NULL
GROUP BY type;

-- name: types_in_lanes
-- The types that have limits by key, pending jobs, and no pause.
SELECT DISTINCT type
FROM aiojobs_limited
WHERE type IN (SELECT type FROM aiojobs_counts WHERE pending > 0)
    AND type NOT IN (SELECT type FROM aiojobs_pauses);

-- name: count_held
-- How many jobs are held for a reason.
SELECT count(*)
FROM (
    SELECT 1
    FROM aiojobs_jobs INDEXED BY aiojobs_jobs_held
    WHERE held = ?
    LIMIT ?
);

-- name: count_in_lanes
-- How many jobs wait in lanes.
SELECT count(*)
FROM (
    SELECT 1
    FROM aiojobs_jobs INDEXED BY aiojobs_jobs_lane
    WHERE place IS NOT NULL
        AND status = 'pending'
        AND held IS NULL
    LIMIT ?
);
