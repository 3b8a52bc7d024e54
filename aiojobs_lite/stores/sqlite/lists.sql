-- Lists of jobs. {job} are the columns of `Job`, {asked} has a condition for each column that may be asked for. A
-- parameter that is NULL asks for nothing.

-- fragment: fits_metadata
-- A job has each of these keys, with one of the values that are asked for it.
(
    :metadata IS NULL
    OR metadata IS NOT NULL
    AND NOT EXISTS (
        SELECT 1
        FROM json_each(:metadata) AS asked
        WHERE NOT EXISTS (
            SELECT 1
            FROM json_each(iif(json_valid(metadata), metadata, '[]')) AS kept
            LEFT JOIN json_each(iif(kept.type = 'array', kept.value, '[]')) AS member
            JOIN json_each(asked.value) AS wanted
                ON wanted.type = coalesce(member.type, kept.type)
                AND wanted.atom = coalesce(member.atom, kept.atom)
            WHERE kept.key = asked.key
        )
    )
);

-- fragment: fits
-- A job has what is asked for.
{asked}
    AND (:created_from IS NULL OR created_at >= :created_from)
    AND (:created_to IS NULL OR created_at <= :created_to)
    AND {fits_metadata};

-- name: ids_of_list
-- The ids of one of the lists below.
SELECT id
FROM ({list});

-- name: jobs_of_page
-- Jobs up to an id, newest first.
SELECT {job}
FROM aiojobs_jobs
WHERE id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- The same by an index. Without its name SQLite would walk through the whole table for a few jobs, because of the order
-- and the limit.

-- name: jobs_of_ids
-- Of these ids.
SELECT {job}
FROM aiojobs_jobs
WHERE id IN ({ids})
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_of_batch
-- Of a batch, range by range.
SELECT {job}
FROM aiojobs_batch_ranges INDEXED BY aiojobs_batch_ranges_batch
CROSS JOIN aiojobs_jobs
WHERE batch = :batch
    AND first_id <= :last
    AND id BETWEEN first_id AND last_id
    AND id <= :last
    AND {fits}
ORDER BY first_id DESC, id DESC
LIMIT :limit;

-- name: jobs_of_batch_and_ids
-- Of these ids, as far as they are of a batch.
SELECT {job}
FROM aiojobs_jobs
WHERE id IN ({ids})
    AND id <= :last
    AND EXISTS (
        SELECT 1
        FROM aiojobs_batch_ranges
        WHERE batch = :batch
            AND id BETWEEN first_id AND last_id
    )
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_processing
-- Those that are processing.
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_processing
WHERE status = 'processing'
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_not_completed
-- Dead, or cancelled.
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_finished
WHERE status = :status
    AND completed_at IS NOT NULL
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_of_label
-- Of a label.
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_label
WHERE label = :label
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_held
-- Held for one reason, of one type.
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_held
WHERE held = :held
    AND type = :type
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;

-- name: jobs_held_of_any_type
-- Held for one reason.
SELECT {job}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_held
WHERE held = :held
    AND id <= :last
    AND {fits}
ORDER BY id DESC
LIMIT :limit;
