-- Lanes, which are rows only while jobs wait in them, and which types count by which limits.

-- fragment: of_lanes
-- Jobs that wait in lanes.
aiojobs_jobs INDEXED BY aiojobs_jobs_lane
WHERE place IS NOT NULL
    AND status = 'pending'
    AND held IS NULL;

-- fragment: first_of_lane
-- The id of the first job that waits in a lane, that of a row `found`.
(
    SELECT id
    FROM {of_lanes}
        AND lane = found.lane
    ORDER BY place, id
    LIMIT 1
);

-- name: limited
-- Which types count by which limits.
SELECT name, type
FROM aiojobs_limited;

-- name: note_limited
-- Notes that a type counts by a limit.
INSERT OR IGNORE INTO aiojobs_limited (name, type)
VALUES (?, ?);

-- name: lanes_of_ids
-- The lanes of those of these jobs that have one, and what tells where they stand.
SELECT id, lane, place, status, held, priority, scheduled_at
FROM aiojobs_jobs
WHERE id IN ({rows})
    AND +lane IS NOT NULL;

-- name: lane_line
-- The line in which a lane stands.
SELECT line
FROM aiojobs_lanes
WHERE lane = ?;

-- name: any_lane
-- Whether jobs wait in any lane.
SELECT 1
FROM aiojobs_lanes
LIMIT 1;

-- name: add_lane
-- A job waits in a lane, which stands where it stood, if it did; returns where, if it may be claimed sooner now.
INSERT INTO aiojobs_lanes (lane, line, priority, ready_at, first_id)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (lane) DO UPDATE
SET ready_at = excluded.ready_at, first_id = excluded.first_id
WHERE (excluded.ready_at, excluded.first_id) < (ready_at, first_id)
RETURNING line, priority;

-- name: set_head
-- Another job of an ordered lane is next; it stands where it stood, if it did. Returns where.
INSERT INTO aiojobs_lanes (lane, line, priority, ready_at, first_id)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (lane) DO UPDATE
SET priority = excluded.priority, ready_at = excluded.ready_at, first_id = excluded.first_id
RETURNING line;

-- name: move_lane
-- A lane goes into another line.
UPDATE aiojobs_lanes
SET line = ?, priority = ?, ready_at = ?, first_id = ?
WHERE lane = ?;

-- name: set_bound
-- The first jobs of a lane are taken.
UPDATE aiojobs_lanes
SET ready_at = ?, first_id = ?
WHERE lane = ?;

-- name: delete_lane
-- No job waits in a lane.
DELETE FROM aiojobs_lanes
WHERE lane = ?;

-- name: ordered_became_due
-- How many jobs in ordered lanes of a type that never ran became due between two instants.
SELECT count(*)
FROM aiojobs_jobs
WHERE place = 0
    AND status = 'pending'
    AND type = :type
    AND scheduled_at > :after
    AND scheduled_at <= :until
    AND held IS NULL
    AND attempts = 0;

-- name: keep_lane
-- A job that has started once is in another lane, or in none.
UPDATE aiojobs_jobs
SET lane = ?
WHERE id = ?;

-- name: set_place
-- A job waits in its lane.
UPDATE aiojobs_jobs
SET place = ?
WHERE id = ?;
