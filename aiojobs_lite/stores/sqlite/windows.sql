-- The windows of keys.

-- name: window_of_key
-- The job that was added last with the key of a window, and when its window begins and ends.
SELECT job_id, since, until
FROM aiojobs_windows
WHERE type = ? AND key = ?;

-- name: set_windows
-- Gives the keys of windows to other jobs.
INSERT INTO aiojobs_windows (type, key, job_id, since, until)
VALUES {rows}
ON CONFLICT (type, key) DO UPDATE SET job_id = excluded.job_id, since = excluded.since, until = excluded.until;

-- name: windows_over
-- Some of the windows that are over.
SELECT type, key
FROM aiojobs_windows
WHERE until <= ?
ORDER BY until
LIMIT ?;

-- name: forget_window
-- Deletes a window.
DELETE FROM aiojobs_windows
WHERE type = ? AND key = ?;
