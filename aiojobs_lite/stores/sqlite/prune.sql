-- Deleting what was kept long enough.

-- name: prunable
-- Finished jobs of one status that ended before an instant, the oldest first.
SELECT id, type
FROM aiojobs_jobs
WHERE status = :status
    AND completed_at < :before
ORDER BY completed_at
LIMIT :limit;

-- name: prune_ticks
-- Forgets ticks that no clock will show again, the oldest first, also of schedules that were deleted.
DELETE FROM aiojobs_ticks
WHERE (schedule, tick) IN (
    SELECT schedule, tick
    FROM aiojobs_ticks
    WHERE tick < :before
    ORDER BY tick, schedule
    LIMIT :limit
);

-- name: prunable_batches
-- Batches that are complete for long enough, the oldest first; not the latest one, whose id would be given again.
SELECT id
FROM aiojobs_batches
WHERE completed_at IS NOT NULL
    AND completed_at < max(:completed, :dead)
    AND completed_at < iif(outcome = 'succeeded', :completed, :dead)
    AND unfinished = 0
    AND id < (
        SELECT max(id)
        FROM aiojobs_batches
    )
ORDER BY completed_at, id
LIMIT :limit;

-- name: prune_ranges
-- Forgets which jobs were in a batch.
DELETE FROM aiojobs_batch_ranges
WHERE first_id IN (
        SELECT first_id
        FROM aiojobs_batch_ranges
        WHERE batch = ?
        LIMIT ?
    );

-- name: prune_batch
-- Deletes a batch.
DELETE FROM aiojobs_batches
WHERE id = ?;
