-- The jobs that operations start.

-- name: insert_child
-- Notes which job an operation has started, or found, if that is there.
INSERT INTO aiojobs_children (parent_id, step, is_new, is_awaited, child_id)
SELECT :parent, :step, :is_new, :is_awaited, id
FROM aiojobs_jobs
WHERE id = :child;

-- name: child_of_step
-- The job that an operation has started last.
SELECT child_id
FROM aiojobs_children
WHERE parent_id = ?
    AND step = ?
ORDER BY child_id DESC
LIMIT 1;

-- name: waits_and_awaited
-- Whether any job waits for an event, and whether for the end of a job that it started.
SELECT
    EXISTS (SELECT 1 FROM aiojobs_waits),
    EXISTS (SELECT 1 FROM aiojobs_children WHERE is_awaited = 1);

-- name: forget_awaited
-- Jobs wait no more for those that they started.
UPDATE aiojobs_children
SET is_awaited = 0
WHERE parent_id IN ({rows})
    AND is_awaited = 1;

-- name: awaited_children
-- Those of these jobs whose ends are awaited: the job that waits, the row of its operation, whether it is suspended for it.
SELECT children.child_id, children.parent_id, steps.id, steps.suspends
FROM aiojobs_children AS children
CROSS JOIN aiojobs_steps AS steps
WHERE children.child_id IN ({rows})
    AND children.is_awaited = 1
    AND steps.job_id = children.parent_id
    AND steps.name = children.step
    AND +steps.state = 'waiting';

-- name: note_ended_children
-- The ends of jobs are awaited no more.
UPDATE aiojobs_children
SET is_awaited = 0
WHERE child_id IN ({rows})
    AND is_awaited = 1;

-- name: ends_of_jobs
-- How jobs have ended: status, result, reason and error.
SELECT id, status, result, reason, error
FROM aiojobs_jobs
WHERE id IN ({rows});

-- name: delete_parents
-- Forgets which operations have started these jobs, or found them.
DELETE FROM aiojobs_children
WHERE child_id IN ({rows});

-- name: delete_children
-- Forgets which jobs the operations of these jobs have started, or found.
DELETE FROM aiojobs_children
WHERE parent_id IN ({rows});

-- name: children_of_job
-- The jobs that operations of a job have started, or found.
SELECT step, child_id
FROM aiojobs_children
WHERE parent_id = ?
    AND step <> ''
ORDER BY child_id, step;

-- name: parent_of_job
-- The job that has started another one, and by which operation.
SELECT parent_id, step
FROM aiojobs_children
WHERE child_id = ?
    AND is_new = 1;
