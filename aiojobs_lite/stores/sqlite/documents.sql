-- Documents. {document} are the columns of `Document`.

-- name: document
-- The document of a name, unless it has expired.
SELECT {document}
FROM aiojobs_documents
WHERE kind = :kind
    AND name = :name
    AND (expires_at IS NULL OR expires_at > :now);

-- name: put_document
-- Writes a document in the place of whatever has its name.
INSERT INTO aiojobs_documents ({document})
VALUES (:kind, :name, :body, :version, :created_at, :updated_at, :expires_at)
ON CONFLICT (kind, name) DO UPDATE
SET
    body = excluded.body, version = excluded.version, created_at = excluded.created_at,
    updated_at = excluded.updated_at, expires_at = excluded.expires_at;

-- name: delete_document
-- Deletes a document.
DELETE FROM aiojobs_documents
WHERE kind = ?
    AND name = ?;

-- name: documents
-- The documents of a kind whose names lie behind one and begin with a text, by name.
SELECT {document}
FROM aiojobs_documents
WHERE kind = :kind
    AND name >= :prefix
    AND name > :after
    AND name < :end
    AND (expires_at IS NULL OR expires_at > :now)
ORDER BY name
LIMIT :limit;

-- name: prune_documents
-- Deletes those that expired first.
DELETE FROM aiojobs_documents
WHERE (kind, name) IN (
    SELECT kind, name
    FROM aiojobs_documents
    WHERE expires_at IS NOT NULL
        AND expires_at <= :now
    ORDER BY expires_at, kind, name
    LIMIT :limit
);
