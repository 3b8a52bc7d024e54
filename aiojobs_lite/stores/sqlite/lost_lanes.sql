-- Looking for lanes that other programs have left where nothing would wake them.

-- name: waiting_lanes
-- The lanes behind one in which jobs wait, in their order, one search each: with their rows, or null, and their first jobs.
WITH RECURSIVE found (lane) AS (
    SELECT min(lane)
    FROM {of_lanes}
        AND lane > ?
    UNION ALL
    SELECT (
        SELECT min(lane)
        FROM {of_lanes}
            AND lane > found.lane
    )
    FROM found
    WHERE lane IS NOT NULL
    LIMIT ?
)
SELECT found.lane, lanes.line, lanes.ready_at, lanes.first_id, head.scheduled_at, head.id, head.priority
FROM found
LEFT JOIN aiojobs_lanes AS lanes ON lanes.lane = found.lane
JOIN aiojobs_jobs AS head ON head.id = {first_of_lane}
WHERE found.lane IS NOT NULL;

-- name: lanes_of_type
-- The lanes in the line of a type, at most so many.
SELECT lane
FROM aiojobs_lanes
WHERE line = ?
LIMIT ?;
