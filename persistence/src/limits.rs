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

/// Memory in which each SQLite connection keeps pages, in bytes. Beyond it pages come from the system's cache: five connections
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
pub const FOLLOW_POLL_MS: u64 = 1_000;
