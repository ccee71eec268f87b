-- Whole documents: the newest one, and the one before it as its fallback.
CREATE TABLE snapshots (
    document_id INTEGER NOT NULL REFERENCES documents (id),
    -- Which snapshot of the epoch, from 1.
    generation INTEGER NOT NULL,
    -- The epoch in which it was written.
    epoch INTEGER NOT NULL,
    -- Unix milliseconds, for people.
    created_ms INTEGER NOT NULL,
    -- CRC-32 of document_id, generation, epoch, state_vector and state.
    crc32 INTEGER NOT NULL,
    -- What state covers, in the wire's own encoding.
    state_vector BLOB NOT NULL,
    -- The document as one update in the wire's own encoding, not compressed: cold opens wait for it.
    state BLOB NOT NULL,
    PRIMARY KEY (document_id, generation)
) STRICT;
