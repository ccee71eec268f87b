-- Objects in the blob store: large snapshots. A row is written before its object is, and outlives it.
--
-- A row goes through three states. Waiting (since_ms set): it was put or is about to be, or what referred to it is gone. Held
-- (since_ms NULL): a snapshot refers to it. Condemned (condemned_ms set): it waited for so long that nobody can want it; no snapshot
-- can refer to it any more, its object is deleted, and then the row.
CREATE TABLE blobs (
    -- AUTOINCREMENT because an id must never come back: it is a part of the object's key, and a deletion that is late must
    -- not hit another object.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the object, and its size.
    hash BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    -- Since when it waits, in Unix milliseconds; NULL while it is held.
    since_ms INTEGER,
    -- Since when it is condemned, in Unix milliseconds; NULL before.
    condemned_ms INTEGER
) STRICT;

-- The same bytes are kept once.
CREATE UNIQUE INDEX blobs_by_hash ON blobs (hash) WHERE condemned_ms IS NULL;
-- What a collection looks at: held ones are not among them.
CREATE INDEX blobs_waiting ON blobs (since_ms) WHERE since_ms IS NOT NULL;
