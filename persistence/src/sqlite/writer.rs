//! The right to write, and the two connections that do.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::PoisonError;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Mutex, MutexGuard};

use super::appender::Appender;
use super::table::Framed;
use super::tail::{Place, Tail};
use crate::limits::KNOWN_DOCS_MAX;
use crate::record::Epoch;
use crate::{Appended, DocId, StoreError};

/// Lets one caller write to the tables at a time: what is appended to the log through the [`Appender`], and whatever else through a
/// connection of sqlx.
///
/// SQLite has one writer anyway; waiting here is fair and costs nothing, waiting in SQLite is polling. The [`Tail`] has a lock of
/// its own, which whoever holds both takes second.
#[derive(Debug)]
pub(crate) struct Writer {
    database: PathBuf,
    options: SqliteConnectOptions,
    pub(crate) tail: Tail,
    /// Always what was committed: this process is the only writer.
    known: std::sync::Mutex<HashMap<DocId, KnownDoc>>,
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
    /// place, and syncs those.
    connection: Option<SqliteConnection>,
    /// Taken out and put back likewise.
    appender: Option<Appender>,
    closed: bool,
}

/// What an append needs to know of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownDoc {
    pub(crate) id: i64,
    pub(crate) epoch: Epoch,
}

impl Writer {
    pub(crate) fn new(database: PathBuf, options: SqliteConnectOptions, place: Place) -> Writer {
        Writer {
            tail: Tail::new(&database, place),
            database,
            options,
            known: std::sync::Mutex::default(),
            slot: Mutex::new(Slot {
                connection: None,
                appender: None,
                closed: false,
            }),
        }
    }

    pub(crate) fn known(&self) -> std::sync::MutexGuard<'_, HashMap<DocId, KnownDoc>> {
        // Nothing in here can panic half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn, then opens a transaction that has the write lock.
    pub(crate) async fn begin(&self) -> Result<Turn<'_>, StoreError> {
        let mut turn = self.wait().await?;
        turn.begin().await?;
        Ok(turn)
    }

    /// As [`Writer::begin`], with all in the table that was ever appended to this document, and nothing on its way there.
    pub(crate) async fn begin_alone(&self, doc: &DocId) -> Result<Turn<'_>, StoreError> {
        let mut turn = self.wait().await?;
        // From here on an append has to look it up, for which it waits for this turn.
        turn.forget(doc);
        turn.fold().await?;
        turn.begin().await?;
        Ok(turn)
    }

    /// Waits for the turn, and opens no transaction.
    pub(crate) async fn wait(&self) -> Result<Turn<'_>, StoreError> {
        let mut slot = self.slot().await?;
        let connection = match slot.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Turn {
            writer: self,
            slot,
            connection,
        })
    }

    /// Appends to the table, behind what the tail has of these documents, and returns when that is on the disk.
    pub(crate) async fn append(&self, batches: Vec<Framed>) -> Result<Vec<Appended>, StoreError> {
        let mut slot = self.slot().await?;
        for batch in &batches {
            if self.tail.holds(&batch.doc).await {
                self.fold_all(&mut slot).await?;
            }
        }
        let appender = self.appender(&mut slot)?;
        let done = appender.append(batches).await?;
        slot.appender = Some(appender);
        // Still in the turn: who deletes a document makes it unknown in a turn of its own.
        let mut known = self.known();
        if known.len() + done.learned.len() > KNOWN_DOCS_MAX {
            known.clear();
        }
        known.extend(done.learned);
        Ok(done.appended)
    }

    async fn slot(&self) -> Result<MutexGuard<'_, Slot>, StoreError> {
        let slot = self.slot.lock().await;
        match slot.closed {
            true => Err(StoreError::Closed),
            false => Ok(slot),
        }
    }

    /// Puts all that was appended until now into the table, where it is on the disk as well.
    pub(crate) async fn fold(&self) -> Result<(), StoreError> {
        self.fold_all(&mut *self.slot().await?).await
    }

    /// Puts what is in the tail up to this generation into the table.
    pub(crate) async fn fold_to(&self, generation: u64) -> Result<(), StoreError> {
        let mut slot = self.slot().await?;
        self.fold_up_to(&mut slot, generation).await
    }

    /// As [`Writer::fold`], if something of this document may be outside.
    pub(crate) async fn fold_for(&self, doc: &DocId) -> Result<(), StoreError> {
        match self.tail.holds(doc).await {
            true => self.fold().await,
            false => Ok(()),
        }
    }

    async fn fold_all(&self, slot: &mut Slot) -> Result<(), StoreError> {
        let last = self.tail.current().await;
        self.fold_up_to(slot, last).await
    }

    async fn fold_up_to(&self, slot: &mut Slot, last: u64) -> Result<(), StoreError> {
        while let Some(sealed) = self.tail.seal(last).await {
            let generation = sealed.generation;
            let appender = self.appender(slot)?;
            appender.fold(sealed).await?;
            slot.appender = Some(appender);
            self.tail.folded(generation).await;
        }
        self.tail.trust_up_to(last);
        Ok(())
    }

    fn appender(&self, slot: &mut Slot) -> Result<Appender, StoreError> {
        match slot.appender.take() {
            Some(appender) => Ok(appender),
            None => Appender::start(&self.database),
        }
    }

    /// Waits for the turn, then closes.
    pub(crate) async fn close(&self) {
        let mut slot = self.slot.lock().await;
        self.tail.refuse().await;
        if !slot.closed
            && let Err(error) = self.fold_all(&mut slot).await
        {
            tracing::warn!(%error, "the log's tail stays outside the table, for the next start");
        }
        slot.closed = true;
        self.tail.delete_empty().await;
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

/// The right to write to the tables. Dropping it without [`Turn::commit`] undoes what was begun, at the price of a new connection.
pub(crate) struct Turn<'a> {
    writer: &'a Writer,
    slot: MutexGuard<'a, Slot>,
    pub(crate) connection: SqliteConnection,
}

impl Turn<'_> {
    pub(crate) fn forget(&mut self, doc: &DocId) {
        self.writer.known().remove(doc);
    }

    /// Puts all that was appended until now into the table. Not inside a transaction.
    pub(crate) async fn fold(&mut self) -> Result<(), StoreError> {
        self.writer.fold_all(&mut self.slot).await
    }

    /// Opens a transaction that has the write lock.
    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Commits, and returns when the transaction is on the disk.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        self.slot.connection = Some(self.connection);
        Ok(())
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
    use tempfile::TempDir;

    use crate::limits::{TAIL_BYTES_MAX, TAIL_GROUP_BYTES_MAX};
    use crate::{AppendId, Batch, DocId, Epoch, Record, SqliteStore, Store, StoreError};

    /// An update that goes past the tail.
    const LARGE_BYTES: usize = 1 << 20;

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

    /// How many updates there are.
    async fn updates(store: &SqliteStore) -> usize {
        store.load(&batch(0).doc).await.unwrap().updates().count()
    }

    async fn open(folder: &TempDir) -> SqliteStore {
        SqliteStore::open(&folder.path().join("a.db")).await.unwrap()
    }

    async fn fresh() -> (SqliteStore, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (open(&folder).await, folder)
    }

    /// With an update in the table, which made the document known, and one in the tail.
    async fn with_tail() -> (SqliteStore, TempDir) {
        let (store, folder) = fresh().await;
        for is_on_disk in [true, false] {
            let written = store.write_once(AppendId::fresh(), &[batch(10)]).await.unwrap();
            assert_eq!(written.is_on_disk, is_on_disk);
        }
        (store, folder)
    }

    /// SQLite can be told that the disk ends soon, but only on the connection in question.
    async fn fill_the_disk(store: &SqliteStore) {
        let _ = store.append(&[batch(LARGE_BYTES)]).await.unwrap();
        let slot = store.writer.slot.lock().await;
        let appender = slot.appender.as_ref().unwrap();
        // No less than there are.
        appender.run("PRAGMA max_page_count = 1").await;
    }

    #[tokio::test]
    async fn a_full_disk_fails_whole_appends_and_heals() {
        let (store, _folder) = fresh().await;
        let _ = store.append(&[batch(10)]).await.unwrap();
        fill_the_disk(&store).await;
        let refused = store.append(&[batch(10), batch(LARGE_BYTES)]).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Full(_)) && refused.is_retryable(),
            "{refused}"
        );
        assert_eq!(updates(&store).await, 2);
        let _ = store.append(&[batch(10), batch(LARGE_BYTES)]).await.unwrap();
        assert_eq!(updates(&store).await, 4);
    }

    /// The space for the tail is taken when it is made.
    #[tokio::test]
    async fn small_appends_go_on_beside_a_full_table() {
        let (store, _folder) = fresh().await;
        let _ = store.append(&[batch(10)]).await.unwrap();
        fill_the_disk(&store).await;
        let mut taken = 0;
        for _ in 0..TAIL_BYTES_MAX / TAIL_GROUP_BYTES_MAX {
            let _ = store.append(&[batch(TAIL_GROUP_BYTES_MAX / 2)]).await.unwrap();
            taken += 1;
        }
        let refused = store.load(&batch(0).doc).await.unwrap_err();
        assert!(matches!(refused, StoreError::Full(_)), "{refused}");
        // The appender that failed is replaced, by one that has space.
        while store.writer.tail.current().await < 3 {
            let _ = store.append(&[batch(TAIL_GROUP_BYTES_MAX / 2)]).await.unwrap();
            taken += 1;
        }
        assert!(taken > TAIL_BYTES_MAX / TAIL_GROUP_BYTES_MAX, "{taken}");
        assert_eq!(updates(&store).await, taken + 2);
    }

    #[tokio::test]
    async fn what_goes_past_the_tail_comes_behind_what_is_in_it() {
        let (store, _folder) = fresh().await;
        for bytes in [1, 2, LARGE_BYTES, 3] {
            let _ = store.append(&[batch(bytes)]).await.unwrap();
        }
        let stored = store.load(&batch(0).doc).await.unwrap();
        let lengths: Vec<usize> = stored.updates().map(|update| update.len()).collect();
        assert_eq!(lengths, [1, 2, LARGE_BYTES, 3]);
    }

    #[tokio::test]
    async fn what_many_appends_wrote_for_a_document_becomes_one_row() {
        let (store, _folder) = fresh().await;
        for _ in 0..9 {
            let _ = store.append(&[batch(10)]).await.unwrap();
        }
        let stored = store.load(&batch(0).doc).await.unwrap();
        // The first was in the table at once: it made the document.
        assert_eq!((stored.rows.len(), stored.updates().count()), (2, 9));
    }

    #[tokio::test]
    async fn a_closed_database_has_no_tail() {
        let (store, folder) = with_tail().await;
        let tail = || {
            std::fs::read_dir(folder.path())
                .unwrap()
                .any(|entry| entry.unwrap().file_name().to_string_lossy().contains("-tail"))
        };
        assert!(tail());
        store.close().await;
        assert!(!tail());
        assert_eq!(updates(&open(&folder).await).await, 2);
    }

    #[tokio::test]
    async fn a_health_check_leaves_nothing_outside_the_table() {
        let (store, _folder) = with_tail().await;
        assert!(store.writer.tail.holds(&batch(0).doc).await);
        store.health().await.unwrap();
        assert!(!store.writer.tail.holds(&batch(0).doc).await);
    }

    /// What `.cargo/config.toml` asks for has reached the C compiler; the choice of fdatasync, which stands in the same
    /// line, cannot be asked for.
    #[tokio::test]
    async fn sqlite_is_built_as_we_ask() {
        let (store, _folder) = fresh().await;
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
        let (store, _folder) = fresh().await;
        for _ in 0..2 {
            let _ = store.append(&[batch(LARGE_BYTES)]).await.unwrap();
        }
        let lost = store.writer.slot.lock().await.appender.take().unwrap();
        lost.close().await;
        let _ = store.append(&[batch(LARGE_BYTES)]).await.unwrap();
        assert_eq!(updates(&store).await, 3);
    }

    #[tokio::test]
    async fn a_document_is_forgotten_before_its_deletion_begins() {
        let (store, _folder) = fresh().await;
        let _ = store.append(&[batch(10)]).await.unwrap();
        drop(store.writer.begin().await.unwrap());
        let is_known = || store.writer.known().contains_key(&batch(0).doc);
        assert!(is_known());
        // Whatever becomes of it: the next append looks it up.
        drop(store.writer.begin_alone(&batch(0).doc).await.unwrap());
        assert!(!is_known());
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_vouched_for_until_the_tail_is_folded() {
        let (store, _folder) = with_tail().await;
        store.writer.tail.doubt();
        let refused = store.sync().await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
        let _ = store.append(&[batch(10)]).await.unwrap();
        assert!(!store.writer.tail.is_doubtful());
        store.sync().await.unwrap();
        assert_eq!(updates(&store).await, 3);
    }

    #[tokio::test]
    async fn after_a_failed_write_nothing_is_vouched_for_either() {
        let (store, _folder) = with_tail().await;
        store.writer.tail.fail_writes().await;
        assert!(store.write_once(AppendId::fresh(), &[batch(10)]).await.is_err());
        assert!(store.sync().await.is_err(), "the one before it was never synced");
        let _ = store.append(&[batch(10)]).await.unwrap();
        store.sync().await.unwrap();
        assert_eq!(updates(&store).await, 3);
    }

    #[tokio::test]
    async fn what_is_old_goes_into_the_table_by_itself() {
        let (store, _folder) = with_tail().await;
        // Only here: a pool that waits for a thread must not wait for ever in a moment.
        tokio::time::pause();
        while store.writer.tail.holds(&batch(0).doc).await {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        tokio::time::resume();
        assert_eq!(updates(&store).await, 2);
    }

    #[tokio::test]
    async fn a_write_is_read_at_once_and_a_load_brings_it_to_the_disk() {
        let (store, _folder) = with_tail().await;
        assert!(!store.writer.tail.is_clean().await);
        assert_eq!(updates(&store).await, 2);
        assert!(store.writer.tail.is_clean().await);
    }
}
