-- The update log: one row is what one append wrote for one document.
CREATE SEQUENCE log_ids;

CREATE TABLE log (
    -- The order of the rows of one document. Rows of several nodes commit out of this order, so nothing is ever done to
    -- a range of ids. An id never comes back: the archive and the cursors of history go on using it.
    id BIGINT PRIMARY KEY DEFAULT nextval('log_ids'),
    -- No foreign key: every append has locked the document's row already, and would lock it once more for each row.
    document_id BIGINT NOT NULL,
    -- The epoch in which it was written: always the document's own, or the row is damaged.
    epoch BIGINT NOT NULL,
    -- The run of a server that wrote it: appends.run.
    run UUID NOT NULL,
    -- CRC-32 of document_id, epoch and records.
    crc32 BIGINT NOT NULL,
    -- Framed records: persistence/src/frame.rs. The first byte is the version of the framing.
    records BYTEA NOT NULL
)
-- Rows stay until the next compaction, so the table is vacuumed as a queue is: after so many rows, however large it is.
WITH (
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_insert_scale_factor = 0.0,
    autovacuum_vacuum_insert_threshold = 100000
);

-- The rows of a document, in order.
CREATE INDEX log_by_document ON log (document_id, id);

-- A commit does not wait for a compression that gains little on updates.
ALTER TABLE log ALTER COLUMN records SET STORAGE EXTERNAL;
