-- What handlers report while they run.

-- name: may_report
-- Whether (id, attempt, owner) still has its attempt; of a report that goes with its end, whether the job is there.
SELECT 1
FROM aiojobs_jobs
WHERE id = :id
    AND (:goes_with_end OR {fence});

-- name: set_progress
-- Stores what an attempt reported last.
INSERT INTO aiojobs_progress (job_id, attempt, fraction, text, at)
VALUES (:id, :attempt, :fraction, :text, :at)
ON CONFLICT (job_id) DO UPDATE SET
    attempt = excluded.attempt, fraction = excluded.fraction, text = excluded.text, at = excluded.at;

-- name: end_of_log
-- The row with the last lines of a log, and how long it is.
SELECT id, last_line, owner, serial, length(lines)
FROM aiojobs_logs
WHERE job_id = ?
ORDER BY last_line DESC
LIMIT 1;

-- name: insert_lines
-- Adds a row to a log.
INSERT INTO aiojobs_logs (job_id, last_line, owner, serial, lines)
VALUES (:id, :last, :owner, :serial, :lines);

-- name: append_lines
-- Adds an array to that of a row.
UPDATE aiojobs_logs
SET
    last_line = :last, owner = :owner, serial = :serial,
    lines = substr(lines, 1, length(lines) - 1) || ',' || substr(:lines, 2)
WHERE id = :row;

-- name: forget_lines
-- Deletes the rows all of whose lines are too old.
DELETE FROM aiojobs_logs
WHERE job_id = ?
    AND last_line <= ?;

-- name: log_after
-- The rows that have lines of a higher number, in their order.
SELECT last_line, lines
FROM aiojobs_logs
WHERE job_id = ?
    AND last_line > ?
ORDER BY last_line;

-- name: standings
-- How these jobs stand. The columns of the progress come last but one.
SELECT
    id, status, attempts, error, reason, fraction, text, attempt, at,
    (
        SELECT max(last_line)
        FROM aiojobs_logs
        WHERE aiojobs_logs.job_id = aiojobs_jobs.id
    )
FROM aiojobs_jobs
LEFT JOIN aiojobs_progress ON aiojobs_progress.job_id = aiojobs_jobs.id
WHERE id IN ({ids});

-- name: reported
-- Whether any job has reported how far it is, or logged.
SELECT
    EXISTS (SELECT 1 FROM aiojobs_progress),
    EXISTS (SELECT 1 FROM aiojobs_logs);

-- name: ends_of_logs
-- The number of the last line of each of these jobs that logged.
SELECT job_id, max(last_line)
FROM aiojobs_logs
WHERE job_id IN ({rows})
GROUP BY job_id;

-- name: step_counts
-- How many operations these jobs have.
SELECT job_id, count(*)
FROM aiojobs_steps
WHERE job_id IN ({rows})
GROUP BY job_id;

-- name: delete_progress
-- Deletes what these jobs reported last.
DELETE FROM aiojobs_progress
WHERE job_id IN ({rows});

-- name: delete_logs
-- Deletes the logs of these jobs.
DELETE FROM aiojobs_logs
WHERE job_id IN ({rows});
