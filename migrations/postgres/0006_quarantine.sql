-- Updates that broke the engine. Loads leave out what is listed here.
CREATE TABLE quarantine (
    -- The order in which they were put aside.
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id BIGINT NOT NULL REFERENCES documents (id),
    -- Who sent it: user id from the token (UTF-8; bytes, because TEXT takes no NUL; NULL for none), CRDT client id (as a
    -- signed 64-bit number), Unix milliseconds.
    user_id BYTEA,
    client BIGINT NOT NULL,
    time_ms BIGINT NOT NULL,
    -- What it did.
    reason TEXT NOT NULL,
    -- CRC-32 of document_id and update_bytes.
    crc32 BIGINT NOT NULL,
    -- The update in the wire's own encoding.
    update_bytes BYTEA NOT NULL
);

CREATE INDEX quarantine_by_document ON quarantine (document_id);
