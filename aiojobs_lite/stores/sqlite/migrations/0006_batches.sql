-- Batches: jobs that are counted together.

-- "unfinished": the jobs and batches in it that have not ended, and one more while its block runs. "owner": the runner
-- whose block runs. "callbacks": a JSON list of what it will still enqueue, each an event and a job. "outcome": how it was
-- complete.
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

-- Whether any batch waits for the end of a job, and the blocks that run; hardly ever has many entries.
CREATE INDEX aiojobs_batches_unfinished ON aiojobs_batches (owner)
WHERE unfinished > 0;

CREATE INDEX aiojobs_batches_complete ON aiojobs_batches (completed_at)
WHERE completed_at IS NOT NULL;

-- The jobs of a batch: all from the first id to the last. No two overlap, for an id is given once; jobs that are enqueued
-- one after the other take one row. A table of the jobs would take one for each, and another index.
CREATE TABLE aiojobs_batch_ranges (
    first_id INTEGER PRIMARY KEY,
    last_id INTEGER NOT NULL,
    batch INTEGER NOT NULL
);

CREATE INDEX aiojobs_batch_ranges_batch ON aiojobs_batch_ranges (batch);
