-- A label for people and for lists.

ALTER TABLE aiojobs_jobs ADD COLUMN label TEXT CHECK (label < x'');

-- Lists of one label; a job without one costs nothing here.
CREATE INDEX aiojobs_jobs_label ON aiojobs_jobs (label)
WHERE label IS NOT NULL;
