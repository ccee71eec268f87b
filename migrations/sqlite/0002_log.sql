-- The update log: one row is what one append wrote for one document.
CREATE TABLE log (
    -- The order of the rows. AUTOINCREMENT because an id must never come back after its row was compacted away:
    -- the archive and the cursors of history go on using it.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    -- The epoch in which it was written: always the document's own, or the row is damaged.
    epoch INTEGER NOT NULL,
    -- CRC-32 of document_id, epoch and records.
    crc32 INTEGER NOT NULL,
    -- Framed records: persistence/src/frame.rs. The first byte is the version of the framing.
    records BLOB NOT NULL
) STRICT;

-- An index ends in the row id by itself, so this one yields the rows of a document in order.
CREATE INDEX log_by_document ON log (document_id);
