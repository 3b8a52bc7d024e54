-- The schema. All names bear the prefix, so that the tables may lie in an application's own database. Times are integer
-- microseconds since 1970 UTC, of the years 1 to 9999 (-62135596800000000 to 253402300799999999); 9223372036854775807 is
-- the largest whole number, for counters. Payload, result and nothing else is JSON.

-- What the file says of itself: `application` (whose tables these are), `schema` (the version of them), `database` (a
-- random id, by which a job's key is unique over databases).
CREATE TABLE aiojobs_meta (
    key TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

INSERT INTO aiojobs_meta (key, value)
VALUES ('application', 'aiojobs_lite'), ('schema', 1), ('database', lower(hex(randomblob(8))));

-- A CHECK is looked at when one of its columns is written, so each is about one column where it can be, and none calls a
-- function or asks IN a list: that would double what a job costs. A column takes any type where nothing else is said;
-- numbers are less than every text, and text is less than every blob, so less than x''.
CREATE TABLE aiojobs_jobs (
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
    held TEXT CHECK (held < x''),
    schedule TEXT CHECK (schedule < x''),
    tick INTEGER CHECK (tick BETWEEN -62135596800000000 AND 253402300799999999),
    label TEXT CHECK (label < x''),
    CHECK (
        status = 'pending' AND owner IS NULL AND completed_at IS NULL
        OR status = 'processing' AND owner IS NOT NULL AND completed_at IS NULL AND held IS NULL
        OR status = 'completed' AND owner IS NULL AND completed_at IS NOT NULL AND held IS NULL
        OR status = 'dead' AND owner IS NULL AND completed_at IS NOT NULL AND held IS NULL
        OR status = 'cancelled' AND owner IS NULL AND completed_at IS NOT NULL AND held IS NULL
    )
);

-- The claim: one range of this index a type and priority, future rows never touched.
CREATE INDEX aiojobs_jobs_pending ON aiojobs_jobs (type, priority, scheduled_at)
WHERE status = 'pending' AND held IS NULL;

-- The limit of a type over all owners, and the jobs of one owner.
CREATE INDEX aiojobs_jobs_processing ON aiojobs_jobs (type, owner)
WHERE status = 'processing';

-- Pruning, and lists of the dead.
CREATE INDEX aiojobs_jobs_finished ON aiojobs_jobs (status, completed_at)
WHERE completed_at IS NOT NULL;

-- Looking at what is held; hardly ever has an entry.
CREATE INDEX aiojobs_jobs_held ON aiojobs_jobs (held, type)
WHERE held IS NOT NULL;

CREATE UNIQUE INDEX aiojobs_jobs_idempotency_key ON aiojobs_jobs (type, idempotency_key)
WHERE idempotency_key IS NOT NULL;

-- Lists of one label; a job without one costs nothing here.
CREATE INDEX aiojobs_jobs_label ON aiojobs_jobs (label)
WHERE label IS NOT NULL;

-- TRANSITIONS of model/job.py, once more, where no program can pass it by.
CREATE TRIGGER aiojobs_jobs_transition AFTER UPDATE OF status ON aiojobs_jobs
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
CREATE TABLE aiojobs_attempts (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES aiojobs_jobs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL CHECK (attempt BETWEEN 0 AND 9223372036854775807),
    outcome TEXT NOT NULL CHECK (outcome IN ('failed', 'timed_out', 'cancelled', 'interrupted', 'lost', 'snoozed')),
    started_at INTEGER CHECK (started_at BETWEEN -62135596800000000 AND 253402300799999999),
    ended_at INTEGER NOT NULL CHECK (ended_at BETWEEN -62135596800000000 AND 253402300799999999),
    owner TEXT NOT NULL CHECK (owner < x''),
    error_type TEXT CHECK (error_type < x''),
    message TEXT CHECK (message < x''),
    traceback TEXT CHECK (traceback < x'')
);

CREATE INDEX aiojobs_attempts_job ON aiojobs_attempts (job_id);

-- How many jobs of a type stand where, kept by each transaction that moves them, so that nothing is ever counted.
-- "scheduled": pending, no attempt spent, scheduled_at after due_mark. "last_id": the highest id that a job of the type
-- was given, so that none is ever given again; AUTOINCREMENT would write one more page a transaction. "due_*": no
-- claimable job of that priority is scheduled before it; the end of the year 9999 if there is none.
CREATE TABLE aiojobs_counts (
    type TEXT PRIMARY KEY,
    pending INTEGER NOT NULL,
    scheduled INTEGER NOT NULL,
    retrying INTEGER NOT NULL,
    held INTEGER NOT NULL,
    processing INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
    due_mark INTEGER NOT NULL,
    due_high INTEGER NOT NULL,
    due_medium INTEGER NOT NULL,
    due_low INTEGER NOT NULL,
    CHECK (typeof(type) = 'text'),
    CHECK (max(pending, scheduled, retrying, held, processing, completed, dead, cancelled, last_id, due_mark) < 9.3e18)
) WITHOUT ROWID;

CREATE TABLE aiojobs_pauses (
    type TEXT PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE aiojobs_schedules (
    name TEXT PRIMARY KEY,
    expression TEXT NOT NULL,
    tz TEXT NOT NULL,
    next_tick INTEGER NOT NULL,
    latest_job INTEGER,
    CHECK (next_tick BETWEEN -62135596800000000 AND 253402300799999999)
) WITHOUT ROWID;

-- One row a tick that was dealt with: the reason why no tick makes two jobs.
CREATE TABLE aiojobs_ticks (
    schedule TEXT NOT NULL,
    tick INTEGER NOT NULL,
    job_id INTEGER,
    PRIMARY KEY (schedule, tick)
) WITHOUT ROWID;
