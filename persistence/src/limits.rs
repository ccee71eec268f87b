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

/// Memory in which each SQLite connection keeps pages, in KiB. Beyond it pages come from the system's cache: five connections
/// with SQLite's own 2 MiB would be most of what a small server takes.
pub const PAGE_CACHE_KIB_MAX: u32 = 512;

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

/// Documents whose row id and epoch the SQLite writer remembers. At the bound it forgets all of them, and each
/// costs one lookup at its next append.
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
