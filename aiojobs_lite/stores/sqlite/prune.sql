-- Deleting what was kept long enough.

-- name: prunable
-- Finished jobs of one status that ended before an instant, the oldest first.
SELECT id, type
FROM aiojobs_jobs
WHERE status = ?
    AND completed_at < ?
ORDER BY completed_at
LIMIT ?;

-- name: prune_ticks
-- Forgets ticks that no clock will show again, the oldest first.
DELETE FROM aiojobs_ticks
WHERE schedule = :schedule
    AND tick IN (
        SELECT tick
        FROM aiojobs_ticks
        WHERE schedule = :schedule
            AND tick < :before
        ORDER BY tick
        LIMIT :limit
    );

-- name: schedule_names
-- All schedules that were ever stored.
SELECT name
FROM aiojobs_schedules;
