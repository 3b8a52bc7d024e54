-- Looking for counts that other programs have made wrong, and putting them right.

-- name: counted_range
-- Counts the jobs behind an id, at most so many, by type; and the earliest claimable one of each priority. A type without
-- stored counts has its scheduled jobs counted as of an instant.
SELECT
    jobs.type,
    count(*) FILTER (WHERE status = 'pending'),
    count(*) FILTER (WHERE status = 'pending' AND attempts = 0 AND scheduled_at > coalesce(due_mark, :now)),
    count(*) FILTER (WHERE status = 'pending' AND attempts > 0),
    count(jobs.held),
    count(*) FILTER (WHERE status = 'processing'),
    count(*) FILTER (WHERE status = 'completed'),
    count(*) FILTER (WHERE status = 'dead'),
    count(*) FILTER (WHERE status = 'cancelled'),
    max(id),
    min(scheduled_at) FILTER (WHERE status = 'pending' AND jobs.held IS NULL AND place IS NULL AND priority = 0),
    min(scheduled_at) FILTER (WHERE status = 'pending' AND jobs.held IS NULL AND place IS NULL AND priority = 1),
    min(scheduled_at) FILTER (WHERE status = 'pending' AND jobs.held IS NULL AND place IS NULL AND priority = 2),
    count(*)
FROM (
    SELECT id, type, status, priority, scheduled_at, attempts, held, place
    FROM aiojobs_jobs
    WHERE id > :after
    ORDER BY id
    LIMIT :limit
) AS jobs
LEFT JOIN aiojobs_counts ON aiojobs_counts.type = jobs.type
GROUP BY jobs.type;

-- name: corrections
-- How often the counts were put right.
SELECT coalesce(max(value), 0)
FROM aiojobs_meta
WHERE key = 'corrections'
    AND typeof(value) = 'integer';

-- name: note_correction
-- Notes that they were put right once more.
INSERT OR REPLACE INTO aiojobs_meta (key, value)
VALUES ('corrections', ?);

-- name: correct_counts
-- Adds to the counts of a type what they lacked; what has moved meanwhile stays moved.
INSERT INTO aiojobs_counts (
    type, pending, scheduled, retrying, held, processing, completed, dead, cancelled, last_id, due_mark, due_high,
    due_medium, due_low
)
VALUES (
    :type, :pending, :scheduled, :retrying, :held, :processing, :completed, :dead, :cancelled, :last_id, :due_mark,
    :due_high, :due_medium, :due_low
)
ON CONFLICT (type) DO UPDATE
SET
    pending = pending + excluded.pending, scheduled = scheduled + excluded.scheduled,
    retrying = retrying + excluded.retrying, held = held + excluded.held, processing = processing + excluded.processing,
    completed = completed + excluded.completed, dead = dead + excluded.dead, cancelled = cancelled + excluded.cancelled,
    last_id = max(last_id, excluded.last_id), due_high = min(due_high, excluded.due_high),
    due_medium = min(due_medium, excluded.due_medium), due_low = min(due_low, excluded.due_low);
