-- The blob that holds the document, when it is large: then state is empty, and crc32 covers the blob's id, size and hash too.
-- NULL: the document is in state.
ALTER TABLE snapshots ADD COLUMN blob BIGINT REFERENCES blobs (id);

CREATE INDEX snapshots_by_blob ON snapshots (blob) WHERE blob IS NOT NULL;

-- However a snapshot goes, its blob waits from then on. Also when a node of the release before deletes it.
CREATE FUNCTION release_blob() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE blobs SET since_ms = (extract(epoch FROM now()) * 1000)::bigint WHERE id = OLD.blob;
    RETURN NULL;
END;
$$;

CREATE TRIGGER snapshots_release_blob AFTER DELETE ON snapshots
FOR EACH ROW WHEN (OLD.blob IS NOT NULL) EXECUTE FUNCTION release_blob();
