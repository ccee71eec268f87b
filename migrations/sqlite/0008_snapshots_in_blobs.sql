-- The blob that holds the document, when it is large: then state is empty, and crc32 covers the blob's id, size and hash too.
-- NULL: the document is in state.
ALTER TABLE snapshots ADD COLUMN blob INTEGER REFERENCES blobs (id);

CREATE INDEX snapshots_by_blob ON snapshots (blob);

-- However a snapshot goes, its blob waits from then on.
CREATE TRIGGER snapshots_release_blob AFTER DELETE ON snapshots WHEN OLD.blob IS NOT NULL
BEGIN
    UPDATE blobs SET since_ms = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE id = OLD.blob;
END;
