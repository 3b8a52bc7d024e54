-- Every statement of the SQLite store, by name. `{rows}` stands for one parenthesis of question marks a row.

-- name: look_at_tables
-- Reads a row of each table, whatever is in it.
SELECT
    (SELECT typeof(payload) FROM jobs LIMIT 1),
    (SELECT typeof(outcome) FROM attempts LIMIT 1),
    (SELECT typeof(pending) FROM counts LIMIT 1),
    (SELECT typeof(type) FROM pauses LIMIT 1),
    (SELECT typeof(expression) FROM schedules LIMIT 1),
    (SELECT typeof(job_id) FROM ticks LIMIT 1);

-- name: insert_pending
-- Adds jobs. Each value that is bound costs some time, and NULL most of all, hence so few.
INSERT INTO jobs (id, type, payload, priority, scheduled_at, max_attempts, created_at, status)
SELECT column1, column2, column3, column4, column5, column6, column7, 'pending'
FROM (VALUES {rows});

-- name: insert_claimed
-- Adds jobs that are claimed already, all alike.
INSERT INTO jobs (
    id, type, payload, priority, scheduled_at, max_attempts, created_at, status, attempts, owner, started_at
)
SELECT column1, column2, column3, column4, column5, column6, column7, ?, ?, ?, ?
FROM (VALUES {rows});

-- name: insert_job
-- Adds one job with all that a job may have: a key that is free, a schedule and its tick.
INSERT INTO jobs (
    status, attempts, owner, started_at,
    id, type, payload, priority, scheduled_at, max_attempts, created_at, idempotency_key, schedule, tick
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: job_of_key
-- The job that holds an idempotency key.
SELECT id
FROM jobs
WHERE type = ? AND idempotency_key = ?;

-- name: due_jobs
-- The due jobs of one type and priority, in the order of the claim: the columns of `Claimed`.
SELECT
    id, type, payload, priority, scheduled_at, min(attempts + 1, 9223372036854775807), max_attempts, created_at, ?,
    interruptions, snoozes, crashes, tick, ?
FROM jobs
WHERE status = 'pending'
    AND parked IS NULL
    AND type = ?
    AND priority = ?
    AND scheduled_at <= ?
ORDER BY scheduled_at, id
LIMIT ?;

-- name: claim_jobs
-- Gives jobs to an owner, one attempt each.
UPDATE jobs
SET status = 'processing', owner = ?, started_at = ?, attempts = min(attempts + 1, 9223372036854775807)
WHERE status = 'pending'
    AND id IN ({rows});

-- name: processing_of_type
-- How many jobs of a type are processing, over all owners.
SELECT count(*)
FROM jobs
WHERE status = 'processing'
    AND type = ?;

-- name: next_due
-- The earliest scheduled_at of the pending jobs of a type: a look at the first entry of each priority.
SELECT min(earliest)
FROM (
    SELECT min(scheduled_at) AS earliest
    FROM jobs
    WHERE status = 'pending' AND parked IS NULL AND type = ? AND priority = 0
    UNION ALL
    SELECT min(scheduled_at)
    FROM jobs
    WHERE status = 'pending' AND parked IS NULL AND type = ? AND priority = 1
    UNION ALL
    SELECT min(scheduled_at)
    FROM jobs
    WHERE status = 'pending' AND parked IS NULL AND type = ? AND priority = 2
);

-- name: became_due
-- How many jobs of a type that never ran became due between two instants.
SELECT count(*)
FROM jobs
WHERE status = 'pending'
    AND parked IS NULL
    AND type = ?
    AND priority = ?
    AND scheduled_at > ?
    AND scheduled_at <= ?
    AND attempts = 0;

-- name: finish_succeeded
-- Completes the attempts of one owner and number that it still holds, and that returned nothing. The plus sign keeps
-- SQLite from the index of what is processing.
UPDATE jobs
SET
    status = 'completed', owner = NULL, completed_at = ?, result = NULL, reason = NULL, cancel_requested = 0,
    interrupted = 0
WHERE +status = 'processing'
    AND attempts = ?
    AND owner = ?
    AND id IN ({rows});

-- name: finish_with_results
-- Completes the attempts that (id, attempt, owner) still holds, each with what it returned. The plus sign as above.
UPDATE jobs
SET
    status = 'completed', owner = NULL, completed_at = ?, result = ended.column3, reason = ended.column4,
    cancel_requested = 0, interrupted = 0
FROM (VALUES {rows}) AS ended
WHERE jobs.id = ended.column1
    AND jobs.attempts = ended.column2
    AND jobs.owner = ended.column5
    AND +jobs.status = 'processing';

-- name: cancel_requested
-- Whether somebody asked to cancel a processing job.
SELECT cancel_requested
FROM jobs
WHERE id = ?;

-- name: finish
-- Ends an attempt in any other way, if (id, attempt, owner) still holds it.
UPDATE jobs
SET
    status = :status,
    owner = NULL,
    attempts = :attempts,
    scheduled_at = :scheduled_at,
    completed_at = :completed_at,
    error = coalesce(:error, error),
    reason = :reason,
    interruptions = :interruptions,
    snoozes = :snoozes,
    crashes = :crashes,
    cancel_requested = 0,
    interrupted = 0,
    parked = :parked
WHERE id = :id
    AND attempts = :attempt
    AND owner = :owner
    AND status = 'processing';

-- name: insert_attempt
-- Records an attempt that did not succeed.
INSERT INTO attempts (job_id, attempt, outcome, started_at, ended_at, owner, error_type, message, traceback)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: standing
-- Where one job stands: what the writes on single jobs decide by.
SELECT type, status, attempts, scheduled_at, parked IS NOT NULL
FROM jobs
WHERE id = ?;

-- name: cancel_pending
-- Cancels a pending job.
UPDATE jobs
SET status = 'cancelled', completed_at = ?, reason = ?, parked = NULL
WHERE id = ?
    AND status = 'pending';

-- name: request_cancel
-- Asks the owner of a processing job to stop it.
UPDATE jobs
SET cancel_requested = 1
WHERE id = ?
    AND status = 'processing';

-- name: mark_interrupted
-- Notes that a drain left this attempt running.
UPDATE jobs
SET interrupted = 1
WHERE id = ?
    AND attempts = ?
    AND owner = ?
    AND status = 'processing';

-- name: dead_of_type
-- How many jobs are dead, by type; one type, or all where it is NULL.
SELECT type, count(*)
FROM jobs
WHERE status = 'dead'
    AND completed_at IS NOT NULL
    AND type = coalesce(?, type)
GROUP BY type;

-- name: redrive
-- Sends one dead or cancelled job back to pending, as if new.
UPDATE jobs
SET
    status = 'pending', attempts = 0, scheduled_at = ?, completed_at = NULL, reason = NULL, interruptions = 0,
    snoozes = 0, crashes = 0, cancel_requested = 0
WHERE id = ?
    AND status IN ('dead', 'cancelled');

-- name: redrive_dead
-- Sends the dead jobs of one type (or of all) back to pending, as if new.
UPDATE jobs
SET
    status = 'pending', attempts = 0, scheduled_at = ?, completed_at = NULL, reason = NULL, interruptions = 0,
    snoozes = 0, crashes = 0, cancel_requested = 0
WHERE status = 'dead'
    AND completed_at IS NOT NULL
    AND type = coalesce(?, type);

-- name: delete
-- Deletes a job that nobody runs.
DELETE FROM jobs
WHERE id = ?
    AND status <> 'processing';

-- name: paused_types
-- The types that nobody may claim.
SELECT type
FROM pauses;

-- name: pause
-- Holds a type back.
INSERT OR IGNORE INTO pauses (type)
VALUES (?);

-- name: resume
-- Lets a type go on.
DELETE FROM pauses
WHERE type = ?;

-- name: unpark
-- Makes the parked jobs of one type claimable again.
UPDATE jobs
SET parked = NULL
WHERE status = 'pending'
    AND parked IS NOT NULL
    AND type = ?;

-- name: prunable
-- Finished jobs of one status that ended before an instant, the oldest first.
SELECT id, type
FROM jobs
WHERE status = ?
    AND completed_at < ?
ORDER BY completed_at
LIMIT ?;

-- name: prune_ticks
-- Forgets ticks that no clock will show again.
DELETE FROM ticks
WHERE schedule = ?
    AND tick < ?;

-- name: set_schedule
-- Stores a schedule; only a changed expression or time zone moves its next tick.
INSERT INTO schedules (name, expression, tz, next_tick)
VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET expression = excluded.expression, tz = excluded.tz, next_tick = excluded.next_tick
WHERE expression <> excluded.expression
    OR tz <> excluded.tz;

-- name: schedule_names
-- All schedules that were ever stored.
SELECT name
FROM schedules;

-- name: next_tick
-- The stored next tick of a schedule.
SELECT next_tick
FROM schedules
WHERE name = ?;

-- name: insert_tick
-- Takes a tick, once.
INSERT OR IGNORE INTO ticks (schedule, tick)
VALUES (?, ?);

-- name: schedule_busy
-- Whether the latest job of a schedule is still to run or running.
SELECT EXISTS (
    SELECT 1
    FROM schedules
    JOIN jobs ON jobs.id = schedules.latest_job
    WHERE schedules.name = ?
        AND jobs.status IN ('pending', 'processing')
);

-- name: tick_job
-- Notes which job a tick made.
UPDATE ticks
SET job_id = ?
WHERE schedule = ?
    AND tick = ?;

-- name: latest_job
-- Notes the latest job of a schedule.
UPDATE schedules
SET latest_job = ?
WHERE name = ?;

-- name: move_schedule
-- Moves the next tick of a schedule on, never back: an owner may come late with a tick that was dealt with.
UPDATE schedules
SET next_tick = max(next_tick, ?)
WHERE name = ?;

-- name: counts
-- The counts of every type.
SELECT type, pending, scheduled, retrying, parked, processing, completed, dead, cancelled, last_id, due_mark
FROM counts;

-- name: highest_id
-- The highest id in the table.
SELECT max(id)
FROM jobs;

-- name: set_counts
-- Stores the counts of one type.
INSERT OR REPLACE INTO counts (
    type, pending, scheduled, retrying, parked, processing, completed, dead, cancelled, last_id, due_mark
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: miscounted
-- The types whose counts do not agree with their rows. Walks through the whole table.
SELECT type
FROM (
    SELECT type, pending, scheduled, retrying, parked, processing, completed, dead, cancelled
    FROM counts
    UNION ALL
    SELECT
        jobs.type,
        -count(*) FILTER (WHERE status = 'pending'),
        -count(*) FILTER (WHERE status = 'pending' AND attempts = 0 AND scheduled_at > due_mark),
        -count(*) FILTER (WHERE status = 'pending' AND attempts > 0),
        -count(jobs.parked),
        -count(*) FILTER (WHERE status = 'processing'),
        -count(*) FILTER (WHERE status = 'completed'),
        -count(*) FILTER (WHERE status = 'dead'),
        -count(*) FILTER (WHERE status = 'cancelled')
    FROM jobs
    LEFT JOIN counts ON counts.type = jobs.type
    GROUP BY jobs.type
)
GROUP BY type
HAVING sum(pending) OR sum(scheduled) OR sum(retrying) OR sum(parked) OR sum(processing) OR sum(completed) OR sum(dead)
    OR sum(cancelled);

-- name: forget_counts
-- Makes room for counts that are made anew; the ids that were given stay given.
UPDATE counts
SET pending = 0, scheduled = 0, retrying = 0, parked = 0, processing = 0, completed = 0, dead = 0, cancelled = 0;

-- name: recount
-- Counts all rows, as of an instant.
INSERT INTO counts (
    type, pending, scheduled, retrying, parked, processing, completed, dead, cancelled, last_id, due_mark
)
SELECT
    type,
    count(*) FILTER (WHERE status = 'pending'),
    count(*) FILTER (WHERE status = 'pending' AND attempts = 0 AND scheduled_at > :now),
    count(*) FILTER (WHERE status = 'pending' AND attempts > 0),
    count(parked),
    count(*) FILTER (WHERE status = 'processing'),
    count(*) FILTER (WHERE status = 'completed'),
    count(*) FILTER (WHERE status = 'dead'),
    count(*) FILTER (WHERE status = 'cancelled'),
    max(id),
    :now
FROM jobs
WHERE 1
GROUP BY type
ON CONFLICT (type) DO UPDATE
SET
    pending = excluded.pending, scheduled = excluded.scheduled, retrying = excluded.retrying, parked = excluded.parked,
    processing = excluded.processing, completed = excluded.completed, dead = excluded.dead,
    cancelled = excluded.cancelled, last_id = max(last_id, excluded.last_id), due_mark = excluded.due_mark;

-- name: jobs_where
-- Jobs, newest first; {index} is a hint, {where} a chain of conditions. Without the hint the order and the limit make
-- SQLite walk through the whole table for the few jobs that are processing.
SELECT
    id, type, payload, status, priority, attempts, max_attempts, scheduled_at, created_at, started_at, completed_at,
    owner, idempotency_key, error, reason, result, interruptions, snoozes, crashes, cancel_requested, interrupted,
    parked, schedule, tick
FROM jobs {index}
WHERE {where}
ORDER BY id DESC
LIMIT :limit;

-- name: attempts_of_job
-- The recorded attempts of a job, oldest first.
SELECT attempt, outcome, started_at, ended_at, owner, error_type, message, traceback
FROM attempts
WHERE job_id = ?
ORDER BY id;
