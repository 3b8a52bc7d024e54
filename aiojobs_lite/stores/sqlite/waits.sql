-- Which events the operations of jobs wait for, and which cancel jobs.

-- fragment: may_match
-- An event has values at two paths, or SQLite cannot say: its data are no JSON, or have an escape that it does not read.
(
    NOT json_valid(data)
    OR instr(data, '\u00') > 0
    OR json_extract(data, :path_1) IS :value_1 AND json_extract(data, :path_2) IS :value_2
);

-- name: insert_waits
-- Notes what jobs wait for.
INSERT INTO aiojobs_waits (id, event, fields, vals, job_id, step)
VALUES {rows};

-- name: forget_waits
-- Forgets what jobs wait for.
DELETE FROM aiojobs_waits
WHERE job_id IN ({rows});

-- name: forget_cancels
-- Forgets which events cancel jobs.
DELETE FROM aiojobs_waits
WHERE job_id IN ({rows})
    AND step IS NULL;

-- name: delete_waits
-- Deletes some of what jobs wait for.
DELETE FROM aiojobs_waits
WHERE id IN ({rows});

-- name: wait_of_step
-- Which event an operation waits for.
SELECT id, event, fields, vals
FROM aiojobs_waits
WHERE job_id = ?
    AND step = ?;

-- name: last_wait
-- The highest number of all that wait, and of those that an event may still reach.
SELECT max(
    (SELECT coalesce(max(id), 0) FROM aiojobs_waits),
    (SELECT coalesce(max(reaches), 0) FROM aiojobs_events WHERE reaches IS NOT NULL)
);

-- name: awaited_fields
-- The sets of fields by which anything waits for the events of a name: as many looks as there are sets.
WITH RECURSIVE found (fields) AS (
    SELECT (
        SELECT min(fields)
        FROM aiojobs_waits
        WHERE event = :event
    )
    UNION ALL
    SELECT (
        SELECT min(fields)
        FROM aiojobs_waits
        WHERE event = :event
            AND fields > found.fields
    )
    FROM found
    WHERE found.fields IS NOT NULL
)
SELECT fields
FROM found
WHERE fields IS NOT NULL;

-- name: waiting_for_event
-- Some of what waited for an event by some fields when it was sent, of jobs that have not ended.
SELECT waits.id, waits.job_id, waits.step, steps.suspends, job.type
FROM aiojobs_waits AS waits
CROSS JOIN aiojobs_jobs AS job
LEFT JOIN aiojobs_steps AS steps ON steps.id = waits.step
WHERE waits.event = :event
    AND waits.fields = :fields
    AND waits.vals = :vals
    AND waits.id <= :last
    AND job.id = waits.job_id
    AND +job.status IN ('pending', 'processing')
ORDER BY waits.id
LIMIT :most;

-- name: cancelled_by_event
-- Some of the jobs that an event cancels by some fields, of those that have not ended; by their ids.
SELECT waits.job_id
FROM aiojobs_waits AS waits
CROSS JOIN aiojobs_jobs AS job
WHERE waits.event = :event
    AND waits.fields = :fields
    AND waits.vals = :vals
    AND waits.step IS NULL
    AND waits.job_id > :after
    AND job.id = waits.job_id
    AND +job.status IN ('pending', 'processing')
ORDER BY waits.job_id
LIMIT :limit;

-- name: held_before
-- The job that was held in the place of a job; that job itself if there was none.
SELECT coalesce(max(parent_id), ?)
FROM aiojobs_children
WHERE child_id = ?
    AND step = '';

-- name: sent_event
-- An event of a name, by the id that its memo has, and its instant; and the highest id of the jobs before it.
SELECT id, behind
FROM aiojobs_events
WHERE name = :event
    AND sent_at = :sent_at
    AND (key = :key OR (key IS NULL AND id = :number))
ORDER BY id DESC
LIMIT 1;

-- name: events_since
-- Events of a name, in the order in which they were sent, behind a job and an event; of these at least the ones that
-- have values at two paths. A path that is null leaves none out.
SELECT id, name, data, sent_at, key, behind
FROM aiojobs_events
WHERE name = :event
    AND (behind, id) > (:behind, :id)
    AND {may_match}
ORDER BY behind, id
LIMIT :most;

-- name: events_since_instant
-- The same of the events that a release before has sent: behind an instant and an event.
SELECT id, name, data, sent_at, key, sent_at
FROM aiojobs_events INDEXED BY aiojobs_events_behind
WHERE name = :event
    AND behind IS NULL
    AND (sent_at, id) > (:behind, :id)
    AND {may_match}
ORDER BY sent_at, id
LIMIT :most;
