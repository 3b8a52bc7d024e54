-- Lists of jobs. {job} are the columns of `Job`. {fits}: a job has what is asked for; a parameter that is NULL asks for
-- nothing.

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
