-- Limits by key, in the claim and by name.

-- name: give_lane
-- Gives a pending job another lane, and its place in that.
UPDATE aiojobs_jobs
SET lane = :lane, place = :place
WHERE id = :id
    AND status = 'pending';

-- name: step_aside
-- Ordinary jobs wait in their lanes from now on.
UPDATE aiojobs_jobs
SET place = max(scheduled_at, 1)
WHERE id IN ({rows})
    AND status = 'pending';

-- name: step_aside_passed
-- The same for those of these lanes behind a job and up to another one.
UPDATE aiojobs_jobs
SET place = max(scheduled_at, 1)
WHERE id IN (
    SELECT id
    FROM aiojobs_jobs
    WHERE {ordinary}
        AND type = :type
        AND priority = :priority
        AND (scheduled_at, id) > (:at, :id)
        AND (scheduled_at, id) <= (:last_at, :last_id)
        AND +lane IN (SELECT value FROM json_each(:lanes))
    ORDER BY scheduled_at, id
    LIMIT :most
);

-- name: laned_jobs
-- The due ordinary jobs of one type and priority behind a job, with their lanes, in the order of the claim.
SELECT scheduled_at, id, lane
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = :type
    AND priority = :priority
    AND (scheduled_at, id) > (:at, :id)
    AND scheduled_at <= :now
ORDER BY scheduled_at, id
LIMIT :most;

-- name: last_passed
-- The last of so many due ordinary jobs behind a job; null: there are no more.
SELECT scheduled_at, id
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = :type
    AND priority = :priority
    AND (scheduled_at, id) > (:at, :id)
    AND scheduled_at <= :now
ORDER BY scheduled_at, id
LIMIT 1 OFFSET :most;

-- name: jobs_besides
-- The ordinary jobs behind a job and up to another one that are in none of these lanes, in the order of the claim.
SELECT scheduled_at, id, lane
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = :type
    AND priority = :priority
    AND (scheduled_at, id) > (:at, :id)
    AND (scheduled_at, id) <= (:last_at, :last_id)
    AND (lane IS NULL OR +lane NOT IN (SELECT value FROM json_each(:lanes)))
ORDER BY scheduled_at, id
LIMIT :most;

-- name: lanes_in_line
-- The lanes of a line that may have a due job, from a bound on.
SELECT lane, ready_at, first_id
FROM aiojobs_lanes
WHERE line = :type
    AND priority = :priority
    AND (ready_at, first_id) >= (:at, :id)
    AND ready_at <= :now
ORDER BY ready_at, first_id
LIMIT :most;

-- name: heads_of_lane
-- The first jobs of a lane.
SELECT scheduled_at, id, priority
FROM aiojobs_jobs
WHERE place IS NOT NULL
    AND status = 'pending'
    AND held IS NULL
    AND lane = ?
ORDER BY place, id
LIMIT ?;
