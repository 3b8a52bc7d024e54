-- The first schema. Times are integer microseconds since 1970 UTC, of the years 1 to 9999; payload, result and nothing
-- else is JSON.

-- A CHECK is looked at when one of its columns is written, so each is about one column where it can be, and none calls a
-- function or asks IN a list: that would double what a job costs. A column takes any type where nothing else is said;
-- numbers are less than every text, and text is less than every blob, so less than x''.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    type TEXT NOT NULL CHECK (type < x''),
    payload TEXT NOT NULL CHECK (payload < x''),
    status TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority = 1 OR priority = 0 OR priority = 2),
    scheduled_at INTEGER NOT NULL CHECK (scheduled_at BETWEEN -62135596800000000 AND 253402300799999999),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 9223372036854775807),
    max_attempts INTEGER NOT NULL CHECK (max_attempts BETWEEN 1 AND 9223372036854775807),
    owner TEXT CHECK (owner < x''),
    created_at INTEGER NOT NULL CHECK (created_at BETWEEN -62135596800000000 AND 253402300799999999),
    started_at INTEGER CHECK (started_at BETWEEN -62135596800000000 AND 253402300799999999),
    completed_at INTEGER CHECK (completed_at BETWEEN -62135596800000000 AND 253402300799999999),
    idempotency_key TEXT CHECK (idempotency_key < x''),
    error TEXT CHECK (error < x''),
    reason TEXT CHECK (reason < x''),
    result TEXT CHECK (result < x''),
    interruptions INTEGER NOT NULL DEFAULT 0 CHECK (interruptions BETWEEN 0 AND 9223372036854775807),
    snoozes INTEGER NOT NULL DEFAULT 0 CHECK (snoozes BETWEEN 0 AND 9223372036854775807),
    crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes BETWEEN 0 AND 9223372036854775807),
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0,
    parked TEXT CHECK (parked < x''),
    schedule TEXT CHECK (schedule < x''),
    tick INTEGER CHECK (tick BETWEEN -62135596800000000 AND 253402300799999999),
    CHECK (
        status = 'pending' AND owner IS NULL AND completed_at IS NULL
        OR status = 'processing' AND owner IS NOT NULL AND completed_at IS NULL AND parked IS NULL
        OR status = 'completed' AND owner IS NULL AND completed_at IS NOT NULL AND parked IS NULL
        OR status = 'dead' AND owner IS NULL AND completed_at IS NOT NULL AND parked IS NULL
        OR status = 'cancelled' AND owner IS NULL AND completed_at IS NOT NULL AND parked IS NULL
    )
);

-- The claim: one range of this index a type and priority, future rows never touched.
CREATE INDEX jobs_pending ON jobs (type, priority, scheduled_at)
WHERE status = 'pending' AND parked IS NULL;

-- The limit of a type over all owners, and the jobs of one owner.
CREATE INDEX jobs_processing ON jobs (type, owner)
WHERE status = 'processing';

-- Pruning, and lists of the dead.
CREATE INDEX jobs_finished ON jobs (status, completed_at)
WHERE completed_at IS NOT NULL;

-- Unparking, at every start; hardly ever has an entry.
CREATE INDEX jobs_parked ON jobs (type)
WHERE parked IS NOT NULL;

CREATE UNIQUE INDEX jobs_idempotency_key ON jobs (type, idempotency_key)
WHERE idempotency_key IS NOT NULL;

-- TRANSITIONS of job.py, once more, where no program can pass it by.
CREATE TRIGGER jobs_transition AFTER UPDATE OF status ON jobs
WHEN OLD.status <> NEW.status AND NOT (
    OLD.status = 'pending' AND NEW.status = 'processing'
    OR OLD.status = 'pending' AND NEW.status = 'cancelled'
    OR OLD.status = 'processing' AND NEW.status = 'completed'
    OR OLD.status = 'processing' AND NEW.status = 'pending'
    OR OLD.status = 'processing' AND NEW.status = 'dead'
    OR OLD.status = 'processing' AND NEW.status = 'cancelled'
    OR OLD.status = 'dead' AND NEW.status = 'pending'
    OR OLD.status = 'cancelled' AND NEW.status = 'pending'
)
BEGIN
    SELECT RAISE(ABORT, 'this transition of a job is not allowed');
END;

-- One row an attempt that did not succeed.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL CHECK (attempt BETWEEN 0 AND 9223372036854775807),
    outcome TEXT NOT NULL CHECK (outcome IN ('failed', 'timed_out', 'cancelled', 'interrupted', 'lost', 'snoozed')),
    started_at INTEGER CHECK (started_at BETWEEN -62135596800000000 AND 253402300799999999),
    ended_at INTEGER NOT NULL CHECK (ended_at BETWEEN -62135596800000000 AND 253402300799999999),
    owner TEXT NOT NULL CHECK (owner < x''),
    error_type TEXT CHECK (error_type < x''),
    message TEXT CHECK (message < x''),
    traceback TEXT CHECK (traceback < x'')
);

CREATE INDEX attempts_job ON attempts (job_id);

-- How many jobs of a type stand where, kept by each transaction that moves them, so that nobody ever counts.
-- "scheduled": pending, no attempt spent, scheduled_at after due_mark. "last_id": the highest id that a job of the type
-- was given, so that none is ever given again; AUTOINCREMENT would write one more page a transaction.
CREATE TABLE counts (
    type TEXT PRIMARY KEY,
    pending INTEGER NOT NULL,
    scheduled INTEGER NOT NULL,
    retrying INTEGER NOT NULL,
    parked INTEGER NOT NULL,
    processing INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
    due_mark INTEGER NOT NULL,
    CHECK (typeof(type) = 'text'),
    CHECK (max(pending, scheduled, retrying, parked, processing, completed, dead, cancelled, last_id, due_mark) < 9.3e18)
) WITHOUT ROWID;

CREATE TABLE pauses (
    type TEXT PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    expression TEXT NOT NULL,
    tz TEXT NOT NULL,
    next_tick INTEGER NOT NULL,
    latest_job INTEGER,
    CHECK (next_tick BETWEEN -62135596800000000 AND 253402300799999999)
) WITHOUT ROWID;

-- One row a tick that was dealt with: the reason why no tick makes two jobs.
CREATE TABLE ticks (
    schedule TEXT NOT NULL,
    tick INTEGER NOT NULL,
    job_id INTEGER,
    PRIMARY KEY (schedule, tick)
) WITHOUT ROWID;
