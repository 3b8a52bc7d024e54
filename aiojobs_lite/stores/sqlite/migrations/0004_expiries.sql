-- Jobs that expire.

-- Until when a job must have begun: no attempt begins later. A job without a row never expires, and costs nothing.
-- "is_over": it has come while an attempt ran. It counts again if the job comes back.
CREATE TABLE aiojobs_expiries (
    job_id INTEGER PRIMARY KEY,
    expires_at INTEGER NOT NULL CHECK (expires_at BETWEEN -62135596800000000 AND 253402300799999999),
    is_over INTEGER NOT NULL DEFAULT 0 CHECK (is_over = 0 OR is_over = 1)
);

CREATE INDEX aiojobs_expiries_expires_at ON aiojobs_expiries (expires_at)
WHERE is_over = 0;
