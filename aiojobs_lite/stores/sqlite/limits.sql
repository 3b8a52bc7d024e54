-- Limits by key, in the claim and by name.

-- name: give_lane
-- Gives a pending job another lane, and its place in that.
UPDATE aiojobs_jobs
SET lane = ?, place = ?
WHERE id = ?
    AND status = 'pending';

-- name: step_aside
-- Ordinary jobs wait in their lanes from now on.
UPDATE aiojobs_jobs
SET place = max(scheduled_at, 1)
WHERE id IN ({rows})
    AND status = 'pending';

-- name: laned_jobs
-- The due ordinary jobs of one type and priority behind a job, with their lanes, in the order of the claim.
SELECT scheduled_at, id, lane
FROM aiojobs_jobs
WHERE status = 'pending'
    AND held IS NULL
    AND place IS NULL
    AND type = ?
    AND priority = ?
    AND (scheduled_at, id) > (?, ?)
    AND scheduled_at <= ?
ORDER BY scheduled_at, id
LIMIT ?;

-- name: lanes_in_line
-- The lanes of a line that may have a due job, from a bound on.
SELECT lane, ready_at, first_id
FROM aiojobs_lanes
WHERE line = ?
    AND priority = ?
    AND (ready_at, first_id) >= (?, ?)
    AND ready_at <= ?
ORDER BY ready_at, first_id
LIMIT ?;

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
