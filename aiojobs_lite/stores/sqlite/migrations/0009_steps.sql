-- Durable steps, and events.

-- What handlers have done already, or wait for: an operation a row, in the order in which they were stored first.
-- "until": when it is over, or is tried again. "place": its place in the order in which those of the job ended.
-- "suspends": whether the job was suspended for it when its latest attempt ended. "memo", "error": JSON.
CREATE TABLE aiojobs_steps (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    name TEXT NOT NULL CHECK (name < x''),
    kind TEXT NOT NULL CHECK (kind < x''),
    state TEXT NOT NULL CHECK (state < x''),
    attempts INTEGER NOT NULL,
    until INTEGER CHECK (until BETWEEN -62135596800000000 AND 253402300799999999),
    started_at INTEGER NOT NULL CHECK (started_at BETWEEN -62135596800000000 AND 253402300799999999),
    ended_at INTEGER CHECK (ended_at BETWEEN -62135596800000000 AND 253402300799999999),
    place INTEGER,
    suspends INTEGER NOT NULL DEFAULT 0,
    memo TEXT CHECK (memo < x''),
    error TEXT CHECK (error < x'')
);

CREATE UNIQUE INDEX aiojobs_steps_name ON aiojobs_steps (job_id, name);

-- Which events end an operation, or cancel a job ("step" is null), that have not come yet. "fields": a JSON array of
-- dotted paths, sorted; "vals": a JSON array of the scalars that must stand there.
CREATE TABLE aiojobs_waits (
    id INTEGER PRIMARY KEY,
    event TEXT NOT NULL CHECK (event < x''),
    fields TEXT NOT NULL CHECK (fields < x''),
    vals TEXT NOT NULL CHECK (vals < x''),
    job_id INTEGER NOT NULL,
    step INTEGER
);

CREATE INDEX aiojobs_waits_event ON aiojobs_waits (event, fields, vals);

CREATE INDEX aiojobs_waits_job ON aiojobs_waits (job_id);

-- The jobs that operations have started, or found. "is_new": the operation made the job. "is_awaited": its end, which is
-- to come, ends the operation.
CREATE TABLE aiojobs_children (
    child_id INTEGER NOT NULL,
    parent_id INTEGER NOT NULL,
    step TEXT NOT NULL CHECK (step < x''),
    is_new INTEGER NOT NULL,
    is_awaited INTEGER NOT NULL,
    PRIMARY KEY (child_id, parent_id, step)
) WITHOUT ROWID;

CREATE INDEX aiojobs_children_parent ON aiojobs_children (parent_id);

CREATE INDEX aiojobs_children_awaited ON aiojobs_children (parent_id)
WHERE is_awaited = 1;

-- "key": the id that its sender gave it. "reaches": the highest id of the waits when it was sent, while some of these may
-- still wait for it.
CREATE TABLE aiojobs_events (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL CHECK (name < x''),
    data TEXT NOT NULL CHECK (data < x''),
    sent_at INTEGER NOT NULL CHECK (sent_at BETWEEN -62135596800000000 AND 253402300799999999),
    key TEXT CHECK (key < x''),
    reaches INTEGER
);

CREATE INDEX aiojobs_events_name ON aiojobs_events (name, sent_at);

CREATE INDEX aiojobs_events_sent_at ON aiojobs_events (sent_at);

CREATE INDEX aiojobs_events_key ON aiojobs_events (key, sent_at)
WHERE key IS NOT NULL;

-- Those that have not reached all that waited for them.
CREATE INDEX aiojobs_events_unreached ON aiojobs_events (name)
WHERE reaches IS NOT NULL;

-- Which types listen to which events: to a name, or to all with a beginning, which ends with an asterisk.
CREATE TABLE aiojobs_listeners (
    pattern TEXT NOT NULL,
    type TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority IN (0, 1, 2)),
    max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),
    PRIMARY KEY (pattern, type)
) WITHOUT ROWID;
