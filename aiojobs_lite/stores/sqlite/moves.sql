-- Cancel, redrive, delete: what a person or a program does to single jobs.

-- name: standing
-- Where one job stands.
SELECT type, status, attempts, scheduled_at, held IS NOT NULL, priority
FROM aiojobs_jobs
WHERE id = ?;

-- name: cancel_pending
-- Cancels a pending job.
UPDATE aiojobs_jobs
SET status = 'cancelled', completed_at = :now, reason = :reason, held = NULL
WHERE id = :id
    AND status = 'pending';

-- name: request_cancel
-- Asks the owner of a processing job to stop it.
UPDATE aiojobs_jobs
SET cancel_requested = 1, reason = coalesce(?, CASE WHEN cancel_requested THEN reason END)
WHERE id = ?
    AND status = 'processing';

-- name: reschedule
-- Sets when a pending job is due.
UPDATE aiojobs_jobs
SET scheduled_at = ?, place = iif(place = 0, 0, NULL)
WHERE id = ?
    AND status = 'pending';

-- name: dead_of_ids
-- Those of these jobs that are dead, each with its type.
SELECT id, type
FROM aiojobs_jobs
WHERE id IN ({rows})
    AND +status = 'dead';

-- name: redrive
-- Sends one dead or cancelled job back to pending, as if new; a key that it had until its first attempt is gone.
UPDATE aiojobs_jobs
SET
    status = 'pending', attempts = 0, scheduled_at = ?, completed_at = NULL, reason = NULL, interruptions = 0,
    snoozes = 0, crashes = 0, cancel_requested = 0, place = iif(place = 0, 0, NULL),
    unique_key = iif(unique_scope = 'pending', NULL, unique_key), unique_scope = nullif(unique_scope, 'pending')
WHERE id = ?
    AND status IN ('dead', 'cancelled');

-- name: redrive_dead
-- Sends those of these jobs that are dead back to pending, as if new; a key that they had until their first attempt is
-- gone.
UPDATE aiojobs_jobs
SET
    status = 'pending', attempts = 0, scheduled_at = ?, completed_at = NULL, reason = NULL, interruptions = 0,
    snoozes = 0, crashes = 0, cancel_requested = 0, place = iif(place = 0, 0, NULL),
    unique_key = iif(unique_scope = 'pending', NULL, unique_key), unique_scope = nullif(unique_scope, 'pending')
WHERE id IN ({rows})
    AND +status = 'dead';

-- name: delete_jobs
-- Deletes jobs that no owner runs.
DELETE FROM aiojobs_jobs
WHERE id IN ({rows})
    AND status <> 'processing';
