-- The messages beside a document. Numbers are given out in the transaction that writes the message, one room at a time: there are
-- no holes, and whoever sees number n sees all below it.
CREATE TABLE chats (
    document_id INTEGER PRIMARY KEY REFERENCES documents (id),
    -- The highest number of a message (chat_messages.seq), and of a change (chat_messages.change).
    messages_count INTEGER NOT NULL,
    changes_count INTEGER NOT NULL
) STRICT;

CREATE TABLE chat_messages (
    document_id INTEGER NOT NULL,
    -- Its place in the room, from 1.
    seq INTEGER NOT NULL,
    -- The number of the last change to it; the post itself is one.
    change INTEGER NOT NULL,
    -- SHA-256 of the user id of who wrote it (empty for anonymous people), and the name that its client gave it: together they are
    -- what a message can be written only once under.
    user_hash BLOB NOT NULL,
    key BLOB NOT NULL,
    -- The message that began the thread; NULL for one in no thread.
    thread INTEGER,
    -- Unix milliseconds of the post, of the last edit and of the deletion, for people. NULL: never.
    created_ms INTEGER NOT NULL,
    edited_ms INTEGER,
    deleted_ms INTEGER,
    -- JSON: the rest of the message (persistence/src/rows/chat.rs).
    body TEXT NOT NULL,
    PRIMARY KEY (document_id, seq)
) STRICT;

-- What somebody missed.
CREATE UNIQUE INDEX chat_messages_by_change ON chat_messages (document_id, change);
-- The same post, tried again.
CREATE UNIQUE INDEX chat_messages_by_key ON chat_messages (document_id, user_hash, key);
CREATE INDEX chat_messages_by_thread ON chat_messages (document_id, thread, seq) WHERE thread IS NOT NULL;

-- Up to which message somebody has read.
CREATE TABLE chat_reads (
    document_id INTEGER NOT NULL,
    -- As in chat_messages.
    user_hash BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (document_id, user_hash)
) STRICT;

-- However a document is deleted, its chat goes with it.
CREATE TRIGGER documents_delete_chat AFTER UPDATE OF epoch ON documents WHEN NEW.epoch <> OLD.epoch
BEGIN
    DELETE FROM chat_messages WHERE document_id = OLD.id;
    DELETE FROM chat_reads WHERE document_id = OLD.id;
    DELETE FROM chats WHERE document_id = OLD.id;
END;
