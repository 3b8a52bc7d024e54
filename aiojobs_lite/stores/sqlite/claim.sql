-- The claim, in the order of its queries: `due_jobs` (in merge.sql) says which rows may be chosen, `processing_of_type`
-- how many of a type; `claim_jobs` marks the chosen ones, `claimed_jobs` reads them, and `next_due` says when a type is
-- next. {claimed} is what an owner is given of a job; {largest} is where a counter stays.

-- fragment: ordinary
-- A pending job that is not held, and waits in no lane: its index has what may be claimed.
status = 'pending'
    AND held IS NULL
    AND place IS NULL;

-- name: claim_jobs
-- Gives jobs to an owner, one attempt each.
UPDATE aiojobs_jobs
SET status = 'processing', owner = ?, started_at = ?, attempts = min(attempts + 1, {largest})
WHERE status = 'pending'
    AND id IN ({rows});

-- name: claimed_jobs
-- What the owner is given of them.
SELECT {claimed}
FROM aiojobs_jobs
WHERE id IN ({rows});

-- name: processing_of_type
-- How many jobs of a type are processing, over all owners.
SELECT count(*)
FROM aiojobs_jobs
WHERE status = 'processing'
    AND type = ?;

-- name: next_due
-- The first of the claimable jobs of a type and priority: a look at the first entry of the index.
SELECT scheduled_at, id
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = ?
    AND priority = ?
ORDER BY scheduled_at, id
LIMIT 1;

-- name: first_lane
-- When the first lane of a line may have a job.
SELECT ready_at, first_id
FROM aiojobs_lanes
WHERE line = ?
    AND priority = ?
ORDER BY ready_at, first_id
LIMIT 1;
