-- Edits of jobs: the payload that each had until then.

CREATE TABLE aiojobs_edits (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES aiojobs_jobs (id) ON DELETE CASCADE,
    edited_at INTEGER NOT NULL CHECK (edited_at BETWEEN -62135596800000000 AND 253402300799999999),
    payload TEXT NOT NULL CHECK (payload < x'')
);

CREATE INDEX aiojobs_edits_job ON aiojobs_edits (job_id);
