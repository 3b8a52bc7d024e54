-- Jobs that run after others.

-- name: statuses
-- Those of these jobs that are there, and how they stand.
SELECT id, status
FROM aiojobs_jobs
WHERE id IN ({rows});

-- name: type_and_instants
-- The type of a job, when it is due, and when it was enqueued.
SELECT type, scheduled_at, created_at
FROM aiojobs_jobs
WHERE id = ?;

-- name: type_and_status
-- The type of a job, and how it stands.
SELECT type, status
FROM aiojobs_jobs
WHERE id = ?;

-- name: hold_after
-- Holds a new job, which is not scheduled meanwhile.
UPDATE aiojobs_jobs
SET held = 'after', scheduled_at = ?, place = iif(place = 0, 0, NULL)
WHERE id = ?;

-- name: insert_after
-- Notes what a job waits for.
INSERT INTO aiojobs_after (job_id, waits_for, runs_anyway, delay, at)
VALUES {rows};

-- name: is_any_waiting
-- Whether any job waits for another.
SELECT EXISTS (
    SELECT 1
    FROM aiojobs_after
);

-- name: waiting_for
-- The jobs that wait for some that have ended.
SELECT waits_for, job_id, runs_anyway, delay, at
FROM aiojobs_after
WHERE waits_for IN ({rows});

-- name: forget_ended
-- Forgets that jobs were waited for.
DELETE FROM aiojobs_after
WHERE waits_for IN ({rows});

-- name: forget_waiting
-- Forgets what jobs waited for.
DELETE FROM aiojobs_after
WHERE job_id IN ({rows});

-- name: still_waiting
-- Those of these jobs that still wait.
SELECT DISTINCT job_id
FROM aiojobs_after
WHERE job_id IN ({rows});

-- name: held_after
-- Those of these jobs that are held after others: each with its type and priority, and how it stands.
SELECT id, type, priority, attempts, scheduled_at
FROM aiojobs_jobs
WHERE id IN ({rows})
    AND +held = 'after'
ORDER BY id;

-- name: release_after
-- Makes jobs claimable, each due at an instant of its own.
UPDATE aiojobs_jobs
SET held = NULL, scheduled_at = released.column2
FROM (VALUES {rows}) AS released
WHERE aiojobs_jobs.id = released.column1
    AND +aiojobs_jobs.held = 'after';

-- name: after_of_job
-- What a job still waits for.
SELECT waits_for
FROM aiojobs_after INDEXED BY aiojobs_after_job
WHERE job_id = ?
ORDER BY waits_for
LIMIT ?;
