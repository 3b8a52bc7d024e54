-- The questions. {job} are the columns of `Job`, {attempt} those of `Attempt`.

-- name: jobs_where
-- Jobs, newest first; {index} is a hint, {where} a chain of conditions. Without the hint the order and the limit make
-- SQLite walk through the whole table for the few jobs that are processing.
SELECT {job}
FROM aiojobs_jobs {index}
WHERE {where}
ORDER BY id DESC
LIMIT :limit;

-- name: attempts_of_job
-- The recorded attempts of a job, oldest first.
SELECT {attempt}
FROM aiojobs_attempts
WHERE job_id = ?
ORDER BY id;

-- name: owners
-- The owners of all processing jobs.
SELECT DISTINCT owner
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_processing
WHERE status = 'processing';
