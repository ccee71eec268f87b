-- Updates that broke the engine. Loads leave out what is listed here.
CREATE TABLE quarantine (
    -- The order in which they were put aside.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    -- Who sent it: user id from the token (NULL for none), CRDT client id (as a signed 64-bit number), Unix
    -- milliseconds.
    user_id TEXT,
    client INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    -- What it did.
    reason TEXT NOT NULL,
    -- CRC-32 of document_id and update_bytes.
    crc32 INTEGER NOT NULL,
    -- The update in the wire's own encoding.
    update_bytes BLOB NOT NULL
) STRICT;

CREATE INDEX quarantine_by_document ON quarantine (document_id);
