-- New jobs with limits by key.

-- name: insert_laned
-- Adds jobs with limits by key, all pending, or all claimed by one owner at one instant.
INSERT INTO aiojobs_jobs (id, {required}, lane, place, status, attempts, owner, started_at)
SELECT column1, {numbered}, {laned}, ?, ?, ?, ?
FROM (VALUES {rows});
