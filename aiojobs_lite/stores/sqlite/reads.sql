-- The questions. {job} are the columns of `Job`, {attempt} those of `Attempt`.

-- name: job
-- One job, and what it reported last.
SELECT {job}, fraction, text, attempt, at
FROM aiojobs_jobs
LEFT JOIN aiojobs_progress ON job_id = id
WHERE id = :id;

-- name: data_version
-- What tells whether another connection has committed.
PRAGMA data_version;

-- name: latest_death
-- When the latest of the dead jobs died.
SELECT max(completed_at)
FROM aiojobs_jobs
WHERE status = 'dead'
    AND completed_at IS NOT NULL;

-- name: dead_after
-- Dead jobs up to an instant, behind one of them.
SELECT id, type, completed_at
FROM aiojobs_jobs
WHERE status = 'dead'
    AND completed_at <= :until
    AND (completed_at, id) > (:completed_at, :id)
ORDER BY completed_at, id
LIMIT :limit;

-- name: first_due
-- The first claimable job of a type and priority that was due at an instant.
SELECT {job}
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = :type
    AND priority = :priority
    AND scheduled_at <= :until
ORDER BY scheduled_at, id
LIMIT 1;

-- name: first_due_in_lane
-- The same of the first lanes that no limit holds back, as far as is known.
SELECT {job}
FROM aiojobs_jobs
WHERE id IN (
    SELECT (
        SELECT id
        FROM aiojobs_jobs
        WHERE place IS NOT NULL
            AND status = 'pending'
            AND held IS NULL
            AND lane = ready.lane
        ORDER BY place, id
        LIMIT 1
    )
    FROM (
        SELECT lane
        FROM aiojobs_lanes
        WHERE line = :type
            AND priority = :priority
            AND ready_at <= :until
        ORDER BY ready_at, first_id
        LIMIT 8
    ) AS ready
)
    AND scheduled_at <= :until
ORDER BY scheduled_at, id
LIMIT 1;

-- name: attempts_of_job
-- The recorded attempts of a job, oldest first.
SELECT {attempt}
FROM aiojobs_attempts
WHERE job_id = ?
ORDER BY id;

-- name: processing_of_owner
-- The jobs that an owner is processing. All of it stands in the index.
SELECT id
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_processing
WHERE status = 'processing'
    AND owner = ?;

-- name: owners
-- The owners of all processing jobs.
SELECT DISTINCT owner
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_processing
WHERE status = 'processing';
