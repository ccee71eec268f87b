//! The embedded default: one SQLite file beside the server.

mod append;
mod appender;
mod chat;
mod compact;
mod document;
mod lock;
mod open;
mod quarantine;
mod read;
mod table;
mod tail;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};

use self::lock::DatabaseLock;
use self::writer::Writer;
use crate::blobs::{BlobKey, BlobStore, Collectable, LargeSnapshot, Snapshots, collect};
use crate::chat::Chats;
use crate::record::{AppendId, Batch, Epoch, Record};
use crate::rows::blob::BlobTables;
use crate::rows::segment;
use crate::rows::sql::Tables;
use crate::store::{
    Appended, Compacted, Compaction, DocInfo, HistoryCursor, HistoryPage, Quarantined, Written,
};
use crate::{DocId, Store, StoreError, Stored};

/// Documents in one SQLite file, in WAL mode: what an append has returned for survives the end of the process and the loss
/// of power, and what a write has returned for the end of the process.
///
/// One process per file (see [`SqliteStore::open`]), any number of tasks in it.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Arc<Writer>,
    readers: SqlitePool,
    snapshots: Snapshots,
    /// Held for as long as the file is open; `None` once it is closed.
    lock: Mutex<Option<DatabaseLock>>,
}

impl SqliteStore {
    /// Opens a database, and creates it and its folder when they are not there. Beside the file stand SQLite's
    /// `-wal` and `-shm`, `-tail0` and `-tail1` with what was appended last, and a `.lock`.
    ///
    /// Brings an older schema up to date. Checks the whole file when it is not large
    /// ([`crate::limits::CHECK_AT_OPEN_BYTES_MAX`]).
    ///
    /// [`StoreError::InUse`] when another process has it open, [`StoreError::Schema`] when a newer version wrote it,
    /// [`StoreError::Corrupt`] when the file is damaged in its structure: going on would damage it further, so it
    /// takes a person to restore a backup or to salvage it with `sqlite3 <file> .recover`.
    pub async fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        open::open(path, None).await
    }

    /// As [`SqliteStore::open`], with large snapshots in a blob store.
    ///
    /// # Errors
    /// Those of `open`, which also refuses a database that was opened this way before.
    pub async fn open_with_blobs(path: &Path, blobs: BlobStore) -> Result<SqliteStore, StoreError> {
        open::open(path, Some(blobs)).await
    }

    async fn reserve(&self, snapshot: &LargeSnapshot<'_>) -> Result<BlobKey, StoreError> {
        let mut turn = self.writer.begin().await?;
        let key = turn
            .connection
            .reserve_blob(&snapshot.hash, snapshot.bytes())
            .await?;
        turn.commit().await?;
        Ok(key)
    }

    /// Reads the whole file and verifies its structure, as [`SqliteStore::open`] does for a small one. Takes about a
    /// second per 256 MiB, on one of the read connections; writes go on meanwhile.
    pub async fn check(&self) -> Result<(), StoreError> {
        let mut connection = self.readers.acquire().await?;
        let checked = open::check(&mut connection).await;
        settle(connection, checked)
    }
}

/// The path of a file beside the database, whose name goes on with this.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Throws a read connection away whose call failed: SQLite may go on refusing on it after an I/O error.
fn settle<T>(mut connection: PoolConnection<Sqlite>, result: Result<T, StoreError>) -> Result<T, StoreError> {
    if result.is_err() {
        connection.close_on_drop();
    }
    result
}

impl Collectable for SqliteStore {
    async fn condemn(&self, grace_ms: i64) -> Result<usize, StoreError> {
        let mut turn = self.writer.begin().await?;
        let waiting = turn.connection.lock_waiting_blobs(grace_ms).await?;
        let count = waiting.len();
        turn.connection.condemn_blobs(waiting).await?;
        turn.commit().await?;
        Ok(count)
    }

    async fn condemned(&self, grace_ms: i64) -> Result<Vec<BlobKey>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let condemned = connection.condemned_blobs(grace_ms).await;
        settle(connection, condemned)
    }

    async fn forget(&self, blobs: &[BlobKey]) -> Result<(), StoreError> {
        let mut turn = self.writer.begin().await?;
        for blob in blobs {
            turn.connection.forget_blob(blob).await?;
        }
        turn.commit().await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self, doc: &DocId) -> Result<Stored, StoreError> {
        // Whoever has it takes it for saved, and what is in the tables is on the disk.
        self.writer.fold_for(doc).await?;
        let mut lost = Vec::new();
        loop {
            let mut connection = self.readers.acquire().await?;
            let loaded = read::load(&mut connection, doc, &lost).await;
            let loaded = settle(connection, loaded)?;
            if let Some((stored, _)) = self.snapshots.complete(loaded, &mut lost).await? {
                return Ok(stored);
            }
        }
    }

    async fn append(&self, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
        let written = append::write(&self.writer, batches).await?;
        if !written.is_on_disk {
            self.writer.tail.sync().await?;
        }
        Ok(written.appended)
    }

    async fn write_once(&self, _id: AppendId, batches: &[Batch]) -> Result<Written, StoreError> {
        append::write(&self.writer, batches).await
    }

    async fn sync(&self) -> Result<(), StoreError> {
        self.writer.tail.sync().await
    }

    async fn compact(&self, doc: &DocId, merge: Compaction) -> Result<Compacted, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let merged = compact::read(&mut connection, doc, &merge).await;
        let Some(merged) = settle(connection, merged)? else {
            return Ok(Compacted::Stale);
        };
        let segments = segment::pack(merged).await?;
        let blob = match self.snapshots.large(&merge.update).await? {
            Some(snapshot) => {
                let key = self.reserve(&snapshot).await?;
                snapshot.put(&key).await?;
                Some(key)
            }
            None => None,
        };
        compact::write(&self.writer, doc, merge, blob.as_ref(), segments).await
    }

    async fn history(
        &self,
        doc: &DocId,
        after: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        self.writer.fold_for(doc).await?;
        let mut connection = self.readers.acquire().await?;
        let page = read::history(&mut connection, doc, after, limit).await;
        settle(connection, page)
    }

    async fn exists(&self, doc: &DocId) -> Result<bool, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let row = connection.document(doc).await;
        Ok(settle(connection, row)?.is_some_and(|row| row.created_ms.is_some()))
    }

    async fn list(
        &self,
        tenant: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DocInfo>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let docs = connection.list_documents(tenant, after, limit).await;
        settle(connection, docs)
    }

    async fn delete(&self, doc: &DocId) -> Result<Epoch, StoreError> {
        document::delete(self.writer.begin_alone(doc).await?, doc).await
    }

    async fn quarantine(&self, doc: &DocId, record: &Record, reason: &str) -> Result<(), StoreError> {
        quarantine::insert(self.writer.begin().await?, doc, record, reason).await
    }

    async fn quarantined(&self, doc: &DocId) -> Result<Vec<Quarantined>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let quarantined = quarantine::list(&mut connection, doc).await;
        settle(connection, quarantined)
    }

    async fn collect_blobs(&self, grace: Duration) -> Result<usize, StoreError> {
        match self.snapshots.store() {
            Some(blobs) => collect(self, blobs, grace).await,
            None => Ok(0),
        }
    }

    async fn health(&self) -> Result<(), StoreError> {
        let mut turn = self.writer.wait().await?;
        turn.fold().await?;
        turn.begin().await?;
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES ('health', 1) \
             ON CONFLICT (key) DO UPDATE SET value = (value + 1) % 1000000",
        )
        .execute(&mut turn.connection)
        .await?;
        turn.commit().await
    }

    fn chats(&self) -> Option<&dyn Chats> {
        Some(self)
    }

    async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
        // Last: until here the file is still open.
        self.lock
            .lock()
            .expect("nothing panics while it holds the lock")
            .take();
    }
}
