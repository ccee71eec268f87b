//! The right to write, and the two connections that do.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Mutex, MutexGuard};

use super::append::LogRow;
use super::appender::Appender;
use super::wal::Wal;
use crate::limits::KNOWN_DOCS_MAX;
use crate::record::Epoch;
use crate::{DocId, StoreError};

/// Lets one caller write at a time: through the [`Appender`] what is written all the time, and through a connection of
/// sqlx whatever takes more than one statement to find out.
///
/// SQLite has one writer anyway; waiting here is fair and costs nothing, waiting in SQLite is polling.
#[derive(Debug)]
pub(crate) struct Writer {
    database: PathBuf,
    wal: Wal,
    options: SqliteConnectOptions,
    slot: Mutex<Slot>,
}

#[derive(Debug)]
struct Slot {
    /// Taken out while somebody writes, and put back only after a clean end. A write that failed or was dropped
    /// half-way takes its connections with it: closing rolls back whatever was open.
    ///
    /// That is also what a failed fsync of a commit needs. The kernel may mark the pages clean after it, so a second fsync on
    /// the same pages would succeed without writing them. Nothing is synced twice here: the failed commit never
    /// reached SQLite's index of the write-ahead log, so the next transaction writes its own frames over the same
    /// place, and syncs those. For what the appender wrote, whose commits sync nothing, see [`Writer::trust_again`].
    connection: Option<SqliteConnection>,
    /// Taken out and put back likewise, by appends alone.
    appender: Option<Appender>,
    known: HashMap<DocId, KnownDoc>,
    closed: bool,
}

/// What an append needs to know of a document. Always what was committed: this process is the only writer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownDoc {
    pub(crate) id: i64,
    pub(crate) epoch: Epoch,
}

impl Writer {
    pub(crate) fn new(database: PathBuf, options: SqliteConnectOptions) -> Writer {
        Writer {
            wal: Wal::of(&database),
            database,
            options,
            slot: Mutex::new(Slot {
                connection: None,
                appender: None,
                known: HashMap::new(),
                closed: false,
            }),
        }
    }

    /// Waits for the turn, then opens a transaction that has the write lock.
    pub(crate) async fn begin(&self) -> Result<Turn<'_>, StoreError> {
        let mut turn = self.wait().await?;
        turn.begin().await?;
        Ok(turn)
    }

    /// Waits for the turn, and opens no transaction.
    pub(crate) async fn wait(&self) -> Result<Turn<'_>, StoreError> {
        let mut slot = self.slot.lock().await;
        if slot.closed {
            return Err(StoreError::Closed);
        }
        if self.wal.is_doubtful() {
            self.trust_again(&mut slot).await?;
        }
        let connection = match slot.connection.take() {
            Some(connection) => connection,
            None => {
                // Whatever went wrong before, its outcome may be unknown.
                slot.known.clear();
                self.options.connect().await?
            }
        };
        Ok(Turn {
            database: &self.database,
            wal: &self.wal,
            slot,
            connection,
        })
    }

    /// Returns when all that was read or appended until now is on the disk.
    pub(crate) async fn sync(&self) -> Result<(), StoreError> {
        self.wal.sync().await
    }

    /// After a failed sync: has the whole write-ahead log copied into the database, syncs that, and begins a new one. What is
    /// in it is read from memory, where it is whole; a hole on the disk would end it there after a loss of power.
    async fn trust_again(&self, slot: &mut Slot) -> Result<(), StoreError> {
        slot.known.clear();
        if let Some(appender) = slot.appender.take() {
            appender.close().await;
        }
        if let Some(connection) = slot.connection.take() {
            connection.close().await?;
        }
        let mut connection = self.options.connect().await?;
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut connection)
            .await?;
        if busy != 0 {
            return Err(StoreError::Unavailable(
                "a reader holds the write-ahead log, which has to be written anew".into(),
            ));
        }
        self.wal.trust_again().await?;
        slot.connection = Some(connection);
        Ok(())
    }

    /// Waits for the turn, then closes.
    pub(crate) async fn close(&self) {
        let mut slot = self.slot.lock().await;
        slot.closed = true;
        if let Some(appender) = slot.appender.take() {
            appender.close().await;
        }
        if let Some(connection) = slot.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the writing connection did not close cleanly");
        }
    }
}

/// The right to write. Dropping it without [`Turn::commit`] undoes what was begun, at the price of a new connection.
pub(crate) struct Turn<'a> {
    database: &'a Path,
    wal: &'a Wal,
    slot: MutexGuard<'a, Slot>,
    pub(crate) connection: SqliteConnection,
}

impl Turn<'_> {
    pub(crate) fn known(&self, doc: &DocId) -> Option<KnownDoc> {
        self.slot.known.get(doc).copied()
    }

    pub(crate) fn forget(&mut self, doc: &DocId) {
        self.slot.known.remove(doc);
    }

    /// Opens a transaction that has the write lock.
    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Commits, and returns when the transaction is on the disk. `learned` is true from then on, and only then.
    pub(crate) async fn commit(mut self, learned: Vec<(DocId, KnownDoc)>) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        self.end(learned);
        Ok(())
    }

    /// Has the rows written and committed; [`Writer::sync`] brings them to the disk.
    pub(crate) async fn append(mut self, rows: Vec<LogRow>) -> Result<(), StoreError> {
        let appender = match self.slot.appender.take() {
            Some(appender) => appender,
            None => Appender::start(self.database, self.wal.clone())?,
        };
        appender.append(rows).await?;
        self.slot.appender = Some(appender);
        self.end(Vec::new());
        Ok(())
    }

    /// Ends a turn that opened nothing, or whose transaction has been committed.
    pub(crate) fn end(mut self, learned: Vec<(DocId, KnownDoc)>) {
        if self.slot.known.len() + learned.len() > KNOWN_DOCS_MAX {
            self.slot.known.clear();
        }
        self.slot.known.extend(learned);
        self.slot.connection = Some(self.connection);
    }

    /// Undoes the transaction and keeps the connection.
    pub(crate) async fn rollback(mut self) -> Result<(), StoreError> {
        sqlx::query("ROLLBACK").execute(&mut self.connection).await?;
        self.slot.connection = Some(self.connection);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{AppendId, Batch, DocId, Epoch, Record, SqliteStore, Store, StoreError};

    fn batch(bytes: usize) -> Batch {
        let record = Record {
            user: None,
            client: 1,
            time_ms: 0,
            update: vec![7; bytes].into(),
        };
        let doc = DocId::in_default_tenant("a").unwrap();
        Batch {
            doc,
            epoch: Epoch::FIRST,
            records: vec![record],
        }
    }

    async fn rows(store: &SqliteStore) -> usize {
        store.load(&batch(0).doc).await.unwrap().rows.len()
    }

    /// SQLite can be told that the disk ends soon, but only on the connection in question.
    async fn fill_the_disk(store: &SqliteStore) {
        let _ = store.append(&[batch(10)]).await.unwrap();
        let slot = store.writer.slot.lock().await;
        let appender = slot.appender.as_ref().unwrap();
        appender.run("PRAGMA max_page_count = 100").await;
    }

    #[tokio::test]
    async fn a_full_disk_fails_whole_appends_and_heals() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
        let _ = store.append(&[batch(10)]).await.unwrap();
        fill_the_disk(&store).await;
        let refused = store.append(&[batch(10), batch(1 << 20)]).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Full(_)) && refused.is_retryable(),
            "{refused}"
        );
        assert_eq!(rows(&store).await, 2);
        let _ = store.append(&[batch(10), batch(1 << 20)]).await.unwrap();
        assert_eq!(rows(&store).await, 4);
    }

    /// What `.cargo/config.toml` asks for has reached the C compiler; the choice of fdatasync, which stands in the same
    /// line, cannot be asked for.
    #[tokio::test]
    async fn sqlite_is_built_as_we_ask() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
        let mut turn = store.writer.wait().await.unwrap();
        let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options")
            .fetch_all(&mut turn.connection)
            .await
            .unwrap();
        assert!(
            options.iter().any(|option| option == "DEFAULT_MEMSTATUS=0"),
            "{options:?}"
        );
    }

    #[tokio::test]
    async fn a_lost_appender_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
        for _ in 0..2 {
            let _ = store.append(&[batch(10)]).await.unwrap();
        }
        let lost = store.writer.slot.lock().await.appender.take().unwrap();
        lost.close().await;
        let _ = store.append(&[batch(10)]).await.unwrap();
        assert_eq!(rows(&store).await, 3);
    }

    #[tokio::test]
    async fn an_epoch_is_forgotten_with_a_lost_connection() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
        let _ = store.append(&[batch(10)]).await.unwrap();
        assert!(store.writer.slot.lock().await.known.contains_key(&batch(0).doc));
        drop(store.writer.begin().await.unwrap());
        let turn = store.writer.begin().await.unwrap();
        assert!(turn.known(&batch(0).doc).is_none());
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_vouched_for_until_the_log_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
        // The second is written by the appender: the document is known then.
        let _ = store.append(&[batch(10)]).await.unwrap();
        let _ = store.write_once(AppendId::fresh(), &[batch(10)]).await.unwrap();
        store.writer.wal.doubt();
        let refused = store.sync().await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
        assert!(store.load(&batch(0).doc).await.is_err());
        let _ = store.append(&[batch(10)]).await.unwrap();
        assert!(!store.writer.wal.is_doubtful());
        store.sync().await.unwrap();
        assert_eq!(rows(&store).await, 3);
    }

    #[tokio::test]
    async fn a_write_is_read_at_once_and_a_load_brings_it_to_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
        let _ = store.append(&[batch(10)]).await.unwrap();
        let written = store.write_once(AppendId::fresh(), &[batch(10)]).await.unwrap();
        assert!(!written.is_on_disk);
        assert!(!store.writer.wal.is_clean());
        assert_eq!(rows(&store).await, 2);
        assert!(store.writer.wal.is_clean());
    }
}
