-- Jobs that are held.

-- name: held_by_type
-- How many of these jobs are held for one reason, by type.
SELECT type, count(*)
FROM aiojobs_jobs
WHERE +held = ?
    AND id IN ({rows})
GROUP BY type;

-- name: release
-- Makes those of these jobs that are held for one reason claimable again.
UPDATE aiojobs_jobs
SET held = NULL, reason = NULL, scheduled_at = min(scheduled_at, ?), place = iif(place = 0, 0, NULL)
WHERE +held = ?
    AND id IN ({rows});
