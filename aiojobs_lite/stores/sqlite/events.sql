-- Events: what is kept of them, whom they have not reached, and which types listen.

-- name: last_event
-- The highest number.
SELECT coalesce(max(id), 0)
FROM aiojobs_events;

-- name: insert_event
-- Stores an event.
INSERT INTO aiojobs_events (id, name, data, sent_at, key, reaches, behind)
VALUES (:id, :name, :data, :sent_at, :key, :reaches, :behind);

-- name: event_of_key
-- The event with a key that was sent last between two instants.
SELECT sent_at, id
FROM aiojobs_events
WHERE key = :key
    AND sent_at > :after
    AND sent_at < :before
ORDER BY sent_at DESC, id DESC
LIMIT 1;

-- name: unreached_of_name
-- Whether an event of a name has not reached all.
SELECT 1
FROM aiojobs_events INDEXED BY aiojobs_events_unreached
WHERE reaches IS NOT NULL
    AND name = ?
LIMIT 1;

-- name: any_unreached
-- Whether any event has not reached all.
SELECT EXISTS (
    SELECT 1
    FROM aiojobs_events
    WHERE reaches IS NOT NULL
);

-- name: unreached_events
-- Some of the events that have not reached all, the first ones.
SELECT id, name, data, sent_at, key, reaches
FROM aiojobs_events INDEXED BY aiojobs_events_unreached
WHERE reaches IS NOT NULL
ORDER BY id
LIMIT 100;

-- name: note_reached
-- An event has reached all.
UPDATE aiojobs_events
SET reaches = NULL
WHERE id = ?;

-- name: prune_events
-- Deletes events that have reached all, those that were sent first; not the latest one, whose number would be given again.
DELETE FROM aiojobs_events
WHERE id IN (
    SELECT id
    FROM aiojobs_events
    WHERE sent_at < ?
        AND +reaches IS NULL
        AND id < (
            SELECT max(id)
            FROM aiojobs_events
        )
    ORDER BY sent_at, id
    LIMIT ?
);

-- name: events_of_page
-- Events, those that were sent last first.
SELECT id, name, data, sent_at, key
FROM aiojobs_events
WHERE (sent_at, id) < (:at, :id)
ORDER BY sent_at DESC, id DESC
LIMIT :limit;

-- name: events_of_name
-- Events of a name, those that were sent last first.
SELECT id, name, data, sent_at, key
FROM aiojobs_events
WHERE name = :name
    AND (sent_at, id) < (:at, :id)
ORDER BY sent_at DESC, id DESC
LIMIT :limit;

-- name: events_of_ids
-- Those of these events for which the rest holds, those that were sent last first.
SELECT id, name, data, sent_at, key
FROM aiojobs_events
WHERE id IN ({ids})
    AND (:name IS NULL OR name = :name)
    AND (NOT :unreached OR reaches IS NOT NULL)
    AND (sent_at, id) < (:at, :id)
ORDER BY sent_at DESC, id DESC
LIMIT :limit;

-- name: events_unreached
-- Events that have not reached all and for which the rest holds, those that were sent last first.
SELECT id, name, data, sent_at, key
FROM aiojobs_events INDEXED BY aiojobs_events_unreached
WHERE reaches IS NOT NULL
    AND (:name IS NULL OR name = :name)
    AND (sent_at, id) < (:at, :id)
ORDER BY sent_at DESC, id DESC
LIMIT :limit;

-- name: started_by
-- Of the jobs that were added next behind an event those whose payload has it.
SELECT job.id, job.type
FROM aiojobs_events AS event
JOIN aiojobs_jobs AS job
    ON job.id > event.behind
    AND job.id <= event.behind + :most
WHERE event.id = :id
    AND instr(job.payload, :event)
ORDER BY job.id;

-- name: any_listener
-- Whether any type listens.
SELECT EXISTS (
    SELECT 1
    FROM aiojobs_listeners
);

-- name: listeners_of
-- The types that listen to these patterns.
SELECT type, priority, max_attempts
FROM aiojobs_listeners
WHERE pattern IN ({rows});

-- name: forget_listeners
-- These types listen no more.
DELETE FROM aiojobs_listeners
WHERE type IN ({rows});

-- name: insert_listeners
-- Stores which types listen to what.
INSERT INTO aiojobs_listeners (pattern, type, priority, max_attempts)
VALUES {rows};

-- name: held_for
-- Payload and the instant of the enqueue of a job, if it is held for a reason.
SELECT payload, created_at
FROM aiojobs_jobs
WHERE id = ?
    AND +held = ?;

-- name: hold_for
-- Holds a new job.
UPDATE aiojobs_jobs
SET held = ?
WHERE id = ?;
