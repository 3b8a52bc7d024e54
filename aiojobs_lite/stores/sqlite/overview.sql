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
-- Since when the longest waiting job of each type has been due, of paused ones as well, those in lanes left out.
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
)
WHERE scheduled_at IS NOT NULL
GROUP BY type;

-- name: oldest_in_lanes
-- The same of jobs in lanes, of some lanes; which of them no limit holds back is not asked.
SELECT job.type, min(job.scheduled_at)
FROM (SELECT lane FROM aiojobs_lanes LIMIT :limit) AS found
CROSS JOIN aiojobs_jobs AS job
WHERE job.id = {first_of_lane}
    AND job.scheduled_at <= :now
GROUP BY job.type;

-- name: oldest_in_order
-- The same of jobs in ordered lanes, of all of these: their first job may be due later.
SELECT type, scheduled_at
FROM (
    SELECT
        type.type,
        (
            SELECT job.scheduled_at
            FROM aiojobs_jobs AS job INDEXED BY aiojobs_jobs_ordered
            WHERE job.place = 0
                AND job.status = 'pending'
                AND job.held IS NULL
                AND job.type = type.type
                AND job.scheduled_at <= :now
            ORDER BY job.scheduled_at
            LIMIT 1
        ) AS scheduled_at
    FROM (SELECT DISTINCT type FROM aiojobs_limited) AS type
    WHERE type.type IN (SELECT type FROM aiojobs_counts WHERE pending > 0)
)
WHERE scheduled_at IS NOT NULL;

-- name: oldest_held
-- The same of jobs that are held for a reason, of the first hundred of each type.
SELECT type, scheduled_at
FROM (
    SELECT
        type.type,
        (
            SELECT min(first.scheduled_at)
            FROM (
                SELECT job.scheduled_at
                FROM aiojobs_jobs AS job INDEXED BY aiojobs_jobs_held
                WHERE job.held = :held
                    AND job.type = type.type
                LIMIT 100
            ) AS first
            WHERE first.scheduled_at <= :now
        ) AS scheduled_at
    FROM aiojobs_counts AS type
    WHERE type.pending > 0
)
WHERE scheduled_at IS NOT NULL;

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
    FROM {of_lanes}
    LIMIT ?
);
