-- Jobs that are held.

-- name: release
-- Makes the jobs of one type that are held for one reason claimable again.
UPDATE aiojobs_jobs
SET held = NULL, reason = NULL
WHERE status = 'pending'
    AND held = ?
    AND type = ?;

-- name: held_types
-- The types that have jobs that are held for one reason.
SELECT DISTINCT type
FROM aiojobs_jobs
WHERE held = ?;
