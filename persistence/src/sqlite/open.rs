//! Opening a database file.

use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection};

use super::lock::DatabaseLock;
use super::tail;
use super::writer::Writer;
use super::{SqliteStore, folder_of};
use crate::StoreError;
use crate::blobs::{BlobStore, Snapshots};
use crate::limits::{
    BUSY_TIMEOUT_SECONDS, CHECK_AT_OPEN_BYTES_MAX, PAGE_CACHE_BYTES_MAX, READER_IDLE_SECONDS,
    READER_WAIT_SECONDS, READERS_MAX, ROWS_AHEAD_COUNT_MAX, WAL_CHECKPOINT_PAGES, WAL_FILE_BYTES_TARGET,
};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

pub(crate) async fn open(path: &Path, blobs: Option<BlobStore>) -> Result<SqliteStore, StoreError> {
    let database = path.to_owned();
    let (mut lock, bytes) = tokio::task::spawn_blocking(move || prepare(&database))
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))??;

    let options = options(path);
    let mut connection = options.connect().await?;
    check_schema_text(&mut connection).await?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'documents'")
            .fetch_one(&mut connection)
            .await?;
    let was_ready = lock.is_ready()?;
    if bytes.is_some() && was_ready && tables == 0 {
        return Err(StoreError::Corrupt(format!(
            "{} is empty, and was not when it was last open. Restore a backup, or delete it to begin anew",
            path.display()
        )));
    }
    match bytes {
        Some(bytes) if bytes <= CHECK_AT_OPEN_BYTES_MAX => check(&mut connection).await?,
        Some(bytes) => tracing::info!(bytes, "the database is large: opened without checking all of it"),
        None => tracing::info!("new database"),
    }
    MIGRATIONS.run(&mut connection).await?;
    let snapshots = Snapshots::new(blobs, &mut connection).await?;
    connection.close().await?;
    let database = path.to_owned();
    let place = tokio::task::spawn_blocking(move || tail::recover(&database))
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))??;
    if !was_ready {
        lock.set_ready()?;
    }

    let options = options.row_buffer_size(ROWS_AHEAD_COUNT_MAX);
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(Duration::from_secs(READER_WAIT_SECONDS))
        // A local file does not hang up; a connection whose call failed is thrown away at once.
        .test_before_acquire(false)
        // Each keeps half a megabyte of pages, and a small server reads for a compaction every few minutes.
        .idle_timeout(Duration::from_secs(READER_IDLE_SECONDS))
        .max_lifetime(None)
        .connect_lazy_with(options.clone().pragma("query_only", "ON"));
    Ok(SqliteStore {
        writer: Arc::new(Writer::new(path.to_owned(), options, place)),
        readers,
        snapshots,
        lock: Mutex::new(Some(lock)),
    })
}

/// Makes the folder and takes the lock. Also says how large the database is, if there is one.
fn prepare(path: &Path) -> Result<(DatabaseLock, Option<u64>), StoreError> {
    let unavailable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let folder = folder_of(path);
    let is_new_folder = !folder.exists();
    fs::create_dir_all(folder).map_err(unavailable)?;
    let lock = DatabaseLock::take(path)?;
    let bytes = match fs::metadata(path) {
        Ok(metadata) => Some(metadata.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(unavailable(error)),
    };
    // SQLite syncs the folder of the database when it makes the write-ahead log, but nobody syncs the folder above,
    // which holds the name of a folder that was just made.
    if is_new_folder
        && let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty())
        && let Err(error) = File::open(above).and_then(|above| above.sync_all())
    {
        tracing::warn!(%error, "the new data folder may be lost with the next loss of power");
    }
    Ok((lock, bytes))
}

/// The settings of every connection, those that write above all.
pub(crate) fn pragmas() -> [(&'static str, String); 6] {
    [
        // A commit returns when it is on the disk.
        ("synchronous", "FULL".into()),
        ("foreign_keys", "ON".into()),
        ("wal_autocheckpoint", WAL_CHECKPOINT_PAGES.to_string()),
        ("journal_size_limit", WAL_FILE_BYTES_TARGET.to_string()),
        // Read every cell with suspicion: the file may come from a failing disk.
        ("cell_size_check", "ON".into()),
        // In KiB where it is negative.
        ("cache_size", format!("-{}", PAGE_CACHE_BYTES_MAX / 1024)),
    ]
}

fn options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(BUSY_TIMEOUT_SECONDS))
        // Statements are fixed and counted; sqlx would log each of them.
        .disable_statement_logging();
    pragmas()
        .into_iter()
        .fold(options, |options, (name, value)| options.pragma(name, value))
}

/// Refuses a schema that is not UTF-8. sqlx's thread panics on one, and whoever asks at that moment gets an empty
/// answer or none; so this comes before every other question.
async fn check_schema_text(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let schema: Vec<Option<Vec<u8>>> = sqlx::query_scalar("SELECT CAST(sql AS BLOB) FROM sqlite_master")
        .fetch_all(connection)
        .await?;
    if schema
        .iter()
        .flatten()
        .any(|sql| std::str::from_utf8(sql).is_err())
    {
        return Err(StoreError::Corrupt(
            "the schema of the database is not text".into(),
        ));
    }
    Ok(())
}

/// Verifies the structure of the whole file, and that every index agrees with its table: a damaged index would make
/// documents vanish without a word.
pub(crate) async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let problems: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(10)")
        .fetch_all(&mut *connection)
        .await?;
    if problems != ["ok"] {
        return Err(StoreError::Corrupt(format!(
            "the integrity check found: {}. Restore a backup, or salvage the file with sqlite3's .recover",
            problems.join("; ")
        )));
    }
    let orphans: Vec<(String,)> = sqlx::query_as("SELECT \"table\" FROM pragma_foreign_key_check")
        .fetch_all(connection)
        .await?;
    match orphans.first() {
        None => Ok(()),
        Some((table,)) => Err(StoreError::Corrupt(format!(
            "{} rows belong to no document, the first of them in {table}",
            orphans.len()
        ))),
    }
}
