-- Durable steps. {step} are the columns of `StepRow`.

-- name: steps_of_attempts
-- Those of these attempts that are owned, when their jobs were enqueued, and the rows of their operations of a name.
SELECT wanted.column1, wanted.column2, wanted.column3, job.created_at, steps.id
FROM (VALUES {rows}) AS wanted
CROSS JOIN aiojobs_jobs AS job
LEFT JOIN aiojobs_steps AS steps ON steps.job_id = wanted.column1 AND steps.name = wanted.column4
WHERE job.id = wanted.column1
    AND job.attempts = wanted.column2
    AND job.owner = wanted.column3
    AND +job.status = 'processing';

-- name: steps_of_rows
-- Operations, with their rows and jobs.
SELECT id, job_id, {step}
FROM aiojobs_steps
WHERE id IN ({rows});

-- name: last_places
-- How many operations of each of these jobs have ended.
SELECT job_id, coalesce(max(place), 0)
FROM aiojobs_steps
WHERE job_id IN ({rows})
GROUP BY job_id;

-- name: insert_steps
-- Stores operations of the attempts that (job, attempt, owner) still has.
INSERT INTO aiojobs_steps (job_id, {step})
SELECT
    job.id, column4, column5, column6, column7, column8, column9, column10, column11, column12, column13
FROM (VALUES {rows}) AS new
CROSS JOIN aiojobs_jobs AS job
WHERE job.id = new.column1
    AND job.attempts = new.column2
    AND job.owner = new.column3
    AND +job.status = 'processing';

-- name: insert_ran
-- Stores steps that ran, of the attempts that (job, attempt, owner) still has; ?1 is now.
INSERT INTO aiojobs_steps (job_id, name, kind, state, attempts, started_at, ended_at, memo, place)
SELECT job.id, column4, 'run', 'done', 1, ?1, ?1, column5, column6
FROM (VALUES {rows}) AS new
CROSS JOIN aiojobs_jobs AS job
WHERE job.id = new.column1
    AND job.attempts = new.column2
    AND job.owner = new.column3
    AND +job.status = 'processing';

-- name: change_step
-- Stores what has become of an operation that waited.
UPDATE aiojobs_steps
SET
    kind = :kind, state = :state, memo = :memo, error = :error, attempts = :attempts, until = :until,
    ended_at = :ended_at, place = :place
WHERE id = :row;

-- name: forget_child
-- An operation waits for its job no more.
UPDATE aiojobs_children
SET is_awaited = 0
WHERE parent_id = ?
    AND step = ?;

-- name: rows_of_steps
-- The rows that operations have.
SELECT steps.job_id, steps.name, steps.id
FROM (VALUES {rows}) AS wanted
CROSS JOIN aiojobs_steps AS steps
WHERE steps.job_id = wanted.column1
    AND steps.name = wanted.column2;

-- name: end_steps
-- Ends operations that waited.
UPDATE aiojobs_steps
SET state = ended.column2, memo = ended.column3, place = ended.column4, ended_at = ?
FROM (VALUES {rows}) AS ended
WHERE aiojobs_steps.id = ended.column1
    AND aiojobs_steps.state = 'waiting';

-- name: suspend
-- Notes for which of its operations a job is suspended, which is for none of the others.
UPDATE aiojobs_steps
SET suspends = 1 - suspends
WHERE job_id = :id
    AND suspends <> (state = 'waiting' AND name IN (SELECT value FROM json_each(:names)));

-- name: has_ended_step
-- Whether one of these operations of a job has ended.
SELECT EXISTS (
    SELECT 1
    FROM aiojobs_steps
    WHERE job_id = :id
        AND name IN (SELECT value FROM json_each(:names))
        AND state <> 'waiting'
);

-- name: pending_jobs
-- Those of these jobs that are pending: type, priority, and how each stands.
SELECT id, type, priority, attempts, crashes, scheduled_at, held
FROM aiojobs_jobs
WHERE +status = 'pending'
    AND id IN ({rows});

-- name: restart
-- Has jobs count their attempts and crashes from the latest attempt (`count_restarted`).
UPDATE aiojobs_jobs
SET attempts = iif(attempts = 2 AND crashes > 0, 2, min(attempts, 1)), crashes = min(crashes, 1)
WHERE id IN ({rows});

-- name: wake
-- Makes jobs claimable, due now at the latest; their attempts and crashes count from here.
UPDATE aiojobs_jobs
SET attempts = 0, crashes = 0, held = NULL, scheduled_at = min(scheduled_at, ?), place = iif(place = 0, 0, NULL)
WHERE id IN ({rows});

-- name: of_status
-- Those of these jobs that have a status.
SELECT id
FROM aiojobs_jobs
WHERE +status = ?
    AND id IN ({rows});

-- name: forget_unfinished
-- Forgets the operations of jobs that are not done.
DELETE FROM aiojobs_steps
WHERE job_id IN ({rows})
    AND state <> 'done';

-- name: with_steps
-- Those of these jobs that have operations.
SELECT DISTINCT job_id
FROM aiojobs_steps
WHERE job_id IN ({rows});

-- name: count_suspension
-- Has jobs count as suspended once.
UPDATE aiojobs_jobs
SET snoozes = 1
WHERE id IN ({rows});

-- name: steps_of_job
-- The operations of a job in the order in which they were stored first.
SELECT {step}
FROM aiojobs_steps
WHERE job_id = ?
ORDER BY id;

-- name: restarted
-- Those of these jobs that are processing, and of which an operation has ended in the running attempt.
SELECT id
FROM aiojobs_jobs AS job
WHERE +status = 'processing'
    AND id IN (SELECT value FROM json_each(:ids))
    AND EXISTS (
        SELECT 1
        FROM aiojobs_steps AS steps
        WHERE steps.job_id = job.id
            AND steps.ended_at BETWEEN job.started_at AND :until
    );

-- name: awaited_of_job
-- The operations that wait and for which a pending job is suspended, each with the job and the event that it waits for.
SELECT
    (
        SELECT max(child_id)
        FROM aiojobs_children
        WHERE parent_id = steps.job_id
            AND step = steps.name
            AND is_awaited = 1
    ),
    waits.event, waits.fields, waits.vals, {step}
FROM aiojobs_steps AS steps
LEFT JOIN aiojobs_waits AS waits ON waits.job_id = steps.job_id AND waits.step = steps.id
WHERE steps.job_id = ?
    AND suspends = 1
    AND state = 'waiting'
    AND EXISTS (SELECT 1 FROM aiojobs_jobs AS job WHERE job.id = steps.job_id AND job.status = 'pending')
ORDER BY steps.id;

-- name: delete_steps
-- Deletes the operations of these jobs.
DELETE FROM aiojobs_steps
WHERE job_id IN ({rows});
