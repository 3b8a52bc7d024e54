-- Jobs with metadata are listed by time, of one type: when they were enqueued, started and ended, and which of their
-- attempts did not succeed. Others are in none of these indexes.

ALTER TABLE aiojobs_attempts ADD COLUMN type TEXT CHECK (type < x'');  -- that of its job, if that has metadata

UPDATE aiojobs_attempts
SET type = (SELECT type FROM aiojobs_jobs WHERE id = job_id AND metadata IS NOT NULL);

CREATE INDEX aiojobs_attempts_started ON aiojobs_attempts (type, started_at, job_id, attempt)
WHERE type IS NOT NULL;

CREATE INDEX aiojobs_attempts_ended ON aiojobs_attempts (type, ended_at, job_id, attempt)
WHERE type IS NOT NULL;

CREATE INDEX aiojobs_jobs_created ON aiojobs_jobs (type, created_at)
WHERE metadata IS NOT NULL;

CREATE INDEX aiojobs_jobs_started ON aiojobs_jobs (type, started_at)
WHERE completed_at IS NOT NULL AND metadata IS NOT NULL;

CREATE INDEX aiojobs_jobs_ended ON aiojobs_jobs (type, completed_at)
WHERE completed_at IS NOT NULL AND metadata IS NOT NULL;
