-- Types that no owner may claim.

-- name: pause
-- Holds a type back.
INSERT OR IGNORE INTO aiojobs_pauses (type)
VALUES (?);

-- name: resume
-- Lets a type go on.
DELETE FROM aiojobs_pauses
WHERE type = ?;
