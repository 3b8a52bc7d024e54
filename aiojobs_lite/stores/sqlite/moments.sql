-- What happened to jobs with metadata, of one type, the latest first: `at`, the job, the attempt, and whether the job
-- has the metadata that are asked for. A page goes on behind :at, :id, :attempt.

-- name: moments_enqueued
-- When they were enqueued.
SELECT created_at, id, 0, {fits_fields}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_created
WHERE type = :type
    AND metadata IS NOT NULL
    AND created_at BETWEEN :since AND :until
    AND (created_at, id, 0) < (:at, :id, :attempt)
ORDER BY created_at DESC, id DESC
LIMIT :limit;

-- name: moments_completed
-- Of the jobs that have ended nearly all are completed.
SELECT completed_at, id, 0, {fits_fields}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_ended
WHERE type = :type
    AND status = 'completed'
    AND completed_at IS NOT NULL
    AND metadata IS NOT NULL
    AND completed_at BETWEEN :since AND :until
    AND (completed_at, id, 0) < (:at, :id, :attempt)
ORDER BY completed_at DESC, id DESC
LIMIT :limit;

-- name: moments_not_completed
-- Dead, or cancelled: few, of every type.
SELECT completed_at, id, 0, {fits_fields}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_finished
WHERE status = :kind
    AND type = :type
    AND completed_at IS NOT NULL
    AND metadata IS NOT NULL
    AND completed_at BETWEEN :since AND :until
    AND (completed_at, id, 0) < (:at, :id, :attempt)
ORDER BY completed_at DESC, id DESC
LIMIT :limit;

-- name: moments_started_of_completed
-- Of the attempts that completed their jobs.
SELECT started_at, id, attempts, {fits_fields}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_started
WHERE type = :type
    AND status = 'completed'
    AND completed_at IS NOT NULL
    AND metadata IS NOT NULL
    AND started_at BETWEEN :since AND :until
    AND (started_at, id, attempts) < (:at, :id, :attempt)
ORDER BY started_at DESC, id DESC
LIMIT :limit;

-- name: moments_started_of_processing
-- Of those that run.
SELECT started_at, id, attempts, {fits_fields}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_processing
WHERE type = :type
    AND status = 'processing'
    AND metadata IS NOT NULL
    AND started_at BETWEEN :since AND :until
    AND (started_at, id, attempts) < (:at, :id, :attempt)
ORDER BY started_at DESC, id DESC
LIMIT :limit;

-- name: moments_started_of_failed
-- Of those that used up one of their job's.
SELECT aiojobs_attempts.started_at, job_id, attempt, {fits_fields}
FROM aiojobs_attempts INDEXED BY aiojobs_attempts_started
CROSS JOIN aiojobs_jobs ON aiojobs_jobs.id = job_id
WHERE aiojobs_attempts.type = :type
    AND aiojobs_attempts.started_at BETWEEN :since AND :until
    AND outcome IN ('failed', 'timed_out', 'cancelled', 'lost')
    AND (aiojobs_attempts.started_at, job_id, attempt) < (:at, :id, :attempt)
ORDER BY aiojobs_attempts.started_at DESC, job_id DESC, attempt DESC
LIMIT :limit;

-- name: moments_failed
-- When an attempt failed, and used up one of their job's.
SELECT ended_at, job_id, attempt, {fits_fields}
FROM aiojobs_attempts INDEXED BY aiojobs_attempts_ended
CROSS JOIN aiojobs_jobs ON aiojobs_jobs.id = job_id
WHERE aiojobs_attempts.type = :type
    AND ended_at BETWEEN :since AND :until
    AND outcome IN ('failed', 'timed_out', 'cancelled', 'lost')
    AND (ended_at, job_id, attempt) < (:at, :id, :attempt)
ORDER BY ended_at DESC, job_id DESC, attempt DESC
LIMIT :limit;

-- name: attempts_of_jobs
-- The recorded attempts of jobs, oldest first.
SELECT job_id, {attempt}
FROM aiojobs_attempts
WHERE job_id IN ({ids})
ORDER BY id;
