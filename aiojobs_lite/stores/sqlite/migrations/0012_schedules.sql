-- Schedules that are made at run time: the type of their jobs and their payload, and when they fire next. Of those that
-- code declares, which have no revision, none of this is stored but the pause and the latest tick.

-- "revision": a random number, another one each time that the schedule is put. "moved_at": when "next_tick" was written.
ALTER TABLE aiojobs_schedules ADD COLUMN job_type TEXT CHECK (job_type < x'');

ALTER TABLE aiojobs_schedules ADD COLUMN payload TEXT CHECK (payload < x'');

ALTER TABLE aiojobs_schedules ADD COLUMN options TEXT CHECK (options < x'');

ALTER TABLE aiojobs_schedules ADD COLUMN catch_up TEXT CHECK (catch_up < x'');

ALTER TABLE aiojobs_schedules ADD COLUMN overlap TEXT CHECK (overlap < x'');

ALTER TABLE aiojobs_schedules ADD COLUMN revision INTEGER;

ALTER TABLE aiojobs_schedules ADD COLUMN last_tick INTEGER CHECK (last_tick BETWEEN -62135596800000000 AND 253402300799999999);

ALTER TABLE aiojobs_schedules ADD COLUMN paused_since INTEGER CHECK (paused_since BETWEEN -62135596800000000 AND 253402300799999999);

ALTER TABLE aiojobs_schedules ADD COLUMN paused_by TEXT CHECK (paused_by < x'');

ALTER TABLE aiojobs_schedules ADD COLUMN created_at INTEGER CHECK (created_at BETWEEN -62135596800000000 AND 253402300799999999);

ALTER TABLE aiojobs_schedules ADD COLUMN updated_at INTEGER CHECK (updated_at BETWEEN -62135596800000000 AND 253402300799999999);

ALTER TABLE aiojobs_schedules ADD COLUMN moved_at INTEGER CHECK (moved_at BETWEEN -62135596800000000 AND 253402300799999999);

-- What is due, of the types that a runner has; what is stored beside it costs nothing.
CREATE INDEX aiojobs_schedules_due ON aiojobs_schedules (job_type, next_tick)
WHERE job_type IS NOT NULL AND paused_since IS NULL;

-- What a clock that was ahead has written.
CREATE INDEX aiojobs_schedules_moved ON aiojobs_schedules (moved_at)
WHERE job_type IS NOT NULL;

-- Pruning, whichever schedule a tick is of, and whether that is still there.
CREATE INDEX aiojobs_ticks_tick ON aiojobs_ticks (tick);
