-- What limits by key need no more.

-- name: longest_period
-- The longest period of a rate.
SELECT coalesce(max(per), 0)
FROM aiojobs_limits;

-- name: meters_behind
-- The meters behind one.
SELECT meter, last_at, free_at
FROM aiojobs_meters
WHERE meter > ?
ORDER BY meter
LIMIT ?;

-- name: delete_meters
-- Deletes logs of rates.
DELETE FROM aiojobs_meters
WHERE meter IN ({rows});

-- name: forget_values
-- Deletes values that code has set for single keys before an instant.
DELETE FROM aiojobs_limits
WHERE (key, name) IN (
    SELECT key, name
    FROM aiojobs_limits
    WHERE key > ''
        AND pinned = 0
        AND paused_since IS NULL
        AND set_at < ?
    LIMIT ?
);
