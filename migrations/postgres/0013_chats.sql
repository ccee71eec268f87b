-- The messages beside a document. Numbers are given out in the transaction that writes the message, one room at a time: there are
-- no holes, and whoever sees number n sees all below it.
--
-- A change holds FOR KEY SHARE on its document, as an append does, and then FOR NO KEY UPDATE on the line below: rooms do not wait for
-- each other, edits do not wait for chats, and a deletion waits for both.
CREATE TABLE chats (
    document_id BIGINT PRIMARY KEY REFERENCES documents (id),
    -- The highest number of a message (chat_messages.seq), and of a change (chat_messages.change).
    messages_count BIGINT NOT NULL,
    changes_count BIGINT NOT NULL
)
-- One line a room, changed with each message: what changes stays on its page.
WITH (fillfactor = 50);

CREATE TABLE chat_messages (
    -- No foreign key: every change has locked the document's row already.
    document_id BIGINT NOT NULL,
    -- Its place in the room, from 1.
    seq BIGINT NOT NULL,
    -- The number of the last change to it; the post itself is one.
    change BIGINT NOT NULL,
    -- SHA-256 of the user id of who wrote it (empty for anonymous people), and the name that its client gave it: together they are
    -- what a message can be written only once under. A hash, because a user id may be longer than an index takes.
    user_hash BYTEA NOT NULL,
    key BYTEA NOT NULL,
    -- The message that began the thread; NULL for one in no thread.
    thread BIGINT,
    -- Unix milliseconds of the post, of the last edit and of the deletion, for people. NULL: never.
    created_ms BIGINT NOT NULL,
    edited_ms BIGINT,
    deleted_ms BIGINT,
    -- JSON: the rest of the message (persistence/src/rows/chat.rs).
    body TEXT NOT NULL,
    PRIMARY KEY (document_id, seq)
);

-- What somebody missed.
CREATE UNIQUE INDEX chat_messages_by_change ON chat_messages (document_id, change);
-- The same post, tried again.
CREATE UNIQUE INDEX chat_messages_by_key ON chat_messages (document_id, user_hash, key);
CREATE INDEX chat_messages_by_thread ON chat_messages (document_id, thread, seq) WHERE thread IS NOT NULL;

-- Up to which message somebody has read.
CREATE TABLE chat_reads (
    document_id BIGINT NOT NULL,
    -- As in chat_messages.
    user_hash BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (document_id, user_hash)
);

-- However a document is deleted, its chat goes with it. Also when a node of the release before deletes it.
CREATE FUNCTION delete_chat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM chat_messages WHERE document_id = OLD.id;
    DELETE FROM chat_reads WHERE document_id = OLD.id;
    DELETE FROM chats WHERE document_id = OLD.id;
    RETURN NULL;
END;
$$;

CREATE TRIGGER documents_delete_chat AFTER UPDATE OF epoch ON documents
FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION delete_chat();

-- It only adds.
INSERT INTO compatibility (migration, compatible_from, release) VALUES (13, 12, '0.1');
