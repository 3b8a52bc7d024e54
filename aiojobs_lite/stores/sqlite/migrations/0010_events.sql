-- Which jobs were enqueued before an event was sent, whatever the clocks say.

-- "behind": the highest id of the jobs that were there when it was sent; null: a release before has sent it.
ALTER TABLE aiojobs_events ADD COLUMN behind INTEGER;

CREATE INDEX aiojobs_events_behind ON aiojobs_events (name, behind);
