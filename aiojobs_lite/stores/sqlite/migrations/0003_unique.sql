-- Unique jobs.

-- The key that a job has alone among the jobs of its type, as JSON, and until when: 'pending' (its first attempt
-- begins) or 'unfinished'. A job without one costs nothing.
ALTER TABLE aiojobs_jobs
ADD COLUMN unique_key TEXT CHECK (unique_key < x'');

ALTER TABLE aiojobs_jobs
ADD COLUMN unique_scope TEXT CHECK (unique_scope = 'pending' OR unique_scope = 'unfinished');

-- A job lets its key go by leaving this index. One that was claimed before has a started_at: with the scope 'pending' it
-- does not come back when it is tried again, and does not collide with its successor.
CREATE UNIQUE INDEX aiojobs_jobs_unique_key ON aiojobs_jobs (type, unique_key)
WHERE unique_key IS NOT NULL AND (
    unique_scope = 'unfinished' AND (status = 'pending' OR status = 'processing')
    OR unique_scope = 'pending' AND status = 'pending' AND started_at IS NULL
);

-- The keys that are taken for a time, whatever becomes of the job: from its enqueue, `since`, until `until`. Each writer
-- takes some away that are over.
CREATE TABLE aiojobs_windows (
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    since INTEGER NOT NULL CHECK (since BETWEEN -62135596800000000 AND 253402300799999999),
    until INTEGER NOT NULL CHECK (until BETWEEN -62135596800000000 AND 253402300799999999),
    PRIMARY KEY (type, key)
) WITHOUT ROWID;

CREATE INDEX aiojobs_windows_until ON aiojobs_windows (until);
