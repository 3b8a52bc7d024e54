-- What a file of each schema may hold: the rows of schema n are those of the sections 1 to n. Literal, as files are, and
-- never changed: a new script takes a new section, with a row in each table and each column that it adds.
-- Jobs of the types `runs`, `limited` and `durable` are run by the test; all others have no handler, and stay.

-- schema 1
INSERT INTO aiojobs_jobs (
    id, type, payload, status, priority, scheduled_at, attempts, max_attempts, owner, created_at, started_at,
    completed_at, idempotency_key, error, reason, result, interruptions, snoozes, crashes, cancel_requested, interrupted,
    held, schedule, tick, label
)
VALUES
    (1, 'runs', '{"n":1}', 'pending', 1, 1700000000000000, 0, 5, NULL, 1700000000000000, NULL,
        NULL, 'order-1', NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, 'eu'),
    (2, 'runs', '{"n":2}', 'pending', 2, 9000000000000000, 1, 5, NULL, 1700000000000000, 1700000000000000,
        NULL, NULL, 'E: no', NULL, NULL, 1, 2, 0, 0, 0, NULL, NULL, NULL, NULL),
    (3, 'runs', '{"n":3}', 'processing', 1, 1700000000000000, 1, 5, '0123456789abcdef', 1700000000000000, 1700000000000000,
        NULL, NULL, NULL, NULL, NULL, 0, 0, 1, 0, 0, NULL, 'daily', 1700000000000000, NULL),
    (4, 'stays', '{"n":4}', 'completed', 1, 1700000000000000, 1, 5, NULL, 1700000000000000, 1700000000000000,
        1700000000000000, NULL, NULL, NULL, '"ok"', 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL),
    (5, 'stays', '{"n":5}', 'dead', 1, 1700000000000000, 5, 5, NULL, 1700000000000000, 1700000000000000,
        1700000000000000, NULL, 'E: no', 'all attempts are used up', NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL),
    (6, 'stays', '{"n":6}', 'cancelled', 0, 1700000000000000, 1, 5, NULL, 1700000000000000, NULL,
        1700000000000000, NULL, NULL, 'gone', NULL, 0, 0, 0, 1, 1, NULL, NULL, NULL, NULL),
    (7, 'stays', '{"n":7}', 'pending', 1, 1700000000000000, 0, 5, NULL, 1700000000000000, NULL,
        NULL, NULL, NULL, 'n: too small', NULL, 0, 0, 0, 0, 0, 'payload', NULL, NULL, NULL),
    (8, 'stays', '{"n":8}', 'pending', 0, 9000000000000000, 0, 5, NULL, 1700000000000000, NULL,
        NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL);
INSERT INTO aiojobs_attempts (id, job_id, attempt, outcome, started_at, ended_at, owner, error_type, message, traceback)
VALUES
    (1, 2, 1, 'failed', 1700000000000000, 1700000000000001, 'fedcba9876543210', 'E', 'no', 'a traceback'),
    (2, 2, 1, 'interrupted', 1700000000000000, 1700000000000001, 'fedcba9876543210', NULL, NULL, NULL),
    (3, 2, 1, 'snoozed', 1700000000000000, 1700000000000001, 'fedcba9876543210', NULL, NULL, NULL),
    (4, 3, 1, 'lost', 1700000000000000, 1700000000000001, 'fedcba9876543210', NULL, NULL, NULL),
    (5, 5, 5, 'timed_out', 1700000000000000, 1700000000000001, 'fedcba9876543210', NULL, NULL, NULL),
    (6, 6, 1, 'cancelled', NULL, 1700000000000001, 'fedcba9876543210', NULL, NULL, NULL);
INSERT INTO aiojobs_pauses (type) VALUES ('paused');
INSERT INTO aiojobs_schedules (name, expression, tz, next_tick, latest_job)
VALUES ('daily', '0 9 * * *', 'UTC', 9000000000000000, 3);
INSERT INTO aiojobs_ticks (schedule, tick, job_id) VALUES ('daily', 1700000000000000, 3);

-- schema 2
INSERT INTO aiojobs_runners (id, pid, host, max_running, types, started_at, is_draining, ended_at)
VALUES
    ('0123456789abcdef', 4711, 'a', 100, '{"runs": null}', 1700000000000000, 0, NULL),
    ('fedcba9876543210', 4712, 'a', 100, '{"runs": 5}', 1700000000000000, 1, 1700000000000001);
INSERT INTO aiojobs_pauses (type, since, paused_by) VALUES ('paused too', 1700000000000000, 'Ada');
UPDATE aiojobs_jobs SET metadata = '{"tenant":"x"}' WHERE id = 1;

-- schema 3
UPDATE aiojobs_jobs SET unique_key = '8', unique_scope = 'unfinished' WHERE id = 8;
UPDATE aiojobs_jobs SET unique_key = '7', unique_scope = 'pending' WHERE id = 7;
INSERT INTO aiojobs_windows (type, key, job_id, since, until)
VALUES ('stays', '4', 4, 1700000000000000, 9000000000000000);

-- schema 4
INSERT INTO aiojobs_expiries (job_id, expires_at, is_over) VALUES (8, 9000000000000000, 0), (4, 1700000000000001, 1);

-- schema 5
INSERT INTO aiojobs_progress (job_id, attempt, fraction, text, at) VALUES (4, 1, 0.5, 'half', 1700000000000000);
INSERT INTO aiojobs_logs (id, job_id, last_line, owner, serial, lines)
VALUES (1, 4, 1, 'fedcba9876543210', 1, '[[1700000000000000,1,"hello"]]');

-- schema 6
INSERT INTO aiojobs_batches (id, total, unfinished, created_at, callbacks) VALUES (1, 1, 1, 1700000000000000, '[]');
INSERT INTO aiojobs_batches (id, total, unfinished, completed, outcome, created_at, completed_at)
VALUES (2, 1, 0, 1, 'succeeded', 1700000000000000, 1700000000000000);
INSERT INTO aiojobs_batch_ranges (first_id, last_id, batch) VALUES (1, 1, 1), (4, 4, 2);

-- schema 7
INSERT INTO aiojobs_jobs (id, type, payload, status, priority, scheduled_at, max_attempts, created_at, held)
VALUES (9, 'runs', '{"n":9}', 'pending', 1, 1700000000000000, 5, 1700000000000000, 'after');
INSERT INTO aiojobs_after (waits_for, job_id, runs_anyway, delay, at) VALUES (1, 9, 0, 0, NULL);

-- schema 8
INSERT INTO aiojobs_jobs (id, type, payload, status, priority, scheduled_at, max_attempts, created_at, lane, place)
VALUES (10, 'limited', '{"n":10}', 'pending', 1, 1700000000000000, 5, 1700000000000000,
    'limited' || char(10) || '1' || char(10) || 'limited: limit by n' || char(10) || '10'
        || char(10) || 'limited: rate by n' || char(10) || '10',
    1700000000000000);
INSERT INTO aiojobs_lanes (lane, line, priority, ready_at, first_id)
SELECT lane, type, priority, scheduled_at, id FROM aiojobs_jobs WHERE id = 10;
INSERT INTO aiojobs_limits (key, name, most, per, pinned, set_at, paused_since, paused_by)
VALUES
    ('', 'limited: limit by n', 1, NULL, 0, 1700000000000000, NULL, NULL),
    ('', 'limited: rate by n', 5, 60000000, 1, 1700000000000000, NULL, NULL),
    ('11', 'limited: limit by n', NULL, NULL, 0, 1700000000000000, 1700000000000000, 'Ada');
INSERT INTO aiojobs_limited (name, type)
VALUES ('limited: limit by n', 'limited'), ('limited: rate by n', 'limited');
INSERT INTO aiojobs_meters (meter, starts, free_at, last_at)
VALUES ('limited: rate by n' || char(10) || '10', '[[1700000000000000,1]]', NULL, 1700000000000000);

-- schema 9
INSERT INTO aiojobs_jobs (
    id, type, payload, status, priority, scheduled_at, max_attempts, created_at, started_at, snoozes, held
)
VALUES
    (11, 'durable', '{"n":11}', 'pending', 1, 1700000000000000, 5, 1700000000000000, 1700000000000000, 1, NULL),
    (12, 'stays', '{"n":12}', 'pending', 1, 1700000000000000, 5, 1700000000000000, 1700000000000000, 1, 'event');
INSERT INTO aiojobs_steps (
    id, job_id, name, kind, state, attempts, until, started_at, ended_at, place, suspends, memo, error
)
VALUES
    (1, 11, 'one', 'run', 'done', 1, NULL, 1700000000000000, 1700000000000000, 1, 0, '42', NULL),
    (2, 11, 'nap', 'sleep', 'waiting', 0, 1700000000000001, 1700000000000000, NULL, NULL, 1, NULL, NULL),
    (3, 12, 'answered', 'event', 'waiting', 0, NULL, 1700000000000000, NULL, NULL, 1, NULL, NULL),
    (4, 12, 'child', 'child', 'waiting', 0, NULL, 1700000000000000, NULL, NULL, 1, NULL, NULL);
INSERT INTO aiojobs_waits (id, event, fields, vals, job_id, step) VALUES (1, 'user/replied', '["n"]', '[1]', 12, 3);
INSERT INTO aiojobs_children (child_id, parent_id, step, is_new, is_awaited) VALUES (8, 12, 'child', 1, 1);
INSERT INTO aiojobs_events (id, name, data, sent_at, key, reaches)
VALUES (1, 'user/signed.up', '{"n":1}', 1700000000000000, 'signup-1', NULL);
INSERT INTO aiojobs_listeners (pattern, type, priority, max_attempts) VALUES ('user/*', 'stays', 1, 5);

-- schema 10
INSERT INTO aiojobs_events (id, name, data, sent_at, key, behind)
VALUES (2, 'user/left', '{"n":2}', 1700000000000000, NULL, 12);

-- schema 11
UPDATE aiojobs_attempts SET details = '{"status":503}';
UPDATE aiojobs_limits SET paused_until = 1700000000000001 WHERE paused_since IS NOT NULL;
INSERT INTO aiojobs_documents (kind, name, body, version, created_at, updated_at, expires_at)
VALUES ('url-group', 'team', '{"n":1}', 1, 1700000000000000, 1700000000000000, 4000000000000000);

-- schema 12
INSERT INTO aiojobs_schedules (
    name, expression, tz, next_tick, latest_job, job_type, payload, options, catch_up, overlap, revision, last_tick,
    paused_since, paused_by, created_at, updated_at, moved_at
)
VALUES
    ('report:8', '0 9 * * *', 'Europe/London', 9000000000000000, 8, 'stays', '{"n":8}', '{"label":"eu"}', 'latest', 'skip',
        4711, 1700000000000000, NULL, NULL, 1700000000000000, 1700000000000000, 1700000000000000),
    ('report:9', '0 9 * * *', 'UTC', 1700000000000000, NULL, 'runs', '{"n":9}', NULL, 'all', 'queue', 4712, NULL,
        1700000000000000, 'Ada', 1700000000000000, 1700000000000001, 1700000000000000);

-- schema 13
UPDATE aiojobs_attempts SET type = 'stays';

-- schema 14
INSERT INTO aiojobs_ends (
    span, begin, type, outcome, error_type, attempts, dead, cancelled, micros, first_at, last_at
)
VALUES
    (3600000000, 1699999200000000, 'stays', 'failed', 'ValueError', 2, 1, 0, 3000, 1700000000000000, 1700000000000000),
    (0, 0, 'stays', 'failed', '', 2, 1, 0, 3000, 1700000000000000, 1700000000000000);
INSERT INTO aiojobs_durations (span, begin, type, outcome, bucket, attempts)
VALUES (3600000000, 1699999200000000, 'stays', 'failed', 3, 2), (0, 0, 'stays', 'failed', 3, 2);

-- schema 15
INSERT INTO aiojobs_edits (job_id, edited_at, payload) VALUES (8, 1700000000000000, '{"n":7}');
