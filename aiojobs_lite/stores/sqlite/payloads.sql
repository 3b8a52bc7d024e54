-- Payloads that wait.

-- name: first_payloads
-- Claimable jobs of a type, in the order of the claim.
SELECT id, payload
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = ?
ORDER BY priority, scheduled_at, id
LIMIT ?;

-- name: last_payloads
-- The same from the end.
SELECT id, payload
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = ?
ORDER BY priority DESC, scheduled_at DESC, id DESC
LIMIT ?;
