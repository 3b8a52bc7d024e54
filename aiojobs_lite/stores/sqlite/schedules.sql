-- Cron. {schedule} are the columns of `ScheduleRow`.

-- name: set_schedule
-- Stores a declared schedule that is new, or has another expression or time zone than the stored one.
INSERT INTO aiojobs_schedules (name, expression, tz, next_tick)
VALUES (:name, :expression, :tz, :next_tick)
ON CONFLICT (name) DO UPDATE
SET expression = excluded.expression, tz = excluded.tz, next_tick = excluded.next_tick, updated_at = NULL;

-- name: go_on
-- A declared schedule that was stopped is declared again.
UPDATE aiojobs_schedules
SET updated_at = NULL
WHERE name = ?
    AND updated_at IS NOT NULL;

-- name: stop_schedule
-- A declared schedule that no code declares any more.
UPDATE aiojobs_schedules
SET updated_at = ?
WHERE name = ?
    AND revision IS NULL
    AND updated_at IS NULL;

-- name: left_schedules
-- Declared schedules that are not among these names, and are not stopped.
SELECT name
FROM aiojobs_schedules
WHERE revision IS NULL
    AND updated_at IS NULL
    AND name NOT IN (
        SELECT value
        FROM json_each(?)
    )
ORDER BY name;

-- name: put_schedule
-- Makes a stored schedule or replaces one; only a changed expression or time zone moves its next tick.
INSERT INTO aiojobs_schedules (
    name, expression, tz, next_tick, job_type, payload, options, catch_up, overlap, revision, created_at, updated_at,
    moved_at
)
VALUES (
    :name, :expression, :tz, :next_tick, :job_type, :payload, :options, :catch_up, :overlap, :revision, :now, :now,
    max(:now, :worked_out_at)
)
ON CONFLICT (name) DO UPDATE
SET
    next_tick = iif(expression = excluded.expression AND tz = excluded.tz, next_tick, excluded.next_tick),
    moved_at = iif(expression = excluded.expression AND tz = excluded.tz, moved_at, excluded.moved_at),
    expression = excluded.expression, tz = excluded.tz, job_type = excluded.job_type, payload = excluded.payload,
    options = excluded.options, catch_up = excluded.catch_up, overlap = excluded.overlap,
    revision = excluded.revision, updated_at = excluded.updated_at;

-- name: delete_schedule
-- Deletes a schedule; its ticks stay until they are pruned.
DELETE FROM aiojobs_schedules
WHERE name = ?;

-- name: pause_schedule
-- Pauses a schedule that is not paused.
UPDATE aiojobs_schedules
SET paused_since = :now, paused_by = :by
WHERE name = :name
    AND paused_since IS NULL;

-- name: resume_schedule
-- Has a schedule go on.
UPDATE aiojobs_schedules
SET paused_since = NULL, paused_by = NULL
WHERE name = ?;

-- name: stored_schedule
-- A schedule as it is stored.
SELECT expression, tz, next_tick, revision, paused_since, updated_at
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
SET job_id = :job
WHERE schedule = :schedule
    AND tick = :tick;

-- name: latest_job
-- Notes the latest job of a schedule, and the tick that made it, if one did.
UPDATE aiojobs_schedules
SET latest_job = :job, last_tick = coalesce(:tick, last_tick)
WHERE name = :schedule;

-- name: move_schedule
-- Moves the next tick of a schedule on, never back: an owner may come late with a tick that was dealt with. One that
-- knows another expression than the stored one moves nothing, unless the stored one is abandoned.
-- If the clock was set back since the tick was worked out, "moved_at" is what it showed then, so that the next tick is
-- found and moved back; an owner that moves nothing leaves it.
UPDATE aiojobs_schedules
SET
    next_tick = iif(expression = :expression AND tz = :tz, max(next_tick, :next_tick), :next_tick),
    expression = :expression,
    tz = :tz,
    moved_at = CASE WHEN revision IS NOT NULL THEN iif(next_tick < :next_tick, max(:now, :worked_out_at), moved_at) END,
    updated_at = iif(revision IS NULL, NULL, updated_at)
WHERE name = :name
    AND (expression = :expression AND tz = :tz OR next_tick < :abandoned_before);

-- name: move_tick_back
-- Moves the next tick of a schedule back: a clock that was ahead has moved it on. One of a declared schedule that the
-- clock has come to by now was worked out before the clock went on: it has fired, or will.
UPDATE aiojobs_schedules
SET next_tick = :next_tick, moved_at = iif(revision IS NULL, NULL, max(:now, :worked_out_at))
WHERE name = :schedule
    AND expression = :expression
    AND tz = :tz
    AND next_tick > :next_tick
    AND (revision IS NOT NULL OR :next_tick > :now);

-- name: schedule
-- One schedule.
SELECT {schedule}
FROM aiojobs_schedules
WHERE name = ?;

-- name: schedules_of_page
-- Schedules by name.
SELECT {schedule}
FROM aiojobs_schedules
WHERE name >= :first
    AND name > :after
    AND name < :end
ORDER BY name
LIMIT :limit;

-- name: due_schedules
-- Stored schedules of these types that are due, each type by a range of one index.
SELECT {schedule}
FROM json_each(:types) AS types
CROSS JOIN aiojobs_schedules ON job_type = types.value
WHERE paused_since IS NULL
    AND next_tick <= :now
    AND name NOT IN (
        SELECT value
        FROM json_each(:without)
    )
LIMIT :limit;

-- name: next_tick_of_types
-- The first next tick of stored schedules of these types behind an instant.
SELECT min((
    SELECT next_tick
    FROM aiojobs_schedules
    WHERE job_type = types.value
        AND paused_since IS NULL
        AND next_tick > :after
    ORDER BY next_tick
    LIMIT 1
))
FROM json_each(:types) AS types;

-- name: paused_schedules
-- Which of these declared schedules are paused.
SELECT name
FROM json_each(:names) AS names
CROSS JOIN aiojobs_schedules ON name = names.value
WHERE paused_since IS NOT NULL;

-- name: moved_ahead
-- Stored schedules whose next tick was written after an instant.
SELECT {schedule}
FROM aiojobs_schedules
WHERE job_type IS NOT NULL
    AND (moved_at, name) > (:moved_at, :name)
ORDER BY moved_at, name
LIMIT :limit;

-- name: latest_ticks
-- The latest ticks of a schedule, and where their jobs stand.
SELECT aiojobs_ticks.tick, aiojobs_ticks.job_id, aiojobs_jobs.status
FROM aiojobs_ticks
LEFT JOIN aiojobs_jobs ON aiojobs_jobs.id = aiojobs_ticks.job_id
WHERE aiojobs_ticks.schedule = ?
ORDER BY aiojobs_ticks.tick DESC
LIMIT ?;
