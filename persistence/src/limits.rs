//! Every bound of this crate, with its unit, its reason, and what happens when it is reached.

/// Longest document name, in bytes of UTF-8. A longer one is refused with [`crate::BadDocId`].
pub const NAME_BYTES_MAX: usize = 512;

/// Longest tenant name, in bytes of UTF-8. A longer one is refused with [`crate::BadDocId`].
pub const TENANT_BYTES_MAX: usize = 64;

/// Largest single update that is stored, in bytes. Far above any frame that the server accepts; it exists so that
/// a blob stays well below SQLite's own limit of 10^9 bytes. A larger one fails the whole append with
/// [`crate::StoreError::TooLarge`], before anything is written.
pub const UPDATE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Size at which a batch starts another log row, in bytes. One row is one blob in memory, when written and when
/// read, so a very large flush becomes several rows of the same transaction.
pub const ROW_BYTES_TARGET: usize = 1024 * 1024;

/// Size of each of the two files that SQLite's table is behind, in bytes. A full one goes into the table in one transaction: the
/// larger they are, the fewer, and the longer each. Above it appends wait for the table.
pub const TAIL_BYTES_MAX: usize = 256 * 1024;

/// Size of a group that goes into the table at once, in bytes: to write it twice would cost more than the table does.
pub const TAIL_GROUP_BYTES_MAX: usize = 32 * 1024;

/// How long an append stays out of the table while others follow, in seconds. A copy of the database alone, as a backup makes
/// it, lacks no more than this.
pub const TAIL_AGE_SECONDS: u64 = 5;

/// A write to the tail that takes longer than this, in milliseconds, has the next one made on a thread that may wait.
pub const TAIL_WRITE_MS_MAX: u64 = 5;

/// Memory in which each SQLite connection keeps pages, in bytes. Beyond it pages come from the system's cache: six connections
/// with SQLite's own 2 MiB would be most of what a small server takes.
pub const PAGE_CACHE_BYTES_MAX: usize = 512 * 1024;

/// Rows that SQLite's thread reads ahead of who asked. A row may be [`ROW_BYTES_TARGET`] long.
pub const ROWS_AHEAD_COUNT_MAX: usize = 4;

/// Size at which a compaction starts another archive segment, in bytes before compression. A page of history
/// unpacks whole segments, so this bounds what one page costs.
pub const SEGMENT_BYTES_TARGET: usize = 4 * 1024 * 1024;

/// Largest blob that an archive segment may unpack to, in bytes. Above it the segment is reported as damaged and
/// not unpacked: only a damaged length field can ask for more.
pub const SEGMENT_BYTES_MAX: usize = SEGMENT_BYTES_TARGET + ROW_BYTES_TARGET + UPDATE_BYTES_MAX + 64 * 1024;

/// zstd level of archive segments: history is written once and seldom read, but compaction shares its cores with
/// live rooms.
pub const SEGMENT_ZSTD_LEVEL: i32 = 3;

/// Most records in one page of history. A larger request is cut to this.
pub const HISTORY_RECORDS_MAX: usize = 10_000;

/// Bytes of updates after which a page of history ends early (it holds at least one record).
pub const HISTORY_BYTES_TARGET: usize = 16 * 1024 * 1024;

/// Most documents in one page of a listing. A larger request is cut to this.
pub const LIST_DOCS_MAX: usize = 1_000;

/// Quarantined updates kept for one document. The first ones are the evidence: at the bound a new one is dropped
/// with a warning in the log.
pub const QUARANTINE_PER_DOC_MAX: usize = 100;

/// Longest reason kept beside a quarantined update, in bytes. A longer one is cut.
pub const QUARANTINE_REASON_BYTES_MAX: usize = 1_024;

/// Documents whose row id a store remembers, SQLite's with the epoch. At the bound it forgets all of them, and each costs
/// one lookup at its next append.
pub const KNOWN_DOCS_MAX: usize = 100_000;

/// Connections of the SQLite read pool. A load waits for a free one.
pub const READERS_MAX: u32 = 4;

/// Time after which a connection of it that nobody uses is closed, in seconds. Another is opened when somebody reads.
pub const READER_IDLE_SECONDS: u64 = 30;

/// How long a load waits for a free read connection, in seconds; after that it fails as unavailable.
pub const READER_WAIT_SECONDS: u64 = 10;

/// How long SQLite waits for another connection's lock, in seconds; after that the call fails as unavailable.
pub const BUSY_TIMEOUT_SECONDS: u64 = 5;

/// Size of the write-ahead log at which SQLite copies it into the database, in pages of 4 KiB. The commit that
/// crosses it pays for the copy, so it is neither tiny (always copying) nor huge (one long pause).
pub const WAL_CHECKPOINT_PAGES: u32 = 4_000;

/// Size to which the write-ahead log file is cut back after a burst, in bytes.
pub const WAL_FILE_BYTES_TARGET: u64 = 64 * 1024 * 1024;

/// Largest database file that is checked in full when it is opened, in bytes: about a second of reading. A larger
/// one is opened unchecked, with a line in the log; see [`crate::SqliteStore::check`].
pub const CHECK_AT_OPEN_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Connections of one PostgreSQL store that write: appends, compactions, deletions. A call waits for a free one.
pub const POSTGRES_WRITERS_COUNT_MAX: usize = 4;

/// Connections of one PostgreSQL store that read. Apart from those that write, so that a storm of loads does not hold up
/// appends. A call waits for a free one.
pub const POSTGRES_READERS_COUNT_MAX: usize = 6;

/// Connections of one PostgreSQL store that tell the others that it lives. Apart from all others: a server with much to do is
/// not gone.
pub const POSTGRES_HEARTBEATS_COUNT_MAX: usize = 1;

/// Silence after which a server that shares the store counts as gone, in seconds: five heartbeats.
pub const NODE_SILENCE_SECONDS: u64 = 15;

/// Silence after which such a server is forgotten, in seconds: a day.
pub const NODE_KEPT_SECONDS: u64 = 24 * 3_600;

/// How long a call waits for a connection to PostgreSQL, in seconds, be it a free one or a new one; after that it fails
/// as unavailable.
pub const POSTGRES_WAIT_SECONDS: u64 = 5;

/// How long one attempt to connect to PostgreSQL takes at the most, in seconds. Below
/// [`POSTGRES_WAIT_SECONDS`], so that its cause is told.
pub const POSTGRES_CONNECT_SECONDS: u64 = 3;

/// How long PostgreSQL works on one statement, in seconds; then it gives the statement up, and the call fails as
/// unavailable.
pub const POSTGRES_STATEMENT_SECONDS: u64 = 30;

/// How long PostgreSQL waits for a lock, in seconds; after that the call fails as unavailable.
pub const POSTGRES_LOCK_SECONDS: u64 = 10;

/// How long a whole call waits for PostgreSQL, in seconds: the end of waiting when the server is gone without a word. The
/// connection is then closed, and the call fails as unavailable.
pub const POSTGRES_CALL_SECONDS: u64 = 40;

/// How long an append goes without an answer before PostgreSQL is asked over a new connection whether it still works on it,
/// in seconds, and how often it is asked again: a connection that died without a word says nothing for a quarter of an hour.
pub const POSTGRES_SILENCE_SECONDS: u64 = 3;

/// How long a session waits for us while we wait for it before the connection between the two counts as dead, in seconds.
pub const POSTGRES_WAITING_SECONDS: u64 = 1;

/// How long an idle connection has to show that it works, in milliseconds; after that it and the other idle ones are
/// closed.
pub const POSTGRES_PING_MS_MAX: u64 = 1_000;

/// How long PostgreSQL keeps a transaction open whose client says nothing, in seconds. Its locks are in everybody's way:
/// after that it is undone, and the connection closed.
pub const POSTGRES_ABANDONED_SECONDS: u64 = 20;

/// Idle time after which a connection is asked whether it still works before it is used, in milliseconds.
pub const POSTGRES_IDLE_CHECK_MS: u64 = 500;

/// Age at which an idle connection is replaced, in seconds: after a failover it may lead to a server that is no longer the
/// one to write to.
pub const POSTGRES_LIFE_SECONDS: u64 = 1_800;

/// Pause before the second attempt to connect, in milliseconds. Each further one is twice as long, and all are cut short
/// by up to a half at random, so that nodes that lost the same server do not come back in step.
pub const RECONNECT_MS_MIN: u64 = 100;

/// Longest pause between attempts to connect, in milliseconds.
pub const RECONNECT_MS_MAX: u64 = 2_000;

/// Size at which an append needs another statement, in bytes: one statement is one message and one value in the
/// server's memory, where a gigabyte is the end.
pub const INSERT_BYTES_TARGET: usize = 32 * 1024 * 1024;

/// How long the claim on a compaction lasts, in seconds: a merge of the largest document takes less. After that another
/// node may take over, and the one that was late is refused.
pub const LEASE_SECONDS: u64 = 60;

/// How long PostgreSQL remembers the committed appends of a server that is gone, in seconds. A server that comes back
/// later than that may store its last append twice, which merging makes harmless.
pub const APPENDS_KEPT_SECONDS: u64 = 86_400;

/// Appends that PostgreSQL remembers of a running server though they were answered. At the bound the older half is
/// forgotten, with the next append.
pub const APPENDS_ANSWERED_COUNT_MAX: usize = 128;

/// How often a follower looks into the log when nobody announces anything, in milliseconds. Two people on two nodes see
/// each other after at most this and a commit.
pub const FOLLOW_POLL_MS: u64 = 500;

/// Shortest time between two looks of a follower, in milliseconds: what is announced in between is read at once.
pub const FOLLOW_PACE_MS: u64 = 15;

/// How long a look of a follower may take, in seconds. Over it: its connection is made anew, and the next look finds what
/// this one did not.
pub const FOLLOW_LOOK_SECONDS: u64 = 10;

/// Ids that one statement of a follower asks for. What is over is asked for with the next.
pub const FOLLOW_PAGE_COUNT: usize = 8_192;

/// Rows of the log that one statement of a follower reads. What is over is read with the next.
pub const FOLLOW_READ_COUNT_MAX: usize = 256;

/// The same in bytes. A larger row is read alone.
pub const FOLLOW_READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Rows that others vouch for and that a follower may have to read all the same. Over it: they are read.
pub const FOLLOW_WAITING_COUNT_MAX: usize = 65_536;

/// Documents of which a follower looks, at each look, whether they were deleted or compacted without a word. What is over
/// comes with the next look.
pub const FOLLOW_CHECK_COUNT: usize = 64;

/// Documents that one statement of a follower looks at. What is over is looked at with the next.
pub const FOLLOW_CHECK_COUNT_MAX: usize = 1_024;

/// Rows that a follower reads from the archive of one document at once, in bytes before compression. Over it: the document
/// is loaded instead.
pub const FOLLOW_ARCHIVE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Ids of rows that were told, kept so that none is told twice. Over it: the lowest is forgotten.
pub const FOLLOW_TOLD_COUNT_MAX: usize = 16_384;

/// Ids below the last one that a follower begins with: transactions that are under way may still bring them.
pub const FOLLOW_BACK_COUNT: i64 = 4_096;

/// How long the transaction of an append can last, in seconds: its statements are bounded, and a client that says nothing is
/// cut off. After that a follower no longer waits for ids that are missing, however old other transactions are.
pub const FOLLOW_SETTLE_SECONDS: u64 = 120;

/// How far back a follower begins again after it lost its connection, in milliseconds: what was announced meanwhile was not
/// heard.
pub const FOLLOW_AGAIN_MS: u64 = 10_000;

/// Size from which a snapshot goes to the blob store, in bytes, where there is one. A compaction takes at least twice as much out
/// of the log, so up to here the snapshot is not what the database mostly writes, and a cold open is spared a second
/// server to ask.
pub const SNAPSHOT_BLOB_BYTES_MIN: usize = 256 * 1024;

/// Largest blob, in bytes: what is larger stays in the database, which decides whether it takes it. A key that says more is
/// damaged.
pub const BLOB_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Calls to the blob store that run at the same time: each holds a whole blob in memory. The next one waits, within its own
/// time.
pub const BLOB_CALLS_COUNT_MAX: usize = 16;

/// How long a call to the blob store takes at the most, in seconds, with all its attempts, and a second more for each
/// [`BLOB_SECOND_BYTES_MIN`] of its size. After that it fails as unavailable.
pub const BLOB_CALL_SECONDS: u64 = 10;

/// What a blob store has to move in a second to be good enough, in bytes.
pub const BLOB_SECOND_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// How long one attempt to connect to a blob store takes at the most, in seconds.
pub const BLOB_CONNECT_SECONDS: u64 = 3;

/// Attempts after the first one of a call that a blob store refused or left without an answer.
pub const BLOB_RETRIES_COUNT_MAX: usize = 4;

/// Time after which a call to a blob store is not tried once more, in seconds.
pub const BLOB_RETRY_SECONDS: u64 = 6;

/// Shortest and longest pause between two attempts, in milliseconds. They are random in between, and grow.
pub const BLOB_RETRY_MS_MIN: u64 = 100;

/// See [`BLOB_RETRY_MS_MIN`].
pub const BLOB_RETRY_MS_MAX: u64 = 2_000;

/// Blobs that one step of a collection condemns or deletes. What is over waits for the next step.
pub const BLOBS_AT_ONCE_COUNT_MAX: i64 = 256;

/// How long a condemned blob is kept before it is deleted, in seconds, unless the grace period is shorter: longer than any call
/// that puts or reads it may still be on its way.
pub const BLOB_CONDEMNED_SECONDS: u64 = 900;

/// Times that a load finds a blob lost before it gives up as unavailable. Two snapshots are kept; there are more when
/// some are damaged, or when compactions overtake it.
pub const BLOBS_LOST_COUNT_MAX: usize = 8;

/// Messages of a chat in one page. A larger request is cut to this.
pub const CHAT_PAGE_COUNT_MAX: usize = 200;

/// Bytes after which a page of a chat ends early (it holds at least one message). With what JSON adds it stays within what a
/// server lets wait for one socket.
pub const CHAT_PAGE_BYTES_TARGET: usize = 512 * 1024;

/// Different emojis on one message of a chat. One more is refused.
pub const CHAT_EMOJIS_COUNT_MAX: usize = 20;

/// Reactions to one message of a chat, of all people: each change of a message is sent to everybody with all of them. One more is
/// refused.
pub const CHAT_REACTIONS_COUNT_MAX: usize = 1_000;
