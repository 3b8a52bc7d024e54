-- The jobs that a claim may choose among.

-- name: due_jobs
-- The due jobs of one type and priority behind a job, in the order of the claim. All of it stands in the index.
SELECT scheduled_at, id
FROM aiojobs_jobs
WHERE {ordinary}
    AND type = ?
    AND priority = ?
    AND (scheduled_at, id) > (?, ?)
    AND scheduled_at <= ?
ORDER BY scheduled_at, id
LIMIT ?;
