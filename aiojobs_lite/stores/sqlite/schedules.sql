-- Cron.

-- name: set_schedule
-- Stores a schedule; only a changed expression or time zone moves its next tick.
INSERT INTO aiojobs_schedules (name, expression, tz, next_tick)
VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET expression = excluded.expression, tz = excluded.tz, next_tick = excluded.next_tick
WHERE expression <> excluded.expression
    OR tz <> excluded.tz;

-- name: stored_schedule
-- A schedule as it is stored.
SELECT expression, tz, next_tick
FROM aiojobs_schedules
WHERE name = ?;

-- name: insert_tick
-- Takes a tick, once.
INSERT OR IGNORE INTO aiojobs_ticks (schedule, tick)
VALUES (?, ?);

-- name: schedule_busy
-- Whether the latest job of a schedule is pending or processing.
SELECT EXISTS (
    SELECT 1
    FROM aiojobs_schedules
    JOIN aiojobs_jobs ON aiojobs_jobs.id = aiojobs_schedules.latest_job
    WHERE aiojobs_schedules.name = ?
        AND aiojobs_jobs.status IN ('pending', 'processing')
);

-- name: tick_job
-- Notes which job a tick made.
UPDATE aiojobs_ticks
SET job_id = ?
WHERE schedule = ?
    AND tick = ?;

-- name: latest_job
-- Notes the latest job of a schedule.
UPDATE aiojobs_schedules
SET latest_job = ?
WHERE name = ?;

-- name: move_schedule
-- Moves the next tick of a schedule on, never back: an owner may come late with a tick that was dealt with. One that
-- knows another expression than the stored one moves nothing, unless the stored one is abandoned.
UPDATE aiojobs_schedules
SET
    next_tick = iif(expression = :expression AND tz = :tz, max(next_tick, :next_tick), :next_tick),
    expression = :expression,
    tz = :tz
WHERE name = :name
    AND (expression = :expression AND tz = :tz OR next_tick < :abandoned_before);

-- name: move_tick_back
-- Moves the next tick of a schedule back: a clock that was ahead has moved it on. One that the clock has come to by now
-- was worked out before the clock went on: it has fired, or will.
UPDATE aiojobs_schedules
SET next_tick = :next_tick
WHERE name = :schedule
    AND expression = :expression
    AND tz = :tz
    AND next_tick > :next_tick
    AND :next_tick > :now;
