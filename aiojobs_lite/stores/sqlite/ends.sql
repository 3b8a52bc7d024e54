-- The ends of attempts, each fenced by (id, attempt, owner). {largest} is where a counter stays.

-- fragment: fence
-- The attempt is still that of its owner.
attempts = :attempt
    AND owner = :owner
    AND +status = 'processing';

-- name: complete
-- Completes the attempts of one owner and number that are still its own, and that returned nothing. The plus sign keeps
-- SQLite from the index of what is processing.
UPDATE aiojobs_jobs
SET
    status = 'completed', owner = NULL, completed_at = ?, result = NULL, reason = NULL, cancel_requested = 0,
    interrupted = 0
WHERE +status = 'processing'
    AND attempts = ?
    AND owner = ?
    AND id IN ({rows});

-- name: complete_with_results
-- Completes the attempts that (id, attempt, owner) still has, each with what it returned. The plus sign as above.
-- No WITH before UPDATE: the driver of Python 3.11 does not count its rows then.
UPDATE aiojobs_jobs
SET
    status = 'completed', owner = NULL, completed_at = ?, result = ended.result, reason = ended.note,
    cancel_requested = 0, interrupted = 0
FROM (
    SELECT column1 AS id, column2 AS attempt, column3 AS result, column4 AS note, column5 AS owner
    FROM (VALUES {rows})
) AS ended
WHERE aiojobs_jobs.id = ended.id
    AND aiojobs_jobs.attempts = ended.attempt
    AND aiojobs_jobs.owner = ended.owner
    AND +aiojobs_jobs.status = 'processing';

-- name: owned_attempt
-- What the end of an attempt depends on, if (id, attempt, owner) still has it.
SELECT cancel_requested, reason, priority
FROM aiojobs_jobs
WHERE id = ?
    AND attempts = ?
    AND owner = ?
    AND +status = 'processing';

-- name: end_again
-- Makes a job pending again.
UPDATE aiojobs_jobs
SET
    status = 'pending',
    owner = NULL,
    attempts = :counted,
    scheduled_at = :scheduled_at,
    error = coalesce(:error, error),
    reason = :reason,
    held = :held,
    place = iif(place = 0, 0, NULL),
    interruptions = min(interruptions + :interrupted, {largest}),
    snoozes = min(snoozes + :snoozed, {largest}),
    crashes = min(iif(:restarts, 0, crashes) + :lost, {largest}),
    cancel_requested = 0,
    interrupted = 0
WHERE id = :id
    AND {fence};

-- name: end_for_good
-- Makes a job dead or cancelled.
UPDATE aiojobs_jobs
SET
    status = :status,
    owner = NULL,
    attempts = max(attempts - :refund, 0),
    completed_at = :now,
    error = coalesce(:error, error),
    reason = :reason,
    interruptions = min(interruptions + :interrupted, {largest}),
    snoozes = min(snoozes + :snoozed, {largest}),
    crashes = min(crashes + :lost, {largest}),
    cancel_requested = 0,
    interrupted = 0
WHERE id = :id
    AND {fence};

-- name: insert_attempt
-- Records an attempt that did not succeed, of a job that was just ended by one of the two above.
INSERT INTO aiojobs_attempts (
    job_id, attempt, outcome, started_at, ended_at, owner, error_type, message, traceback, details,
    type
)
SELECT
    id, :attempt, :outcome, started_at, :now, :owner, :error_type, :message, :traceback, :details,
    iif(metadata IS NOT NULL AND :outcome IN ('failed', 'timed_out', 'cancelled', 'lost'), type, NULL)
FROM aiojobs_jobs
WHERE id = :id;

-- name: forget_attempts
-- Deletes the attempts of one outcome of a job but for the newest.
DELETE FROM aiojobs_attempts
WHERE job_id = :id
    AND outcome = :outcome
    AND id <= (
        SELECT id
        FROM aiojobs_attempts
        WHERE job_id = :id
            AND outcome = :outcome
        ORDER BY id DESC
        LIMIT 1 OFFSET :kept
    );

-- name: mark_interrupted
-- Notes that a drain left this attempt running.
UPDATE aiojobs_jobs
SET interrupted = 1
WHERE id = :id
    AND attempts = :attempt
    AND owner = :owner
    AND status = 'processing';
