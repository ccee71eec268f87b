-- Whole documents: the newest one, and the one before it as its fallback.
CREATE TABLE snapshots (
    document_id BIGINT NOT NULL REFERENCES documents (id),
    -- Which snapshot of the epoch, from 1.
    generation BIGINT NOT NULL,
    -- The epoch in which it was written.
    epoch BIGINT NOT NULL,
    -- Unix milliseconds, for people.
    created_ms BIGINT NOT NULL,
    -- CRC-32 of document_id, generation, epoch, state_vector and state.
    crc32 BIGINT NOT NULL,
    -- What state covers, in the wire's own encoding.
    state_vector BYTEA NOT NULL,
    -- The document as one update in the wire's own encoding.
    state BYTEA NOT NULL,
    PRIMARY KEY (document_id, generation)
);

-- Not compressed: cold opens wait for it.
ALTER TABLE snapshots ALTER COLUMN state SET STORAGE EXTERNAL;
