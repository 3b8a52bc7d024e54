-- How many jobs of a type stand where, and when the next of each priority is due at the earliest: {never} if there is
-- none.

-- name: counts
-- The counts of every type.
SELECT
    type, pending, scheduled, retrying, held, processing, completed, dead, cancelled, last_id, due_mark, due_high,
    due_medium, due_low
FROM aiojobs_counts;

-- name: highest_id_and_what_is_used
-- The highest id in the table, when the first job expires, whether any has an expiry, and whether any has operations.
SELECT
    (SELECT max(id) FROM aiojobs_jobs),
    (SELECT expires_at FROM aiojobs_expiries WHERE is_over = 0 ORDER BY expires_at LIMIT 1),
    EXISTS (SELECT 1 FROM aiojobs_expiries),
    EXISTS (SELECT 1 FROM aiojobs_steps) OR EXISTS (SELECT 1 FROM aiojobs_children);

-- name: awaits_ends
-- Whether a batch, or a job, waits for the end of any job, or a job waits for an event, which ends with it, or a type
-- listens to the ends of jobs.
SELECT EXISTS (
    SELECT 1
    FROM aiojobs_batches
    WHERE unfinished > 0
)
OR EXISTS (
    SELECT 1
    FROM aiojobs_after
)
OR EXISTS (
    SELECT 1
    FROM aiojobs_waits
)
OR EXISTS (
    SELECT 1
    FROM aiojobs_listeners
    WHERE pattern IN ('job.dead', 'job.completed', 'job.cancelled')
)
OR EXISTS (
    SELECT 1
    FROM aiojobs_children
    WHERE is_awaited = 1
);

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
WHERE {ordinary}
    AND type = ?
    AND priority = ?
    AND scheduled_at > ?
    AND scheduled_at <= ?
    AND attempts = 0;
