-- Writes within a transaction of a caller.

-- name: take_lock
-- Deletes nothing, and takes the lock of the writer before anything is read: a transaction that has read waits for no
-- lock, but is refused if another connection has committed since.
DELETE FROM aiojobs_meta
WHERE 0;

-- name: open_files
-- The files of a connection: a number, the name of each, and its path.
PRAGMA database_list;
