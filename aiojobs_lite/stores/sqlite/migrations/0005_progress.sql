-- What handlers report while they run. A job without a report has no row here; rows go with their job, which the library
-- deletes first: a cascade would have each delete of a job look into both tables.

CREATE TABLE aiojobs_progress (
    job_id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL CHECK (attempt BETWEEN 0 AND 9223372036854775807),
    fraction REAL CHECK (fraction BETWEEN 0 AND 1),
    text TEXT CHECK (text < x''),
    at INTEGER NOT NULL CHECK (at BETWEEN -62135596800000000 AND 253402300799999999)
);

-- Some lines of a log a row: an array of [instant, attempt, text], numbered without a gap up to "last_line". "owner" and
-- "serial" name the report that was added last: one that is repeated is known by them.
CREATE TABLE aiojobs_logs (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    last_line INTEGER NOT NULL CHECK (last_line BETWEEN 1 AND 9223372036854775807),
    owner TEXT NOT NULL CHECK (owner < x''),
    serial INTEGER NOT NULL,
    lines TEXT NOT NULL CHECK (lines < x'')
);

CREATE UNIQUE INDEX aiojobs_logs_job ON aiojobs_logs (job_id, last_line);
