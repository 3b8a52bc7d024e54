-- Figures over all processes: how attempts ended, and how long they took. "span" is that of an hour or a day, in
-- microseconds, which begins at "begin"; 0: of all time. A type without a name: all types together.

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

-- "bucket": the number of a bucket of durations.
CREATE TABLE aiojobs_durations (
    span INTEGER NOT NULL,
    begin INTEGER NOT NULL,
    type TEXT NOT NULL CHECK (type < x''),
    outcome TEXT NOT NULL CHECK (outcome < x''),
    bucket INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 1000),
    attempts INTEGER NOT NULL CHECK (attempts BETWEEN 0 AND 9223372036854775807),
    PRIMARY KEY (span, begin, type, outcome, bucket)
) WITHOUT ROWID;
