-- The events that a store sends itself, of jobs that have ended.

-- name: job_events_awaited
-- Whether any type listens to an event by its name, or anything waits for it.
SELECT
    EXISTS (SELECT 1 FROM aiojobs_listeners WHERE pattern = :name)
    OR EXISTS (SELECT 1 FROM aiojobs_waits WHERE event = :name);

-- name: ended_jobs
-- What such an event says of jobs.
SELECT id, type, payload, attempts, reason, error, result
FROM aiojobs_jobs
WHERE id IN ({rows})
ORDER BY id;
