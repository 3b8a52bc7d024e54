-- Jobs that expire: when, and their end.

-- name: set_expiries
-- Sets when jobs expire.
INSERT INTO aiojobs_expiries (job_id, expires_at)
VALUES {rows}
ON CONFLICT (job_id) DO UPDATE SET expires_at = excluded.expires_at, is_over = 0;

-- name: forget_expiries
-- These jobs do not expire any more.
DELETE FROM aiojobs_expiries
WHERE job_id IN ({rows});

-- name: forget_expiries_of_dead
-- Those of these jobs that are dead do not expire any more.
DELETE FROM aiojobs_expiries
WHERE job_id IN (SELECT id FROM aiojobs_jobs WHERE id IN ({rows}) AND +status = 'dead');

-- name: move_expiry
-- Moves when a job expires, at the latest to the end of the calendar.
UPDATE aiojobs_expiries
SET expires_at = min(expires_at + ?, {never} - 1)
WHERE job_id = ?;

-- name: count_expiry_again
-- A job whose expiry came while an attempt ran is pending again.
UPDATE aiojobs_expiries
SET is_over = 0
WHERE job_id = ?
    AND is_over = 1;

-- name: count_from_release
-- A job that was held after others is due, so much later than its expiry was counted from.
UPDATE aiojobs_expiries
SET expires_at = min(expires_at + ?, {never} - 1), is_over = 0
WHERE job_id = ?;

-- name: first_expiry
-- When the first of the jobs expires.
SELECT expires_at
FROM aiojobs_expiries
WHERE is_over = 0
ORDER BY expires_at
LIMIT 1;

-- name: expired
-- Some of the jobs whose expiry has come, and where they stand; without a type: they are gone.
SELECT expiry.job_id, job.type, job.status, job.attempts, job.scheduled_at, job.held
FROM (
    SELECT job_id, expires_at
    FROM aiojobs_expiries
    WHERE is_over = 0
        AND expires_at <= ?
    ORDER BY expires_at
    LIMIT ?
) AS expiry
LEFT JOIN aiojobs_jobs AS job ON job.id = expiry.job_id
ORDER BY expiry.expires_at, expiry.job_id;

-- name: expired_of_ids
-- Those of these jobs that are pending and whose expiry has come, and where they stand.
SELECT job.id, job.type, job.status, job.attempts, job.scheduled_at, job.held
FROM aiojobs_expiries AS expiry
CROSS JOIN aiojobs_jobs AS job ON job.id = expiry.job_id
WHERE expiry.expires_at <= ?
    AND expiry.job_id IN ({rows})
    AND +job.status = 'pending'
    AND +job.held IS NOT 'after';

-- name: cancel_expired
-- Cancels pending jobs.
UPDATE aiojobs_jobs
SET status = 'cancelled', completed_at = ?, reason = ?, held = NULL
WHERE id IN ({rows})
    AND +status = 'pending';

-- name: set_over
-- The expiry of these jobs has come while an attempt runs, or while they are held after others.
UPDATE aiojobs_expiries
SET is_over = 1
WHERE job_id IN ({rows});

-- name: expiry_of_job
-- When a job expires.
SELECT expires_at
FROM aiojobs_expiries
WHERE job_id = ?;
