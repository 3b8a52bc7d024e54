-- Limits and rates by key. A type without them costs what it cost: its jobs have neither lane nor place.

-- What the limits of a job count it by, a part a line: its type, its priority (or "ordered"), then the name of each limit
-- and its key as JSON. These two, a name and a key, are a meter.
ALTER TABLE aiojobs_jobs
ADD COLUMN lane TEXT CHECK (lane < x'');

-- Null: an ordinary job. Else it waits in its lane when it is pending, in this order, then in that of the ids: its
-- scheduled_at, at least 1; 0 in a lane that is ordered.
ALTER TABLE aiojobs_jobs
ADD COLUMN place INTEGER;

DROP INDEX aiojobs_jobs_pending;

-- The claim: one range of this index a type and priority, future rows never touched.
CREATE INDEX aiojobs_jobs_pending ON aiojobs_jobs (type, priority, scheduled_at)
WHERE status = 'pending' AND held IS NULL AND place IS NULL;

DROP INDEX aiojobs_jobs_processing;

-- The limit of a type over all owners, the jobs of one owner, and the limits by key.
CREATE INDEX aiojobs_jobs_processing ON aiojobs_jobs (type, owner, lane)
WHERE status = 'processing';

-- The first jobs of a lane.
CREATE INDEX aiojobs_jobs_lane ON aiojobs_jobs (lane, place)
WHERE place IS NOT NULL AND status = 'pending' AND held IS NULL;

-- The jobs of ordered lanes that are to come.
CREATE INDEX aiojobs_jobs_ordered ON aiojobs_jobs (type, scheduled_at)
WHERE place = 0 AND status = 'pending';

-- One row a lane with jobs that wait; one without jobs is deleted when it is looked at. "line": the type, if the lane may
-- be claimed; else the meter that is exhausted, a line feed, the type. No job of it is due before (ready_at, first_id).
CREATE TABLE aiojobs_lanes (
    lane TEXT PRIMARY KEY,
    line TEXT NOT NULL,
    priority INTEGER NOT NULL,
    ready_at INTEGER NOT NULL,
    first_id INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX aiojobs_lanes_line ON aiojobs_lanes (line, priority, ready_at, first_id);

-- The limits. "key": '' for all keys, else the key as JSON; a row of a key without "most" is paused only. "per":
-- microseconds; null: of jobs that are processing at once. "pinned": it stays whatever code says. "set_at": when code or
-- a person set it last.
CREATE TABLE aiojobs_limits (
    key TEXT NOT NULL CHECK (key < x''),
    name TEXT NOT NULL CHECK (name < x''),
    most INTEGER CHECK (most BETWEEN 1 AND 1000000),
    per INTEGER CHECK (per BETWEEN 1 AND 9223372036854775807),
    pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
    set_at INTEGER NOT NULL,
    paused_since INTEGER CHECK (paused_since BETWEEN -62135596800000000 AND 253402300799999999),
    paused_by TEXT CHECK (paused_by < x''),
    PRIMARY KEY (key, name),
    CHECK (most IS NOT NULL OR (key <> '' AND paused_since IS NOT NULL))
) WITHOUT ROWID;

-- Which types count by which limits.
CREATE TABLE aiojobs_limited (
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    PRIMARY KEY (name, type)
) WITHOUT ROWID;

-- The starts of a rate for one key, a JSON array of [instant, count], the last of them at "last_at". "free_at": when its
-- line is to be looked at; null if no lane stands in it.
CREATE TABLE aiojobs_meters (
    meter TEXT PRIMARY KEY,
    starts TEXT NOT NULL,
    free_at INTEGER,
    last_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX aiojobs_meters_free ON aiojobs_meters (free_at)
WHERE free_at IS NOT NULL;
