-- Every document that somebody wrote to, and the tombstones of those that were deleted.
--
-- Locks on these rows are what keeps nodes apart: an append holds FOR KEY SHARE on its documents until it commits, a
-- compaction FOR NO KEY UPDATE (beside appends, not beside another compaction), and what changes the epoch or makes a
-- document of a tombstone FOR UPDATE. Several rows are locked in the order of their ids.
CREATE SEQUENCE document_ids;

CREATE TABLE documents (
    -- What the other tables call it. It never changes, and never comes back for another name.
    id BIGINT PRIMARY KEY DEFAULT nextval('document_ids'),
    -- The tenant and the name in it, compared and ordered byte by byte.
    tenant TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    -- The lineage: 1 at first, one more after each deletion.
    epoch BIGINT NOT NULL,
    -- The newest snapshot of this epoch, 0 for none: so that a snapshot that is missing is noticed.
    generation BIGINT NOT NULL,
    -- Unix milliseconds of the first write in this epoch; NULL when there was none (a tombstone).
    created_ms BIGINT,
    -- CRC-32 of the columns above.
    crc32 BIGINT NOT NULL,
    UNIQUE (tenant, name)
);
