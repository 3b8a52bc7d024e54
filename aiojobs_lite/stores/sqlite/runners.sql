-- The runners of the database, as they store themselves.

-- name: set_runner
-- Stores one that starts.
INSERT OR REPLACE INTO aiojobs_runners (id, pid, host, max_running, types, started_at)
VALUES (:id, :pid, :host, :max_running, :types, :now);

-- name: types_of_runners
-- The types of a runner, and of all of which no end is noted.
SELECT id, types
FROM aiojobs_runners
WHERE ended_at IS NULL
    OR id = ?;

-- name: set_types
-- It has other types from now on.
UPDATE aiojobs_runners
SET types = ?
WHERE id = ?;

-- name: mark_draining
-- It claims nothing more.
UPDATE aiojobs_runners
SET is_draining = 1
WHERE id = ?;

-- name: end_runner
-- It was seen to be dead.
UPDATE aiojobs_runners
SET ended_at = ?
WHERE id = ?
    AND ended_at IS NULL;

-- name: forget_runners
-- Deletes those that were seen to be dead before an instant.
DELETE FROM aiojobs_runners
WHERE ended_at < ?;

-- name: runners
-- All of them, the latest start first, each with how many jobs it is processing. The first columns are those of `SetRunner`.
SELECT
    id, pid, host, max_running, types, started_at, ended_at, is_draining,
    (
        SELECT count(*)
        FROM aiojobs_jobs INDEXED BY aiojobs_jobs_processing
        WHERE status = 'processing'
            AND owner = aiojobs_runners.id
    )
FROM aiojobs_runners
ORDER BY started_at DESC, id;
