-- Every document that somebody wrote to, and the tombstones of those that were deleted.
CREATE TABLE documents (
    -- What the other tables call it.
    id INTEGER PRIMARY KEY,
    -- The tenant and the name in it, compared byte by byte.
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The lineage: 1 at first, one more after each deletion.
    epoch INTEGER NOT NULL,
    -- The newest snapshot of this epoch, 0 for none: so that a snapshot that is missing is noticed.
    generation INTEGER NOT NULL,
    -- Unix milliseconds of the first write in this epoch; NULL when there was none (a tombstone).
    created_ms INTEGER,
    -- CRC-32 of the columns above.
    crc32 INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
