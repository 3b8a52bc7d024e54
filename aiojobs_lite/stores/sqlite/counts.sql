-- How many jobs of a type stand where, and when the next of each priority is due at the earliest: {never} if there is
-- none.

-- name: counts
-- The counts of every type.
SELECT
    type, pending, scheduled, retrying, held, processing, completed, dead, cancelled, last_id, due_mark, due_high,
    due_medium, due_low
FROM aiojobs_counts;

-- name: highest_id
-- The highest id in the table.
SELECT max(id)
FROM aiojobs_jobs;

-- name: set_counts
-- Stores the counts of types.
INSERT OR REPLACE INTO aiojobs_counts (
    type, pending, scheduled, retrying, held, processing, completed, dead, cancelled, last_id, due_mark, due_high,
    due_medium, due_low
)
VALUES {rows};

-- name: became_due
-- How many jobs of a type that never ran became due between two instants.
SELECT count(*)
FROM aiojobs_jobs
WHERE status = 'pending'
    AND held IS NULL
    AND type = ?
    AND priority = ?
    AND scheduled_at > ?
    AND scheduled_at <= ?
    AND attempts = 0;

-- name: miscounted
-- The types whose counts, or whose earliest due jobs, do not agree with their rows. Walks through the whole table.
SELECT type
FROM (
    SELECT
        type, pending, scheduled, retrying, held, processing, completed, dead, cancelled, due_high, due_medium, due_low
    FROM aiojobs_counts
    UNION ALL
    SELECT
        aiojobs_jobs.type,
        -count(*) FILTER (WHERE status = 'pending'),
        -count(*) FILTER (WHERE status = 'pending' AND attempts = 0 AND scheduled_at > due_mark),
        -count(*) FILTER (WHERE status = 'pending' AND attempts > 0),
        -count(aiojobs_jobs.held),
        -count(*) FILTER (WHERE status = 'processing'),
        -count(*) FILTER (WHERE status = 'completed'),
        -count(*) FILTER (WHERE status = 'dead'),
        -count(*) FILTER (WHERE status = 'cancelled'),
        -min(scheduled_at) FILTER (WHERE status = 'pending' AND aiojobs_jobs.held IS NULL AND priority = 0),
        -min(scheduled_at) FILTER (WHERE status = 'pending' AND aiojobs_jobs.held IS NULL AND priority = 1),
        -min(scheduled_at) FILTER (WHERE status = 'pending' AND aiojobs_jobs.held IS NULL AND priority = 2)
    FROM aiojobs_jobs
    LEFT JOIN aiojobs_counts ON aiojobs_counts.type = aiojobs_jobs.type
    GROUP BY aiojobs_jobs.type
)
GROUP BY type
HAVING sum(pending) OR sum(scheduled) OR sum(retrying) OR sum(held) OR sum(processing) OR sum(completed) OR sum(dead)
    OR sum(cancelled) OR (count(due_high) = 2 AND sum(due_high) > 0) OR (count(due_medium) = 2 AND sum(due_medium) > 0)
    OR (count(due_low) = 2 AND sum(due_low) > 0);

-- name: forget_counts
-- Makes way for counts that are made anew; the ids that were given stay given.
UPDATE aiojobs_counts
SET
    pending = 0, scheduled = 0, retrying = 0, held = 0, processing = 0, completed = 0, dead = 0, cancelled = 0,
    due_high = {never}, due_medium = {never}, due_low = {never};

-- name: recount
-- Counts all rows, as of an instant.
INSERT INTO aiojobs_counts (
    type, pending, scheduled, retrying, held, processing, completed, dead, cancelled, last_id, due_mark, due_high,
    due_medium, due_low
)
SELECT
    type,
    count(*) FILTER (WHERE status = 'pending'),
    count(*) FILTER (WHERE status = 'pending' AND attempts = 0 AND scheduled_at > :now),
    count(*) FILTER (WHERE status = 'pending' AND attempts > 0),
    count(held),
    count(*) FILTER (WHERE status = 'processing'),
    count(*) FILTER (WHERE status = 'completed'),
    count(*) FILTER (WHERE status = 'dead'),
    count(*) FILTER (WHERE status = 'cancelled'),
    max(id),
    :now,
    coalesce(min(scheduled_at) FILTER (WHERE status = 'pending' AND held IS NULL AND priority = 0), {never}),
    coalesce(min(scheduled_at) FILTER (WHERE status = 'pending' AND held IS NULL AND priority = 1), {never}),
    coalesce(min(scheduled_at) FILTER (WHERE status = 'pending' AND held IS NULL AND priority = 2), {never})
FROM aiojobs_jobs
WHERE 1
GROUP BY type
ON CONFLICT (type) DO UPDATE
SET
    pending = excluded.pending, scheduled = excluded.scheduled, retrying = excluded.retrying, held = excluded.held,
    processing = excluded.processing, completed = excluded.completed, dead = excluded.dead,
    cancelled = excluded.cancelled, last_id = max(last_id, excluded.last_id), due_mark = excluded.due_mark,
    due_high = excluded.due_high, due_medium = excluded.due_medium, due_low = excluded.due_low;
