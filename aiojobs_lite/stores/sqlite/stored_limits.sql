-- The values of limits, and their pauses.

-- name: limit_values
-- The limits for all keys. One that is paused allows none to run.
SELECT name, iif(paused_since IS NULL, most, 0), iif(paused_since IS NULL, per, NULL)
FROM aiojobs_limits
WHERE key = '';

-- name: any_own_limit
-- Whether a key has a value of its own, or is paused.
SELECT 1
FROM aiojobs_limits
WHERE key > ''
LIMIT 1;

-- name: limit_row
-- What is stored of a limit for one key, or for all.
SELECT most, per, pinned, paused_since, set_at
FROM aiojobs_limits
WHERE key = ?
    AND name = ?;

-- name: set_limit
-- Stores what a limit allows.
INSERT INTO aiojobs_limits (key, name, most, per, pinned, set_at)
VALUES (:key, :name, :most, :per, :pinned, :now)
ON CONFLICT (key, name) DO UPDATE
SET most = excluded.most, per = excluded.per, pinned = excluded.pinned, set_at = excluded.set_at;

-- name: note_use
-- Code has set the value of a key again.
UPDATE aiojobs_limits
SET set_at = :now
WHERE key = :key
    AND name = :name;

-- name: pause_limit
-- Pauses what is stored of a limit; one that is paused stays as it is, or is paused for longer.
UPDATE aiojobs_limits
SET
    paused_since = iif(paused_since IS NULL OR paused_until <= :now, :now, paused_since),
    paused_by = :by,
    paused_until = :until
WHERE key = :key
    AND name = :name
    AND (paused_since IS NULL OR paused_until IS NOT NULL AND (:until IS NULL OR :until > paused_until));

-- name: pause_key
-- Pauses a key of which nothing is stored.
INSERT OR IGNORE INTO aiojobs_limits (key, name, set_at, paused_since, paused_by, paused_until)
VALUES (:key, :name, :now, :now, :by, :until);

-- name: ended_pauses
-- What is paused until an instant that has come.
SELECT name, key
FROM aiojobs_limits
WHERE paused_until IS NOT NULL
    AND paused_until <= ?
ORDER BY paused_until, name, key
LIMIT ?;

-- name: next_resume
-- When the next pause ends by itself.
SELECT min(paused_until)
FROM aiojobs_limits
WHERE paused_until IS NOT NULL;

-- name: move_pauses_back
-- The clock was ahead of an instant when these pauses began.
UPDATE aiojobs_limits
SET
    paused_until = max(paused_until - (paused_since - :now), :now),
    paused_since = :now
WHERE paused_until IS NOT NULL
    AND paused_since > :ahead;

-- name: resume_limit
-- Lets a limit go on.
UPDATE aiojobs_limits
SET paused_since = NULL, paused_by = NULL, paused_until = NULL
WHERE key = ?
    AND name = ?;

-- name: forget_pause
-- Deletes what is stored of a key that is paused and nothing else.
DELETE FROM aiojobs_limits
WHERE key = ?
    AND name = ?
    AND most IS NULL;

-- name: forget_value
-- A paused key has no value of its own.
UPDATE aiojobs_limits
SET most = NULL, per = NULL, pinned = 0
WHERE key = ?
    AND name = ?;

-- name: forget_key
-- Deletes what is stored of a key that is not paused.
DELETE FROM aiojobs_limits
WHERE key = ?
    AND name = ?
    AND paused_since IS NULL;
