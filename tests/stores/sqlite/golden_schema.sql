-- index aiojobs_after_job
CREATE INDEX aiojobs_after_job ON aiojobs_after (job_id);

-- index aiojobs_attempts_ended
CREATE INDEX aiojobs_attempts_ended ON aiojobs_attempts (type, ended_at, job_id, attempt)
WHERE type IS NOT NULL;

-- index aiojobs_attempts_job
CREATE INDEX aiojobs_attempts_job ON aiojobs_attempts (job_id);

-- index aiojobs_attempts_started
CREATE INDEX aiojobs_attempts_started ON aiojobs_attempts (type, started_at, job_id, attempt)
WHERE type IS NOT NULL;

-- index aiojobs_batch_ranges_batch
CREATE INDEX aiojobs_batch_ranges_batch ON aiojobs_batch_ranges (batch);

-- index aiojobs_batches_complete
CREATE INDEX aiojobs_batches_complete ON aiojobs_batches (completed_at)
WHERE completed_at IS NOT NULL;

-- index aiojobs_batches_unfinished
CREATE INDEX aiojobs_batches_unfinished ON aiojobs_batches (owner)
WHERE unfinished > 0;

-- index aiojobs_children_awaited
CREATE INDEX aiojobs_children_awaited ON aiojobs_children (parent_id)
WHERE is_awaited = 1;

-- index aiojobs_children_parent
CREATE INDEX aiojobs_children_parent ON aiojobs_children (parent_id);

-- index aiojobs_documents_expires
CREATE INDEX aiojobs_documents_expires ON aiojobs_documents (expires_at)
WHERE expires_at IS NOT NULL;

-- index aiojobs_edits_job
CREATE INDEX aiojobs_edits_job ON aiojobs_edits (job_id);

-- index aiojobs_events_behind
CREATE INDEX aiojobs_events_behind ON aiojobs_events (name, behind);

-- index aiojobs_events_key
CREATE INDEX aiojobs_events_key ON aiojobs_events (key, sent_at)
WHERE key IS NOT NULL;

-- index aiojobs_events_name
CREATE INDEX aiojobs_events_name ON aiojobs_events (name, sent_at);

-- index aiojobs_events_sent_at
CREATE INDEX aiojobs_events_sent_at ON aiojobs_events (sent_at);

-- index aiojobs_events_unreached
CREATE INDEX aiojobs_events_unreached ON aiojobs_events (name)
WHERE reaches IS NOT NULL;

-- index aiojobs_expiries_expires_at
CREATE INDEX aiojobs_expiries_expires_at ON aiojobs_expiries (expires_at)
WHERE is_over = 0;

-- index aiojobs_jobs_created
CREATE INDEX aiojobs_jobs_created ON aiojobs_jobs (type, created_at)
WHERE metadata IS NOT NULL;

-- index aiojobs_jobs_ended
CREATE INDEX aiojobs_jobs_ended ON aiojobs_jobs (type, completed_at)
WHERE completed_at IS NOT NULL AND metadata IS NOT NULL;

-- index aiojobs_jobs_finished
CREATE INDEX aiojobs_jobs_finished ON aiojobs_jobs (status, completed_at)
WHERE completed_at IS NOT NULL;

-- index aiojobs_jobs_held
CREATE INDEX aiojobs_jobs_held ON aiojobs_jobs (held, type)
WHERE held IS NOT NULL;

-- index aiojobs_jobs_idempotency_key
CREATE UNIQUE INDEX aiojobs_jobs_idempotency_key ON aiojobs_jobs (type, idempotency_key)
WHERE idempotency_key IS NOT NULL;

-- index aiojobs_jobs_label
CREATE INDEX aiojobs_jobs_label ON aiojobs_jobs (label)
WHERE label IS NOT NULL;

-- index aiojobs_jobs_lane
CREATE INDEX aiojobs_jobs_lane ON aiojobs_jobs (lane, place)
WHERE place IS NOT NULL AND status = 'pending' AND held IS NULL;

-- index aiojobs_jobs_ordered
CREATE INDEX aiojobs_jobs_ordered ON aiojobs_jobs (type, scheduled_at)
WHERE place = 0 AND status = 'pending';

-- index aiojobs_jobs_pending
CREATE INDEX aiojobs_jobs_pending ON aiojobs_jobs (type, priority, scheduled_at)
WHERE status = 'pending' AND held IS NULL AND place IS NULL;

-- index aiojobs_jobs_processing
CREATE INDEX aiojobs_jobs_processing ON aiojobs_jobs (type, owner, lane)
WHERE status = 'processing';

-- index aiojobs_jobs_started
CREATE INDEX aiojobs_jobs_started ON aiojobs_jobs (type, started_at)
WHERE completed_at IS NOT NULL AND metadata IS NOT NULL;

-- index aiojobs_jobs_unique_key
CREATE UNIQUE INDEX aiojobs_jobs_unique_key ON aiojobs_jobs (type, unique_key)
WHERE unique_key IS NOT NULL AND (
    unique_scope = 'unfinished' AND (status = 'pending' OR status = 'processing')
    OR unique_scope = 'pending' AND status = 'pending' AND started_at IS NULL
);

-- index aiojobs_lanes_line
CREATE INDEX aiojobs_lanes_line ON aiojobs_lanes (line, priority, ready_at, first_id);

-- index aiojobs_limits_paused_until
CREATE INDEX aiojobs_limits_paused_until ON aiojobs_limits (paused_until)
WHERE paused_until IS NOT NULL;

-- index aiojobs_logs_job
CREATE UNIQUE INDEX aiojobs_logs_job ON aiojobs_logs (job_id, last_line);

-- index aiojobs_meters_free
CREATE INDEX aiojobs_meters_free ON aiojobs_meters (free_at)
WHERE free_at IS NOT NULL;

-- index aiojobs_schedules_due
CREATE INDEX aiojobs_schedules_due ON aiojobs_schedules (job_type, next_tick)
WHERE job_type IS NOT NULL AND paused_since IS NULL;

-- index aiojobs_schedules_moved
CREATE INDEX aiojobs_schedules_moved ON aiojobs_schedules (moved_at)
WHERE job_type IS NOT NULL;

-- index aiojobs_steps_name
CREATE UNIQUE INDEX aiojobs_steps_name ON aiojobs_steps (job_id, name);

-- index aiojobs_ticks_tick
CREATE INDEX aiojobs_ticks_tick ON aiojobs_ticks (tick);

-- index aiojobs_waits_event
CREATE INDEX aiojobs_waits_event ON aiojobs_waits (event, fields, vals);

-- index aiojobs_waits_job
CREATE INDEX aiojobs_waits_job ON aiojobs_waits (job_id);

-- index aiojobs_windows_until
CREATE INDEX aiojobs_windows_until ON aiojobs_windows (until);

-- table aiojobs_after
CREATE TABLE aiojobs_after (
    waits_for INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    runs_anyway INTEGER NOT NULL,
    delay INTEGER NOT NULL,
    at INTEGER CHECK (at BETWEEN -62135596800000000 AND 253402300799999999),
    PRIMARY KEY (waits_for, job_id)
) WITHOUT ROWID;

-- table aiojobs_attempts
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
, details TEXT CHECK (details < x''), type TEXT CHECK (type < x''));

-- table aiojobs_batch_ranges
CREATE TABLE aiojobs_batch_ranges (
    first_id INTEGER PRIMARY KEY,
    last_id INTEGER NOT NULL,
    batch INTEGER NOT NULL
);

-- table aiojobs_batches
CREATE TABLE aiojobs_batches (
    id INTEGER PRIMARY KEY,
    parent INTEGER,
    owner TEXT CHECK (owner < x''),
    is_abandoned INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    unfinished INTEGER NOT NULL DEFAULT 1,
    completed INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    batches INTEGER NOT NULL DEFAULT 0,
    batches_succeeded INTEGER NOT NULL DEFAULT 0,
    batches_dead INTEGER NOT NULL DEFAULT 0,
    outcome TEXT CHECK (outcome < x''),
    created_at INTEGER NOT NULL CHECK (created_at BETWEEN -62135596800000000 AND 253402300799999999),
    completed_at INTEGER CHECK (completed_at BETWEEN -62135596800000000 AND 253402300799999999),
    callbacks TEXT CHECK (callbacks < x'')
);

-- table aiojobs_children
CREATE TABLE aiojobs_children (
    child_id INTEGER NOT NULL,
    parent_id INTEGER NOT NULL,
    step TEXT NOT NULL CHECK (step < x''),
    is_new INTEGER NOT NULL,
    is_awaited INTEGER NOT NULL,
    PRIMARY KEY (child_id, parent_id, step)
) WITHOUT ROWID;

-- table aiojobs_counts
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

-- table aiojobs_documents
CREATE TABLE aiojobs_documents (
    kind TEXT NOT NULL CHECK (kind < x''),
    name TEXT NOT NULL CHECK (name < x''),
    body TEXT NOT NULL CHECK (body < x''),
    version INTEGER NOT NULL CHECK (version BETWEEN 1 AND 9223372036854775807),
    created_at INTEGER NOT NULL CHECK (created_at BETWEEN -62135596800000000 AND 253402300799999999),
    updated_at INTEGER NOT NULL CHECK (updated_at BETWEEN -62135596800000000 AND 253402300799999999),
    expires_at INTEGER CHECK (expires_at BETWEEN -62135596800000000 AND 253402300799999999),
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- table aiojobs_durations
CREATE TABLE aiojobs_durations (
    span INTEGER NOT NULL,
    begin INTEGER NOT NULL,
    type TEXT NOT NULL CHECK (type < x''),
    outcome TEXT NOT NULL CHECK (outcome < x''),
    bucket INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 1000),
    attempts INTEGER NOT NULL CHECK (attempts BETWEEN 0 AND 9223372036854775807),
    PRIMARY KEY (span, begin, type, outcome, bucket)
) WITHOUT ROWID;

-- table aiojobs_edits
CREATE TABLE aiojobs_edits (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES aiojobs_jobs (id) ON DELETE CASCADE,
    edited_at INTEGER NOT NULL CHECK (edited_at BETWEEN -62135596800000000 AND 253402300799999999),
    payload TEXT NOT NULL CHECK (payload < x'')
);

-- table aiojobs_ends
CREATE TABLE aiojobs_ends (
    span INTEGER NOT NULL,
    begin INTEGER NOT NULL,
    type TEXT NOT NULL CHECK (type < x''),
    outcome TEXT NOT NULL CHECK (outcome < x''),
    error_type TEXT NOT NULL CHECK (error_type < x''),
    attempts INTEGER NOT NULL CHECK (attempts BETWEEN 0 AND 9223372036854775807),
    dead INTEGER NOT NULL CHECK (dead BETWEEN 0 AND 9223372036854775807),
    cancelled INTEGER NOT NULL CHECK (cancelled BETWEEN 0 AND 9223372036854775807),
    micros INTEGER NOT NULL CHECK (micros BETWEEN 0 AND 9223372036854775807),
    first_at INTEGER NOT NULL CHECK (first_at BETWEEN -62135596800000000 AND 253402300799999999),
    last_at INTEGER NOT NULL CHECK (last_at BETWEEN -62135596800000000 AND 253402300799999999),
    PRIMARY KEY (span, begin, type, outcome, error_type)
) WITHOUT ROWID;

-- table aiojobs_events
CREATE TABLE aiojobs_events (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL CHECK (name < x''),
    data TEXT NOT NULL CHECK (data < x''),
    sent_at INTEGER NOT NULL CHECK (sent_at BETWEEN -62135596800000000 AND 253402300799999999),
    key TEXT CHECK (key < x''),
    reaches INTEGER
, behind INTEGER);

-- table aiojobs_expiries
CREATE TABLE aiojobs_expiries (
    job_id INTEGER PRIMARY KEY,
    expires_at INTEGER NOT NULL CHECK (expires_at BETWEEN -62135596800000000 AND 253402300799999999),
    is_over INTEGER NOT NULL DEFAULT 0 CHECK (is_over = 0 OR is_over = 1)
);

-- table aiojobs_jobs
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
    label TEXT CHECK (label < x''), metadata TEXT CHECK (metadata < x''), unique_key TEXT CHECK (unique_key < x''), unique_scope TEXT CHECK (unique_scope = 'pending' OR unique_scope = 'unfinished'), lane TEXT CHECK (lane < x''), place INTEGER,
    CHECK (
        status = 'pending' AND owner IS NULL AND completed_at IS NULL
        OR status = 'processing' AND owner IS NOT NULL AND completed_at IS NULL AND held IS NULL
        OR status = 'completed' AND owner IS NULL AND completed_at IS NOT NULL AND held IS NULL
        OR status = 'dead' AND owner IS NULL AND completed_at IS NOT NULL AND held IS NULL
        OR status = 'cancelled' AND owner IS NULL AND completed_at IS NOT NULL AND held IS NULL
    )
);

-- table aiojobs_lanes
CREATE TABLE aiojobs_lanes (
    lane TEXT PRIMARY KEY,
    line TEXT NOT NULL,
    priority INTEGER NOT NULL,
    ready_at INTEGER NOT NULL,
    first_id INTEGER NOT NULL
) WITHOUT ROWID;

-- table aiojobs_limited
CREATE TABLE aiojobs_limited (
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    PRIMARY KEY (name, type)
) WITHOUT ROWID;

-- table aiojobs_limits
CREATE TABLE aiojobs_limits (
    key TEXT NOT NULL CHECK (key < x''),
    name TEXT NOT NULL CHECK (name < x''),
    most INTEGER CHECK (most BETWEEN 1 AND 1000000),
    per INTEGER CHECK (per BETWEEN 1 AND 9223372036854775807),
    pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
    set_at INTEGER NOT NULL,
    paused_since INTEGER CHECK (paused_since BETWEEN -62135596800000000 AND 253402300799999999),
    paused_by TEXT CHECK (paused_by < x''), paused_until INTEGER CHECK (paused_until BETWEEN -62135596800000000 AND 253402300799999999),
    PRIMARY KEY (key, name),
    CHECK (most IS NOT NULL OR (key <> '' AND paused_since IS NOT NULL))
) WITHOUT ROWID;

-- table aiojobs_listeners
CREATE TABLE aiojobs_listeners (
    pattern TEXT NOT NULL,
    type TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority IN (0, 1, 2)),
    max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),
    PRIMARY KEY (pattern, type)
) WITHOUT ROWID;

-- table aiojobs_logs
CREATE TABLE aiojobs_logs (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    last_line INTEGER NOT NULL CHECK (last_line BETWEEN 1 AND 9223372036854775807),
    owner TEXT NOT NULL CHECK (owner < x''),
    serial INTEGER NOT NULL,
    lines TEXT NOT NULL CHECK (lines < x'')
);

-- table aiojobs_meta
CREATE TABLE aiojobs_meta (
    key TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

-- table aiojobs_meters
CREATE TABLE aiojobs_meters (
    meter TEXT PRIMARY KEY,
    starts TEXT NOT NULL,
    free_at INTEGER,
    last_at INTEGER NOT NULL
) WITHOUT ROWID;

-- table aiojobs_pauses
CREATE TABLE aiojobs_pauses (
    type TEXT PRIMARY KEY
, since INTEGER CHECK (since BETWEEN -62135596800000000 AND 253402300799999999), paused_by TEXT CHECK (paused_by < x'')) WITHOUT ROWID;

-- table aiojobs_progress
CREATE TABLE aiojobs_progress (
    job_id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL CHECK (attempt BETWEEN 0 AND 9223372036854775807),
    fraction REAL CHECK (fraction BETWEEN 0 AND 1),
    text TEXT CHECK (text < x''),
    at INTEGER NOT NULL CHECK (at BETWEEN -62135596800000000 AND 253402300799999999)
);

-- table aiojobs_runners
CREATE TABLE aiojobs_runners (
    id TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    max_running INTEGER NOT NULL,
    types TEXT NOT NULL,
    started_at INTEGER NOT NULL CHECK (started_at BETWEEN -62135596800000000 AND 253402300799999999),
    is_draining INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER CHECK (ended_at BETWEEN -62135596800000000 AND 253402300799999999)
) WITHOUT ROWID;

-- table aiojobs_schedules
CREATE TABLE aiojobs_schedules (
    name TEXT PRIMARY KEY,
    expression TEXT NOT NULL,
    tz TEXT NOT NULL,
    next_tick INTEGER NOT NULL,
    latest_job INTEGER, job_type TEXT CHECK (job_type < x''), payload TEXT CHECK (payload < x''), options TEXT CHECK (options < x''), catch_up TEXT CHECK (catch_up < x''), overlap TEXT CHECK (overlap < x''), revision INTEGER, last_tick INTEGER CHECK (last_tick BETWEEN -62135596800000000 AND 253402300799999999), paused_since INTEGER CHECK (paused_since BETWEEN -62135596800000000 AND 253402300799999999), paused_by TEXT CHECK (paused_by < x''), created_at INTEGER CHECK (created_at BETWEEN -62135596800000000 AND 253402300799999999), updated_at INTEGER CHECK (updated_at BETWEEN -62135596800000000 AND 253402300799999999), moved_at INTEGER CHECK (moved_at BETWEEN -62135596800000000 AND 253402300799999999),
    CHECK (next_tick BETWEEN -62135596800000000 AND 253402300799999999)
) WITHOUT ROWID;

-- table aiojobs_steps
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

-- table aiojobs_ticks
CREATE TABLE aiojobs_ticks (
    schedule TEXT NOT NULL,
    tick INTEGER NOT NULL,
    job_id INTEGER,
    PRIMARY KEY (schedule, tick)
) WITHOUT ROWID;

-- table aiojobs_waits
CREATE TABLE aiojobs_waits (
    id INTEGER PRIMARY KEY,
    event TEXT NOT NULL CHECK (event < x''),
    fields TEXT NOT NULL CHECK (fields < x''),
    vals TEXT NOT NULL CHECK (vals < x''),
    job_id INTEGER NOT NULL,
    step INTEGER
);

-- table aiojobs_windows
CREATE TABLE aiojobs_windows (
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    since INTEGER NOT NULL CHECK (since BETWEEN -62135596800000000 AND 253402300799999999),
    until INTEGER NOT NULL CHECK (until BETWEEN -62135596800000000 AND 253402300799999999),
    PRIMARY KEY (type, key)
) WITHOUT ROWID;

-- trigger aiojobs_jobs_transition
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

