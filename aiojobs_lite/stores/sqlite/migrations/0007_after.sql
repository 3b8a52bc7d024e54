-- Jobs that run after others.

-- One row for each job that a held job still waits for; it goes when that one has ended. "runs_anyway": however it ends.
-- "delay", in microseconds, or "at": when the held job is due then.
CREATE TABLE aiojobs_after (
    waits_for INTEGER NOT NULL,
    job_id INTEGER NOT NULL,
    runs_anyway INTEGER NOT NULL,
    delay INTEGER NOT NULL,
    at INTEGER CHECK (at BETWEEN -62135596800000000 AND 253402300799999999),
    PRIMARY KEY (waits_for, job_id)
) WITHOUT ROWID;

CREATE INDEX aiojobs_after_job ON aiojobs_after (job_id);
