-- Moves the tables of an earlier state of 0.1.0, which had a file of its own, into those of 0001, and drops them. The application's
-- id and a user version of 2 stay: by them a process of 0.1.0 that opens the file says that it is newer.

INSERT INTO aiojobs_jobs (
    id, type, payload, status, priority, scheduled_at, attempts, max_attempts, owner, created_at, started_at,
    completed_at, idempotency_key, error, reason, result, interruptions, snoozes, crashes, cancel_requested, interrupted,
    held, schedule, tick
)
SELECT
    id, type, payload, status, priority, scheduled_at, attempts, max_attempts, owner, created_at, started_at,
    completed_at, idempotency_key, error, coalesce(parked, reason), result, interruptions, snoozes, crashes,
    cancel_requested, interrupted, iif(parked IS NULL, NULL, 'payload'), schedule, tick
FROM jobs
ORDER BY id;

INSERT INTO aiojobs_attempts (id, job_id, attempt, outcome, started_at, ended_at, owner, error_type, message, traceback)
SELECT id, job_id, attempt, outcome, started_at, ended_at, owner, error_type, message, traceback
FROM attempts
ORDER BY id;

-- A bound that is too early is corrected by the first claim.
INSERT INTO aiojobs_counts (
    type, pending, scheduled, retrying, held, processing, completed, dead, cancelled, last_id, due_mark, due_high,
    due_medium, due_low
)
SELECT
    type, pending, scheduled, retrying, parked, processing, completed, dead, cancelled, last_id, due_mark,
    -62135596800000000, -62135596800000000, -62135596800000000
FROM counts;

INSERT INTO aiojobs_pauses (type)
SELECT type
FROM pauses;

INSERT INTO aiojobs_schedules (name, expression, tz, next_tick, latest_job)
SELECT name, expression, tz, next_tick, latest_job
FROM schedules;

INSERT INTO aiojobs_ticks (schedule, tick, job_id)
SELECT schedule, tick, job_id
FROM ticks;

DROP TABLE attempts;

DROP TABLE jobs;

DROP TABLE counts;

DROP TABLE pauses;

DROP TABLE schedules;

DROP TABLE ticks;

PRAGMA user_version = 2;
