-- Figures: how attempts ended, and how long they took, by hour and day, and of all time.

-- fragment: parts
-- The parts of a period.
(
    SELECT value ->> 0 AS part, value ->> 1 AS since, value ->> 2 AS until
    FROM json_each(:parts)
);

-- fragment: in_part
-- Figures are of a part.
span = part
    AND begin >= since
    AND begin < until;

-- fragment: begins
-- The hours and days of a period.
(
    SELECT value ->> 0 AS part, value ->> 1 AS first
    FROM json_each(:begins)
);

-- fragment: of_begin
-- Figures are of one of these, and of a type between two names.
span = part
    AND begin = first
    AND type BETWEEN :first_type AND :last_type;

-- name: error_types_of
-- The error types that an hour has of a type.
SELECT DISTINCT error_type
FROM aiojobs_ends
WHERE span = :span
    AND begin = :begin
    AND type = :type;

-- name: add_ends
-- Adds attempts that ended.
INSERT INTO aiojobs_ends (
    span, begin, type, outcome, error_type, attempts, dead, cancelled, micros, first_at, last_at
)
VALUES {rows}
ON CONFLICT (span, begin, type, outcome, error_type) DO UPDATE
SET
    attempts = attempts + excluded.attempts,
    dead = dead + excluded.dead,
    cancelled = cancelled + excluded.cancelled,
    micros = micros + excluded.micros,
    first_at = min(first_at, excluded.first_at),
    last_at = max(last_at, excluded.last_at);

-- name: add_durations
-- Adds attempts to those that took as long.
INSERT INTO aiojobs_durations (span, begin, type, outcome, bucket, attempts)
VALUES {rows}
ON CONFLICT (span, begin, type, outcome, bucket) DO UPDATE
SET attempts = attempts + excluded.attempts;

-- name: prune_ends
-- Deletes those of hours and days that began before an instant.
DELETE FROM aiojobs_ends
WHERE (span, begin, type, outcome, error_type) IN (
    SELECT span, begin, type, outcome, error_type
    FROM aiojobs_ends
    WHERE span IN (:hour, :day)
        AND begin < :before
    LIMIT :limit
);

-- name: prune_durations
-- The same of durations.
DELETE FROM aiojobs_durations
WHERE (span, begin, type, outcome, bucket) IN (
    SELECT span, begin, type, outcome, bucket
    FROM aiojobs_durations
    WHERE span IN (:hour, :day)
        AND begin < :before
    LIMIT :limit
);

-- name: sum_ends
-- How the attempts of each type ended in a period.
SELECT
    type, outcome, '', sum(attempts), sum(dead), sum(cancelled), sum(micros), min(first_at), max(last_at)
FROM {begins}
CROSS JOIN aiojobs_ends ON {of_begin}
WHERE type <> ''
GROUP BY type, outcome
ORDER BY type, outcome;

-- name: sum_durations
-- How long they took.
SELECT type, outcome, bucket, sum(attempts)
FROM {begins}
CROSS JOIN aiojobs_durations ON {of_begin}
WHERE type <> ''
GROUP BY type, outcome, bucket
ORDER BY type, outcome, bucket;

-- name: sum_errors
-- The errors of a period, which has some parts, those with the most attempts first.
SELECT type, error_type, sum(attempts) AS failed, sum(dead), min(first_at), max(last_at)
FROM {parts}
CROSS JOIN aiojobs_ends ON {in_part}
WHERE error_type <> ''
    AND (:type IS NULL OR type = :type)
GROUP BY type, error_type
ORDER BY failed DESC, type, error_type
LIMIT :limit;

-- name: ends_of_hours
-- How the attempts of a type ended in each hour of a period.
WITH RECURSIVE hours AS (
    SELECT :since AS hour
    UNION ALL
    SELECT hour + :span
    FROM hours
    WHERE hour + :span < :until
)

SELECT
    hour, type, outcome, '', sum(attempts), sum(dead), sum(cancelled), sum(micros), min(first_at), max(last_at)
FROM hours
CROSS JOIN aiojobs_ends
WHERE span = :span
    AND begin = hour
    AND type = :type
GROUP BY hour, type, outcome
ORDER BY hour, type, outcome;

-- name: durations_of_hours
-- How long they took.
WITH RECURSIVE hours AS (
    SELECT :since AS hour
    UNION ALL
    SELECT hour + :span
    FROM hours
    WHERE hour + :span < :until
)

SELECT hour, type, outcome, bucket, attempts
FROM hours
CROSS JOIN aiojobs_durations
WHERE span = :span
    AND begin = hour
    AND type = :type
ORDER BY hour, type, outcome, bucket;
