-- Who runs, who paused a type and when, and what rides along with a job.

-- The runners of this database; each adds its row when it starts. Whether one lives is said by its lock, not by its row.
-- "types": a JSON object of the job types that it has registered, each with its concurrency or null. "ended_at": when
-- another runner noticed that it is dead.
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

ALTER TABLE aiojobs_pauses
ADD COLUMN since INTEGER CHECK (since BETWEEN -62135596800000000 AND 253402300799999999);

ALTER TABLE aiojobs_pauses
ADD COLUMN paused_by TEXT CHECK (paused_by < x'');

-- A JSON object of the caller's, as given by `using(metadata=...)`; a job without one costs nothing.
ALTER TABLE aiojobs_jobs
ADD COLUMN metadata TEXT CHECK (metadata < x'');
