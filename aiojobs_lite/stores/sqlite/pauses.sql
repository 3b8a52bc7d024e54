-- Types that no owner may claim.

-- name: pause
-- Holds a type back; one that is held back already stays as it is.
INSERT OR IGNORE INTO aiojobs_pauses (type, since, paused_by)
VALUES (:type, :now, :by);

-- name: pauses
-- The paused types, since when and by whom.
SELECT type, since, paused_by
FROM aiojobs_pauses;

-- name: resume
-- Lets a type go on.
DELETE FROM aiojobs_pauses
WHERE type = ?;
