-- Figures: how attempts ended, and how long they took, by hour and of all time.

-- name: error_types_of
-- The error types that an hour has of a type.
SELECT DISTINCT error_type
FROM aiojobs_ends
WHERE hour = ?
    AND type = ?;

-- name: add_ends
-- Adds attempts that ended to those of their hours.
INSERT INTO aiojobs_ends (
    hour, type, outcome, error_type, attempts, dead, cancelled, micros, first_at, last_at
)
VALUES {rows}
ON CONFLICT (hour, type, outcome, error_type) DO UPDATE
SET
    attempts = attempts + excluded.attempts,
    dead = dead + excluded.dead,
    cancelled = cancelled + excluded.cancelled,
    micros = micros + excluded.micros,
    first_at = min(first_at, excluded.first_at),
    last_at = max(last_at, excluded.last_at);

-- name: add_durations
-- Adds attempts to those that took as long.
INSERT INTO aiojobs_durations (hour, type, outcome, bucket, attempts)
VALUES {rows}
ON CONFLICT (hour, type, outcome, bucket) DO UPDATE
SET attempts = attempts + excluded.attempts;

-- name: prune_ends
-- Deletes those of hours before an instant, but those of all time.
DELETE FROM aiojobs_ends
WHERE (hour, type, outcome, error_type) IN (
    SELECT hour, type, outcome, error_type
    FROM aiojobs_ends
    WHERE hour > :all_time
        AND hour < :before
    ORDER BY hour, type, outcome, error_type
    LIMIT :limit
);

-- name: prune_durations
-- The same of durations.
DELETE FROM aiojobs_durations
WHERE (hour, type, outcome, bucket) IN (
    SELECT hour, type, outcome, bucket
    FROM aiojobs_durations
    WHERE hour > :all_time
        AND hour < :before
    ORDER BY hour, type, outcome, bucket
    LIMIT :limit
);

-- name: sum_ends
-- How attempts ended in the hours of a period, each hour by itself or all together.
SELECT
    iif(:by_hour, hour, :all_time) AS period, type, outcome, '', sum(attempts), sum(dead), sum(cancelled), sum(micros),
    min(first_at), max(last_at)
FROM aiojobs_ends
WHERE hour >= :since
    AND hour < :until
    AND (:type IS NULL OR type = :type)
GROUP BY period, type, outcome
ORDER BY period, type, outcome;

-- name: sum_durations
-- How long they took.
SELECT iif(:by_hour, hour, :all_time) AS period, type, outcome, bucket, sum(attempts)
FROM aiojobs_durations
WHERE hour >= :since
    AND hour < :until
    AND (:type IS NULL OR type = :type)
GROUP BY period, type, outcome, bucket
ORDER BY period, type, outcome, bucket;

-- name: sum_errors
-- The errors of the hours of a period, those with the most attempts first.
SELECT type, error_type, sum(attempts) AS failed, sum(dead), min(first_at), max(last_at)
FROM aiojobs_ends
WHERE hour >= :since
    AND hour < :until
    AND error_type <> ''
    AND (:type IS NULL OR type = :type)
GROUP BY type, error_type
ORDER BY failed DESC, type, error_type
LIMIT :limit;
