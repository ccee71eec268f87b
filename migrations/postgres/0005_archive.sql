-- Log rows that a snapshot has merged: what history reads, and what stands in for a damaged snapshot.
CREATE TABLE archive (
    document_id BIGINT NOT NULL REFERENCES documents (id),
    -- Counts the segments of the document's epoch, from 1.
    segment BIGINT NOT NULL,
    -- The epoch in which the rows were written.
    epoch BIGINT NOT NULL,
    -- The snapshot that merged these rows: one older than it does not hold them.
    generation BIGINT NOT NULL,
    -- The lowest and the highest log.id among the rows. Rows in between may be missing: they were not merged.
    first_row BIGINT NOT NULL,
    last_row BIGINT NOT NULL,
    -- Records in the segment, and the earliest and latest time among them (Unix milliseconds, for people).
    records_count BIGINT NOT NULL,
    first_ms BIGINT NOT NULL,
    last_ms BIGINT NOT NULL,
    -- Size before compression.
    raw_bytes BIGINT NOT NULL,
    -- CRC-32 of document_id, segment, epoch, generation, first_row, last_row, raw_bytes and rows.
    crc32 BIGINT NOT NULL,
    -- zstd of the rows' ids and blobs: persistence/src/frame.rs.
    rows BYTEA NOT NULL,
    PRIMARY KEY (document_id, segment)
);

-- Compressed already.
ALTER TABLE archive ALTER COLUMN rows SET STORAGE EXTERNAL;
