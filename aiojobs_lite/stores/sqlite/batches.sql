-- Batches: their counts, and the jobs that are in them. {batch} are the columns of `BatchRow`.

-- name: insert_batch
-- Makes a batch, which is open.
INSERT INTO aiojobs_batches (parent, owner, created_at)
VALUES (:parent, :owner, :now);

-- name: batch
-- One batch.
SELECT {batch}
FROM aiojobs_batches
WHERE id = ?;

-- name: batches_of_ids
-- Some batches.
SELECT {batch}
FROM aiojobs_batches
WHERE id IN ({rows});

-- name: close_batch
-- Ends the block of a batch that is open.
UPDATE aiojobs_batches
SET owner = NULL, is_abandoned = :is_abandoned, callbacks = :callbacks
WHERE id = :id
    AND owner IS NOT NULL;

-- name: open_of_owner
-- The batches that an owner has open.
SELECT id
FROM aiojobs_batches
WHERE unfinished > 0
    AND owner = ?
ORDER BY id;

-- name: batch_owners
-- The owners of all batches that are open.
SELECT DISTINCT owner
FROM aiojobs_batches
WHERE unfinished > 0
    AND owner IS NOT NULL;

-- name: ranges_between
-- The jobs of batches from one job to another, range by range.
SELECT first_id, last_id, batch
FROM aiojobs_batch_ranges
WHERE first_id >= (
        SELECT coalesce(max(first_id), :first)
        FROM aiojobs_batch_ranges
        WHERE first_id <= :first
    )
    AND first_id <= :last
ORDER BY first_id
LIMIT :limit;

-- name: batches_of_jobs
-- How many of these jobs are in which batch.
SELECT ranges.batch, count(*)
FROM (VALUES {rows}) AS jobs
CROSS JOIN aiojobs_batch_ranges AS ranges
WHERE ranges.first_id = (
        SELECT max(first_id)
        FROM aiojobs_batch_ranges
        WHERE first_id <= jobs.column1
    )
    AND ranges.last_id >= jobs.column1
GROUP BY ranges.batch;

-- name: batch_of_job
-- The batch that a job is in.
SELECT batch
FROM aiojobs_batch_ranges
WHERE first_id = (
        SELECT max(first_id)
        FROM aiojobs_batch_ranges
        WHERE first_id <= :job
    )
    AND last_id >= :job;

-- name: move_batches
-- Moves the counts of batches.
UPDATE aiojobs_batches
SET
    total = total + column2, unfinished = unfinished + column3, completed = completed + column4,
    dead = dead + column5, cancelled = cancelled + column6, deleted = deleted + column7,
    batches = batches + column8, batches_succeeded = batches_succeeded + column9, batches_dead = batches_dead + column10
FROM (VALUES {rows}) AS moved
WHERE aiojobs_batches.id = moved.column1;

-- name: finished_batches
-- Those of these batches that nothing is unfinished of.
SELECT {batch}, callbacks
FROM aiojobs_batches
WHERE id IN ({rows})
    AND unfinished = 0
ORDER BY id;

-- name: complete_batch
-- Notes how a batch is complete, and what it will still enqueue.
UPDATE aiojobs_batches
SET outcome = :outcome, completed_at = coalesce(completed_at, :now), callbacks = :callbacks
WHERE id = :id;

-- name: extend_range
-- Adds the jobs that follow a range of the same batch.
UPDATE aiojobs_batch_ranges
SET last_id = :last
WHERE first_id = (
        SELECT max(first_id)
        FROM aiojobs_batch_ranges
        WHERE first_id < :first
    )
    AND last_id = :first - 1
    AND batch = :batch;

-- name: insert_ranges
-- Adds jobs to batches.
INSERT INTO aiojobs_batch_ranges (first_id, last_id, batch)
VALUES {rows};

-- name: jobs_of_batch_after
-- The next jobs of a batch by id.
SELECT jobs.id, jobs.type, jobs.status
FROM aiojobs_batch_ranges AS ranges INDEXED BY aiojobs_batch_ranges_batch
CROSS JOIN aiojobs_jobs AS jobs
WHERE ranges.batch = :batch
    AND ranges.first_id > (
        SELECT coalesce(max(first_id), 0) - 1
        FROM aiojobs_batch_ranges
        WHERE first_id <= :after
    )
    AND jobs.id BETWEEN ranges.first_id AND ranges.last_id
    AND jobs.id > :after
ORDER BY ranges.first_id, jobs.id
LIMIT :limit;
