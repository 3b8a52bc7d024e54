-- Unique jobs.

-- fragment: holds_key
-- The condition of the unique index, word for word: only so SQLite takes the index.
unique_key IS NOT NULL AND (
    unique_scope = 'unfinished' AND (status = 'pending' OR status = 'processing')
    OR unique_scope = 'pending' AND status = 'pending' AND started_at IS NULL
);

-- name: job_with_key
-- The job that has an idempotency key, with its payload.
SELECT id, payload
FROM aiojobs_jobs
WHERE type = ? AND idempotency_key = ?;

-- name: job_with_unique_key
-- The job that has a unique key.
SELECT id
FROM aiojobs_jobs
WHERE type = ? AND unique_key = ? AND {holds_key};

-- name: insert_unique
-- Adds jobs, each with its unique key or without one.
INSERT INTO aiojobs_jobs (id, {required}, unique_key, unique_scope, status)
SELECT column1, {numbered}, {numbered_behind}, 'pending'
FROM (VALUES {rows});

-- name: holder
-- Where the job stands that has a key.
SELECT status, created_at, type, attempts, scheduled_at, held IS NOT NULL, priority
FROM aiojobs_jobs
WHERE id = ?;

-- name: has_operations
-- Whether any operation of a job is stored.
SELECT EXISTS (
    SELECT 1
    FROM aiojobs_steps
    WHERE job_id = ?
);

-- name: replace_payload
-- Gives a pending job another payload and another time.
UPDATE aiojobs_jobs
SET payload = :payload, scheduled_at = :scheduled_at
WHERE id = :id
    AND status = 'pending';

-- name: gathering
-- Where a pending job stands that gathers items, with those that it has.
SELECT status, created_at, type, attempts, scheduled_at, held IS NOT NULL, priority, payload, lane
FROM aiojobs_jobs
WHERE id = ?
    AND status = 'pending';

-- name: give_key_up
-- A pending job has no unique key any more.
UPDATE aiojobs_jobs
SET unique_key = NULL, unique_scope = NULL
WHERE id = ?
    AND status = 'pending';

-- name: unique_of_dead
-- Those of these jobs that are dead and would have a unique key again.
SELECT id, type, unique_key
FROM aiojobs_jobs
WHERE id IN ({rows})
    AND +status = 'dead'
    AND unique_key IS NOT NULL
    AND unique_scope = 'unfinished'
ORDER BY id;

-- name: unique_of_job
-- The unique key that a finished job would have again.
SELECT type, unique_key
FROM aiojobs_jobs
WHERE id = ?
    AND unique_key IS NOT NULL
    AND unique_scope = 'unfinished';
