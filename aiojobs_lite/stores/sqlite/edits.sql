-- Edits of jobs.

-- name: editable
-- What the edit of a job depends on.
SELECT type, status, attempts, scheduled_at, coalesce(held, ''), priority, payload, unique_scope, started_at IS NULL
FROM aiojobs_jobs
WHERE id = ?;

-- name: keep_edit
-- Keeps the payload that a job has until now.
INSERT INTO aiojobs_edits (job_id, edited_at, payload)
SELECT id, :now, payload
FROM aiojobs_jobs
WHERE id = :id;

-- name: edit
-- Gives a job another payload and the keys that it has by that; one that was held for its payload is held no more.
UPDATE aiojobs_jobs
SET
    payload = :payload,
    lane = :lane,
    unique_key = iif(unique_scope IS NULL, NULL, :unique_key),
    unique_scope = iif(:unique_key IS NULL, NULL, unique_scope),
    scheduled_at = :scheduled_at,
    reason = iif(held = 'payload', NULL, reason),
    held = nullif(held, 'payload')
WHERE id = :id
    AND status IN ('pending', 'dead');

-- name: edits_of_job
-- The edits of a job, the oldest first.
SELECT edited_at, payload
FROM aiojobs_edits INDEXED BY aiojobs_edits_job
WHERE job_id = ?
ORDER BY id;
