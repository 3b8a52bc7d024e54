-- Lists of jobs, in order of their ids. {asked} has a condition for each column that may be asked for. A parameter that
-- is NULL asks for nothing. `{selected}` stands for what is read of each job, `{ordered}` for the order of its ids.

-- fragment: fits_fields
-- A job has each of these keys in its metadata and in its payload, with one of the values that are asked for it. A
-- secret argument has none.
(
    (:metadata IS NULL AND :payload IS NULL)
    OR NOT EXISTS (
        SELECT 1
        FROM (
            SELECT key, value, iif(json_valid(metadata), metadata, '{}') AS fields, NULL AS secret
            FROM json_each(:metadata)
            UNION ALL
            SELECT key, value, iif(json_valid(payload), payload, '{}'), '$."@secret"'
            FROM json_each(:payload)
        ) AS asked
        WHERE asked.key IN (
            SELECT value
            FROM json_each(asked.fields, asked.secret)
        ) OR NOT EXISTS (
            SELECT 1
            FROM json_each(asked.fields) AS kept
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
    AND (:completed_from IS NULL OR completed_at >= :completed_from)
    AND (:completed_to IS NULL OR completed_at <= :completed_to)
    AND (:scheduled_from IS NULL OR scheduled_at >= :scheduled_from)
    AND (:scheduled_to IS NULL OR scheduled_at <= :scheduled_to)
    AND (:error IS NULL OR instr(lower(error), lower(:error)))
    AND (:reason IS NULL OR instr(lower(reason), lower(:reason)))
    AND (:in_lanes IS NULL OR (place IS NOT NULL AND status = 'pending' AND held IS NULL))
    AND (:meter IS NULL OR instr(lane || char(10), char(10) || :meter || char(10)))
    AND (:in_payload IS NULL OR instr(payload, :in_payload) OR instr(payload, char(92)))
    AND (:in_metadata IS NULL OR instr(metadata, :in_metadata) OR instr(metadata, char(92)))
    AND {fits_fields};

-- fragment: listed
-- A page of the jobs of a source that fit.
id BETWEEN :first AND :last
    AND {fits}
{ordered}
LIMIT :limit OFFSET :offset;

-- fragment: of_finished
-- Completed, dead or cancelled jobs, by when they ended.
aiojobs_jobs INDEXED BY aiojobs_jobs_finished
WHERE status = :status
    AND completed_at BETWEEN :ended_from AND :ended_to;

-- fragment: of_ended
-- The same of each of the three.
aiojobs_jobs INDEXED BY aiojobs_jobs_finished
WHERE status IN ('completed', 'dead', 'cancelled')
    AND completed_at BETWEEN :ended_from AND :ended_to;

-- fragment: of_pending
-- Jobs that wait, of one type: in no lane, in a lane, or held.
(
    SELECT id
    FROM aiojobs_jobs INDEXED BY aiojobs_jobs_pending
    WHERE {ordinary}
        AND type = :type
    UNION ALL
    SELECT id
    FROM {of_lanes}
        AND lane BETWEEN :type || char(10) AND :type || char(11)
    UNION ALL
    SELECT id
    FROM aiojobs_jobs INDEXED BY aiojobs_jobs_held
    WHERE held IS NOT NULL
        AND type = :type
);

-- fragment: of_pending_of_any_type
-- Jobs that wait.
(
    SELECT id
    FROM aiojobs_jobs INDEXED BY aiojobs_jobs_pending
    WHERE {ordinary}
    UNION ALL
    SELECT id
    FROM {of_lanes}
    UNION ALL
    SELECT id
    FROM aiojobs_jobs INDEXED BY aiojobs_jobs_held
    WHERE held IS NOT NULL
);

-- name: bounds_of_ids
-- The lowest and the highest id between two; NULL: there is none.
SELECT
    (
        SELECT min(id)
        FROM aiojobs_jobs
        WHERE id BETWEEN :first AND :last
    ),
    (
        SELECT max(id)
        FROM aiojobs_jobs
        WHERE id BETWEEN :first AND :last
    );

-- name: jobs_of_all
-- Of a range of ids.
SELECT {selected}
FROM aiojobs_jobs
WHERE {listed};

-- The same by an index. Without its name SQLite would walk through the whole table for a few jobs, because of the order
-- and the limit.

-- name: jobs_of_ids
-- Of these ids.
SELECT {selected}
FROM aiojobs_jobs
WHERE id IN ({ids})
    AND {listed};

-- name: jobs_of_batch
-- Of a batch, range by range. Of two conditions on the ids SQLite would search by one alone: by that of the page it would
-- look at every job of every batch.
SELECT {selected}
FROM aiojobs_batch_ranges INDEXED BY aiojobs_batch_ranges_batch
CROSS JOIN aiojobs_jobs
WHERE batch = :batch
    AND first_id <= :last
    AND id BETWEEN max(first_id, :first) AND min(last_id, :last)
    AND {fits}
{ordered}
LIMIT :limit OFFSET :offset;

-- name: jobs_of_batch_and_ids
-- Of these ids, as far as they are of a batch.
SELECT {selected}
FROM aiojobs_jobs
WHERE id IN ({ids})
    AND id BETWEEN :first AND :last
    AND EXISTS (
        SELECT 1
        FROM aiojobs_batch_ranges
        WHERE batch = :batch
            AND id BETWEEN first_id AND last_id
    )
    AND {fits}
{ordered}
LIMIT :limit OFFSET :offset;

-- name: jobs_processing
-- Those that are processing.
SELECT {selected}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_processing
WHERE status = 'processing'
    AND {listed};

-- name: jobs_finished
-- Completed, dead or cancelled, by when they ended.
SELECT {selected}
FROM {of_finished}
    AND {listed};

-- name: jobs_ended
-- The same of each of the three.
SELECT {selected}
FROM {of_ended}
    AND {listed};

-- name: jobs_pending
-- Those that wait, of one type: in no lane, in a lane, or held. The set of their ids has the order that is asked for: no
-- job is read behind the last one of the page.
SELECT {selected}
FROM aiojobs_jobs
WHERE id IN {of_pending}
    AND {listed};

-- name: jobs_pending_of_any_type
-- Those that wait.
SELECT {selected}
FROM aiojobs_jobs
WHERE id IN {of_pending_of_any_type}
    AND {listed};

-- name: jobs_in_lanes
-- Those that wait in lanes.
SELECT {selected}
FROM aiojobs_jobs
WHERE id IN (
    SELECT id
    FROM {of_lanes}
)
    AND {listed};

-- name: jobs_of_label
-- Of a label.
SELECT {selected}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_label
WHERE label = :label
    AND {listed};

-- name: jobs_held
-- Held for one reason, of one type.
SELECT {selected}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_held
WHERE held = :held
    AND type = :type
    AND {listed};

-- name: jobs_held_of_any_type
-- Held for one reason.
SELECT {selected}
FROM aiojobs_jobs INDEXED BY aiojobs_jobs_held
WHERE held = :held
    AND {listed};

-- Whether a source has more jobs than are sorted. Its index alone is read: without the conditions, and without the range
-- of ids, by which no index is cut short.

-- name: more_finished
-- Of those that are completed, dead or cancelled.
SELECT 1
FROM {of_finished}
LIMIT 1 OFFSET :offset;

-- name: more_ended
-- Of those that ended.
SELECT 1
FROM {of_ended}
LIMIT 1 OFFSET :offset;

-- name: more_in_lanes
-- Of those that wait in lanes.
SELECT 1
FROM {of_lanes}
LIMIT 1 OFFSET :offset;

-- name: more_pending
-- Of those of a type that wait.
SELECT 1
FROM {of_pending}
LIMIT 1 OFFSET :offset;

-- name: more_pending_of_any_type
-- Of those that wait.
SELECT 1
FROM {of_pending_of_any_type}
LIMIT 1 OFFSET :offset;
