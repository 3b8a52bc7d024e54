-- The questions. {job} are the columns of `Job`, {attempt} those of `Attempt`. {fits}: a job has what is asked for; a
-- parameter that is NULL asks for nothing.

-- name: job
-- One job, and what it reported last.
SELECT {job}, fraction, text, attempt, at
FROM aiojobs_jobs
LEFT JOIN aiojobs_progress ON job_id = id
WHERE id = :id;

-- name: jobs_of_page
-- Jobs up to an id, newest first.
SELECT {job}
FROM aiojobs_jobs
WHERE id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- The same by an index. Without its name SQLite would walk through the whole table for a few jobs, because of the order
-- and the limit.

-- name: jobs_of_ids
SELECT {job}
FROM aiojobs_jobs
WHERE id IN ({ids})
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_of_batch
-- Of a batch, range by range.
SELECT {job}
FROM aiojobs_batch_ranges INDEXED BY aiojobs_batch_ranges_batch
CROSS JOIN aiojobs_jobs
WHERE batch = :batch
    AND first_id <= :last
    AND id BETWEEN first_id AND last_id
    AND id <= :last
    AND {fits}
ORDER BY first_id DESC, id DESC
LIMIT :limit;

-- name: jobs_of_batch_and_ids
SELECT {job}
FROM aiojobs_jobs
WHERE id IN ({ids})
    AND id <= :last
    AND EXISTS (
        SELECT 1
        FROM aiojobs_batch_ranges
        WHERE batch = :batch
            AND id BETWEEN first_id AND last_id
    )
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_processing
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_processing
WHERE status = 'processing'
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_pending_with_metadata
-- Pending, of one type.
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_ended
WHERE type = :type
    AND status = 'pending'
    AND metadata IS NOT NULL
    AND completed_at IS NULL
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_not_completed
-- Dead, or cancelled.
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_finished
WHERE status = :status
    AND completed_at IS NOT NULL
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_of_label
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_label
WHERE label = :label
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_held
-- Held for one reason, of one type.
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_held
WHERE held = :held
    AND type = :type
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_held_of_any_type
-- Held for one reason.
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_held
WHERE held = :held
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

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
    AND completed_at <= ?
    AND (completed_at, id) > (?, ?)
ORDER BY completed_at, id
LIMIT ?;

-- name: first_due
-- The first claimable job of a type and priority that was due at an instant.
SELECT {job}
FROM aiojobs_jobs
WHERE status = 'pending'
    AND held IS NULL
    AND place IS NULL
    AND type = ?
    AND priority = ?
    AND scheduled_at <= ?
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
