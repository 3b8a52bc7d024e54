-- New jobs. {required} are the columns that every new job brings, {numbered} the same as columns of VALUES, {new} all
-- columns that it may bring. `{rows}` stands for one parenthesis of question marks a row.

-- name: insert_pending
-- Adds jobs. Each value that is bound costs some time, and NULL most of all, hence so few.
INSERT INTO aiojobs_jobs (id, {required}, status)
SELECT column1, {numbered}, 'pending'
FROM (VALUES {rows});

-- name: insert_claimed
-- Adds jobs that are claimed already, by one owner at one instant.
INSERT INTO aiojobs_jobs (id, {required}, status, attempts, owner, started_at)
SELECT column1, {numbered}, ?, ?, ?, ?
FROM (VALUES {rows});

-- name: insert_job
-- Adds one job with all that a job may bring.
INSERT INTO aiojobs_jobs (status, attempts, owner, started_at, id, {new})
VALUES (?, ?, ?, ?, ?, {new_marks});

-- name: job_of_key
-- The job that has an idempotency key.
SELECT id
FROM aiojobs_jobs
WHERE type = ? AND idempotency_key = ?;
