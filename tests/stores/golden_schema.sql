-- index attempts_job
CREATE INDEX attempts_job ON attempts (job_id);

-- index jobs_finished
CREATE INDEX jobs_finished ON jobs (status, completed_at)
WHERE completed_at IS NOT NULL;

-- index jobs_idempotency_key
CREATE UNIQUE INDEX jobs_idempotency_key ON jobs (type, idempotency_key)
WHERE idempotency_key IS NOT NULL;

-- index jobs_parked
CREATE INDEX jobs_parked ON jobs (type)
WHERE parked IS NOT NULL;

-- index jobs_pending
CREATE INDEX jobs_pending ON jobs (type, priority, scheduled_at)
WHERE status = 'pending' AND parked IS NULL;

-- index jobs_processing
CREATE INDEX jobs_processing ON jobs (type, owner)
WHERE status = 'processing';

-- table attempts
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER NOT NULL,
    owner TEXT NOT NULL,
    error_type TEXT,
    message TEXT,
    traceback TEXT,
    CHECK (outcome IN ('failed', 'timed_out', 'cancelled', 'interrupted', 'lost', 'snoozed')),
    CHECK (attempt BETWEEN 0 AND 9.3e18),
    CHECK (started_at BETWEEN -62135596800000000 AND 253402300799999999),
    CHECK (ended_at BETWEEN -62135596800000000 AND 253402300799999999),
    CHECK (min(typeof(owner), typeof(error_type), typeof(message), typeof(traceback)) <> 'blob')
);

-- table counts
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

-- table jobs
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    owner TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    idempotency_key TEXT,
    error TEXT,
    reason TEXT,
    result TEXT,
    interruptions INTEGER NOT NULL DEFAULT 0,
    snoozes INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0,
    parked TEXT,
    schedule TEXT,
    tick INTEGER,
    CHECK (status IN ('pending', 'processing', 'completed', 'dead', 'cancelled')),
    CHECK (priority IN (0, 1, 2)),
    CHECK (attempts >= 0 AND max_attempts >= 1),
    CHECK ((status = 'processing') = (owner IS NOT NULL)),
    CHECK ((status IN ('completed', 'dead', 'cancelled')) = (completed_at IS NOT NULL)),
    CHECK (parked IS NULL OR status = 'pending'),
    -- A column takes any type where nothing else is said. Text and blobs are greater than every number.
    CHECK (min(attempts, max_attempts, interruptions, snoozes, crashes) >= 0),
    CHECK (max(attempts, max_attempts, interruptions, snoozes, crashes) < 9.3e18),
    CHECK (scheduled_at BETWEEN -62135596800000000 AND 253402300799999999), -- the years 1 to 9999
    CHECK (created_at BETWEEN -62135596800000000 AND 253402300799999999),
    CHECK (started_at BETWEEN -62135596800000000 AND 253402300799999999),
    CHECK (completed_at BETWEEN -62135596800000000 AND 253402300799999999),
    CHECK (tick BETWEEN -62135596800000000 AND 253402300799999999),
    CHECK (
        min(
            typeof(type), typeof(payload), typeof(owner), typeof(idempotency_key), typeof(error), typeof(reason),
            typeof(result), typeof(parked), typeof(schedule)
        ) <> 'blob'
    )
);

-- table pauses
CREATE TABLE pauses (
    type TEXT PRIMARY KEY
) WITHOUT ROWID;

-- table schedules
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    expression TEXT NOT NULL,
    tz TEXT NOT NULL,
    next_tick INTEGER NOT NULL,
    latest_job INTEGER,
    CHECK (next_tick BETWEEN -62135596800000000 AND 253402300799999999)
) WITHOUT ROWID;

-- table ticks
CREATE TABLE ticks (
    schedule TEXT NOT NULL,
    tick INTEGER NOT NULL,
    job_id INTEGER,
    PRIMARY KEY (schedule, tick)
) WITHOUT ROWID;

-- trigger jobs_transition
CREATE TRIGGER jobs_transition BEFORE UPDATE OF status ON jobs
WHEN OLD.status <> NEW.status AND OLD.status || ' > ' || NEW.status NOT IN (
    'pending > processing',
    'pending > cancelled',
    'processing > completed',
    'processing > pending',
    'processing > dead',
    'processing > cancelled',
    'dead > pending',
    'cancelled > pending'
)
BEGIN
    SELECT RAISE(ABORT, 'this transition of a job is not allowed');
END;

