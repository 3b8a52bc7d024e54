-- What a clock that was ahead has written.

-- fragment: written
-- The instant at which a pending job was written, by that clock: when it was created, if no attempt of it has begun; when
-- it was suspended, if it is; when an operation of it ended, which is when it is due; else when its latest attempt ended.
CASE
    WHEN started_at IS NULL THEN created_at
    WHEN EXISTS (SELECT 1 FROM aiojobs_steps WHERE job_id = aiojobs_jobs.id AND suspends = 1 AND state = 'waiting')
    THEN started_at
    WHEN attempts = 0 AND interruptions = 0 AND crashes = 0 AND (
        snoozes = 0
        OR snoozes = 1
        AND EXISTS (SELECT 1 FROM aiojobs_steps WHERE job_id = aiojobs_jobs.id)
        AND 'snoozed' IS NOT (
            SELECT outcome
            FROM aiojobs_attempts
            WHERE aiojobs_attempts.job_id = aiojobs_jobs.id
            ORDER BY aiojobs_attempts.id DESC
            LIMIT 1
        )
    )
    THEN scheduled_at
    ELSE coalesce(
        (
            SELECT ended_at
            FROM aiojobs_attempts
            WHERE aiojobs_attempts.job_id = aiojobs_jobs.id
            ORDER BY aiojobs_attempts.id DESC
            LIMIT 1
        ),
        created_at
    )
END;

-- name: types_ahead
-- The types, from one on, that have claimable jobs, and that a transaction with an instant after this one has changed.
SELECT type
FROM aiojobs_counts
WHERE due_mark > ?
    AND type >= ?
    AND pending > held
ORDER BY type;

-- name: pending_after
-- Claimable jobs of a type and priority, behind one of them.
SELECT id, type, priority, scheduled_at, attempts, held IS NOT NULL, {written}
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = :type
    AND priority = :priority
    AND (scheduled_at, id) > (:at, :id)
ORDER BY scheduled_at, id
LIMIT :limit;

-- name: ordered_after
-- The same of a type in ordered lanes, behind one of them.
SELECT id, type, priority, scheduled_at, attempts, held IS NOT NULL, {written}
FROM aiojobs_jobs
WHERE place = 0
    AND status = 'pending'
    AND held IS NULL
    AND type = :type
    AND (scheduled_at, id) > (:at, :id)
ORDER BY scheduled_at, id
LIMIT :limit;

-- name: waiting_after
-- Jobs that wait in other lanes and are due after an instant, lane by lane, behind one of them.
SELECT aiojobs_lanes.lane, id, type, aiojobs_jobs.priority, scheduled_at, attempts, held IS NOT NULL, {written}
FROM aiojobs_lanes
CROSS JOIN aiojobs_jobs
    ON aiojobs_jobs.lane = aiojobs_lanes.lane
    AND place IS NOT NULL
    AND status = 'pending'
    AND held IS NULL
    AND place >= iif(aiojobs_lanes.lane = :lane, :at, :now + 1)
    AND NOT (aiojobs_lanes.lane = :lane AND place = :at AND id <= :id)
WHERE aiojobs_lanes.lane >= :lane
    AND EXISTS (SELECT 1 FROM aiojobs_counts WHERE due_mark > :now)
ORDER BY aiojobs_lanes.lane, place, id
LIMIT :limit;

-- name: starts_ahead
-- Whether a rate has noted a start after an instant, or a pause that ends by itself has begun then.
SELECT 1
FROM aiojobs_meters
WHERE last_at > :at
UNION ALL
SELECT 1
FROM aiojobs_limits
WHERE paused_until IS NOT NULL
    AND paused_since > :at
LIMIT 1;

-- name: ended_after
-- Finished jobs of one status that ended after an instant.
SELECT id
FROM aiojobs_jobs
WHERE status = :status
    AND completed_at > :after
ORDER BY completed_at
LIMIT :limit;

-- name: pending_of_ids
-- Those of these jobs that are pending.
SELECT id, type, priority, scheduled_at, attempts, held IS NOT NULL, {written}
FROM aiojobs_jobs
WHERE id IN ({rows})
    AND status = 'pending';

-- name: ended_of_ids
-- Those of these jobs that are finished.
SELECT id, completed_at
FROM aiojobs_jobs
WHERE id IN ({rows})
    AND +completed_at IS NOT NULL;

-- name: move_pending_back
-- A pending job is due at another time.
UPDATE aiojobs_jobs
SET scheduled_at = ?, place = iif(place = 0, 0, NULL)
WHERE id = ?
    AND status = 'pending';

-- name: move_steps_back
-- What a job waits for that the same clock has written is over earlier.
UPDATE aiojobs_steps
SET until = until - :by
WHERE job_id = :id
    AND state = 'waiting'
    AND until BETWEEN :earliest AND :latest
    AND (kind IN ('run', 'planned') OR started_at > :right);

-- name: move_ended_back
-- A finished job ended now, after as long an attempt.
UPDATE aiojobs_jobs
SET
    completed_at = :now,
    started_at = iif(started_at > :now, max(started_at - :ahead, :first), started_at),
    created_at = min(created_at, :now)
WHERE id = :id
    AND completed_at IS NOT NULL;
