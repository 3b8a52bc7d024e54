-- What a file is, and whether it can be written.

-- name: names_of_ours
-- Everything in the file that bears a name of ours.
SELECT name
FROM sqlite_master
WHERE name LIKE 'aiojobs\_%' ESCAPE '\';

-- name: meta
-- What the file says of itself: `application`, `schema` and `database`, by key.
SELECT key, value
FROM aiojobs_meta;

-- name: set_version
-- Notes to which version a script has brought the tables.
UPDATE aiojobs_meta
SET value = :version
WHERE key = 'schema';

-- name: look_at_tables
-- Reads a row of each table, whatever is in it.
SELECT
    (SELECT typeof(payload) FROM aiojobs_jobs LIMIT 1),
    (SELECT typeof(waits_for) FROM aiojobs_after LIMIT 1),
    (SELECT typeof(callbacks) FROM aiojobs_batches LIMIT 1),
    (SELECT typeof(batch) FROM aiojobs_batch_ranges LIMIT 1),
    (SELECT typeof(outcome) FROM aiojobs_attempts LIMIT 1),
    (SELECT typeof(step) FROM aiojobs_children LIMIT 1),
    (SELECT typeof(pending) FROM aiojobs_counts LIMIT 1),
    (SELECT typeof(body) FROM aiojobs_documents LIMIT 1),
    (SELECT typeof(behind) FROM aiojobs_events LIMIT 1),
    (SELECT typeof(expires_at) FROM aiojobs_expiries LIMIT 1),
    (SELECT typeof(line) FROM aiojobs_lanes LIMIT 1),
    (SELECT typeof(most) FROM aiojobs_limits LIMIT 1),
    (SELECT typeof(type) FROM aiojobs_limited LIMIT 1),
    (SELECT typeof(pattern) FROM aiojobs_listeners LIMIT 1),
    (SELECT typeof(lines) FROM aiojobs_logs LIMIT 1),
    (SELECT typeof(starts) FROM aiojobs_meters LIMIT 1),
    (SELECT typeof(since) FROM aiojobs_pauses LIMIT 1),
    (SELECT typeof(fraction) FROM aiojobs_progress LIMIT 1),
    (SELECT typeof(types) FROM aiojobs_runners LIMIT 1),
    (SELECT typeof(expression) FROM aiojobs_schedules LIMIT 1),
    (SELECT typeof(memo) FROM aiojobs_steps LIMIT 1),
    (SELECT typeof(job_id) FROM aiojobs_ticks LIMIT 1),
    (SELECT typeof(vals) FROM aiojobs_waits LIMIT 1),
    (SELECT typeof(until) FROM aiojobs_windows LIMIT 1);

-- name: look_at_columns
-- Names every column that the library reads; returns nothing.
SELECT {job}, place
FROM aiojobs_jobs
WHERE 0;
