-- Log rows that a snapshot has merged: what history reads, and what stands in for a damaged snapshot.
CREATE TABLE archive (
    document_id INTEGER NOT NULL REFERENCES documents (id),
    -- Counts the segments of the document's epoch, from 1.
    segment INTEGER NOT NULL,
    -- The epoch in which the rows were written.
    epoch INTEGER NOT NULL,
    -- The snapshot that merged these rows: one older than it does not hold them.
    generation INTEGER NOT NULL,
    -- The lowest and the highest log.id among the rows. Rows in between may be missing: they were not merged.
    first_row INTEGER NOT NULL,
    last_row INTEGER NOT NULL,
    -- Records in the segment, and the earliest and latest time among them (Unix milliseconds, for people).
    records_count INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    -- Size before compression.
    raw_bytes INTEGER NOT NULL,
    -- CRC-32 of document_id, segment, epoch, generation, first_row, last_row, raw_bytes and rows.
    crc32 INTEGER NOT NULL,
    -- zstd of the rows' ids and blobs: persistence/src/frame.rs.
    rows BLOB NOT NULL,
    PRIMARY KEY (document_id, segment)
) STRICT;
