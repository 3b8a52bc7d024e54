-- What the delivery of jobs to other programs needs: details of attempts, pauses that end, small state of applications.

-- What the handler gave with the end of an attempt, as a JSON object.
ALTER TABLE aiojobs_attempts
ADD COLUMN details TEXT CHECK (details < x'');

-- When the pause of a limit ends by itself; null: a person ends it, or it is not paused.
ALTER TABLE aiojobs_limits
ADD COLUMN paused_until INTEGER CHECK (paused_until BETWEEN -62135596800000000 AND 253402300799999999);

-- Pauses that end.
CREATE INDEX aiojobs_limits_paused_until ON aiojobs_limits (paused_until)
WHERE paused_until IS NOT NULL;

-- Small state of what stands above the jobs, by kind and name. "version" counts the writes of it. From "expires_at" on
-- it counts as deleted.
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

CREATE INDEX aiojobs_documents_expires ON aiojobs_documents (expires_at)
WHERE expires_at IS NOT NULL;
