-- The lines in which lanes stand: that of their type, or that of a meter that is exhausted.

-- name: wake_lanes
-- The first lanes of a line go into that of their type: of each priority as many as there is capacity for. So whatever
-- the time is, also once a clock is set back, those stand there that come first of the ones that are due.
UPDATE aiojobs_lanes
SET line = :type
WHERE lane IN (
    SELECT lane FROM (
        SELECT lane
        FROM aiojobs_lanes
        WHERE line = :line AND priority = 0
        ORDER BY ready_at, first_id
        LIMIT :capacity
    )
    UNION ALL
    SELECT lane FROM (
        SELECT lane
        FROM aiojobs_lanes
        WHERE line = :line AND priority = 1
        ORDER BY ready_at, first_id
        LIMIT :capacity
    )
    UNION ALL
    SELECT lane FROM (
        SELECT lane
        FROM aiojobs_lanes
        WHERE line = :line AND priority = 2
        ORDER BY ready_at, first_id
        LIMIT :capacity
    )
)
RETURNING lane, priority, ready_at, first_id;

-- name: open_lines
-- The lanes in all lines of a limit go into that of their type, by which their text begins.
UPDATE aiojobs_lanes
SET line = substr(lane, 1, instr(lane, char(10)) - 1)
WHERE line >= ?
    AND line < ?;
