//! For several nodes: documents in a PostgreSQL database that all of them share.

mod append;
mod chat;
mod compact;
mod connections;
mod document;
mod follow;
mod lease;
mod ledger;
mod open;
mod options;
mod quarantine;
mod read;
mod registry;
mod schema;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use sqlx::Connection;

use self::append::Appender;
use self::connections::{Connections, watched, within};
use self::follow::Follower;
use self::lease::Claims;
pub use self::options::{BadPostgresUrl, PostgresOptions};
use crate::blobs::{BlobKey, Collectable, LargeSnapshot, Snapshots, collect};
use crate::chat::Chats;
use crate::follow::Follow;
use crate::record::{AppendId, Batch, Epoch, Record};
use crate::rows::blob::BlobTables;
use crate::rows::segment;
use crate::rows::sql::Tables;
use crate::store::{Appended, Compacted, Compaction, DocInfo, HistoryCursor, HistoryPage, Quarantined};
use crate::{DocId, NodeEntry, NodeReport, Store, StoreError, Stored};

/// Documents in a PostgreSQL database (14 or newer), committed with `synchronous_commit=on`: what an append has returned
/// for survives the end of the server and the loss of its power.
///
/// Any number of processes may have the same database open, and write to the same documents at the same time. Nothing
/// that another one may change is remembered here; each statement that writes holds the row of its document
/// (`migrations/postgres/0001_documents.sql`).
///
/// An append whose answer was lost is stored once when it is tried again through [`Store::append_once`], also when the
/// first attempt is still under way in the server.
///
/// No call waits for ever: see the bounds in [`crate::limits`] that begin with `POSTGRES`.
pub struct PostgresStore {
    writers: Connections,
    readers: Connections,
    heartbeats: Connections,
    appender: Arc<Appender>,
    follower: Arc<Follower>,
    claims: Claims,
    snapshots: Snapshots,
}

impl PostgresStore {
    /// Connects, and brings an older schema up to date. The database has to exist; everything in it is made here.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be reached or is starting, [`StoreError::Misconfigured`] when it does not let
    /// us in, could lose what it has acknowledged or is too old, [`StoreError::Schema`] when a newer version wrote it.
    pub async fn open(options: PostgresOptions) -> Result<PostgresStore, StoreError> {
        open::open(options).await
    }

    async fn reserve(&self, snapshot: &LargeSnapshot<'_>) -> Result<BlobKey, StoreError> {
        let mut lease = self.writers.lease().await?;
        let reserved = lease.connection().reserve_blob(&snapshot.hash, snapshot.bytes());
        let reserved = within(reserved).await;
        lease.settle(reserved)
    }

    async fn begin_compaction(
        &self,
        doc: &DocId,
        merge: &Compaction,
    ) -> Result<Option<compact::Begun>, StoreError> {
        let claimed = self.claims.take(doc);
        let mut lease = self.readers.lease().await?;
        let begun = compact::begin(lease.connection(), self.appender.run, claimed, doc, merge);
        let begun = within(begun).await;
        lease.settle(begun)
    }
}

impl Collectable for PostgresStore {
    async fn condemn(&self, grace_ms: i64) -> Result<usize, StoreError> {
        let mut lease = self.writers.lease().await?;
        let condemned = within(async {
            let mut transaction = lease.connection().begin().await?;
            let waiting = transaction.lock_waiting_blobs(grace_ms).await?;
            let count = waiting.len();
            transaction.condemn_blobs(waiting).await?;
            transaction.commit().await?;
            Ok(count)
        });
        let condemned = condemned.await;
        lease.settle(condemned)
    }

    async fn condemned(&self, grace_ms: i64) -> Result<Vec<BlobKey>, StoreError> {
        let mut lease = self.readers.lease().await?;
        let condemned = within(lease.connection().condemned_blobs(grace_ms)).await;
        lease.settle(condemned)
    }

    async fn forget(&self, blobs: &[BlobKey]) -> Result<(), StoreError> {
        let mut lease = self.writers.lease().await?;
        let forgotten = within(async {
            for blob in blobs {
                lease.connection().forget_blob(blob).await?;
            }
            Ok(())
        });
        let forgotten = forgotten.await;
        lease.settle(forgotten)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("run", &self.appender.run)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn load(&self, doc: &DocId) -> Result<Stored, StoreError> {
        let mut lost = Vec::new();
        loop {
            let mut lease = self.readers.lease().await?;
            let loaded = within(read::load(lease.connection(), doc, &lost)).await;
            let loaded = lease.settle(loaded)?;
            if let Some((stored, row)) = self.snapshots.complete(loaded, &mut lost).await? {
                if let Some(row) = row {
                    self.appender.learn(doc, row.id);
                }
                return Ok(stored);
            }
        }
    }

    async fn append(&self, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
        self.append_once(AppendId::fresh(), batches).await
    }

    async fn append_once(&self, id: AppendId, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
        let framed = Appender::frame(batches)?;
        let mut lease = self.writers.lease().await?;
        let watch = lease.watch();
        let appended = self.appender.append(lease.connection(), id, batches, &framed);
        // It has a name: that it is tried again does no harm.
        let appended = watched(watch, appended).await;
        lease.settle(appended)
    }

    async fn claim_compaction(&self, doc: &DocId) -> Result<bool, StoreError> {
        let mut lease = self.writers.lease().await?;
        let claimed = within(lease::claim_document(lease.connection(), self.appender.run, doc)).await;
        match lease.settle(claimed)? {
            Some(token) => {
                self.claims.keep(doc, token);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn compact(&self, doc: &DocId, merge: Compaction) -> Result<Compacted, StoreError> {
        let Some(begun) = self.begin_compaction(doc, &merge).await? else {
            return Ok(Compacted::Stale);
        };
        let segments = segment::pack(begun.rows).await?;
        let blob = match self.snapshots.large(&merge.update).await? {
            Some(snapshot) => {
                let key = self.reserve(&snapshot).await?;
                snapshot.put(&key).await?;
                Some(key)
            }
            None => None,
        };
        let mut lease = self.writers.lease().await?;
        let (run, token) = (self.appender.run, begun.token);
        let written = compact::write(
            lease.connection(),
            run,
            token,
            doc,
            merge,
            blob.as_ref(),
            segments,
        );
        let written = within(written).await;
        lease.settle(written)
    }

    async fn history(
        &self,
        doc: &DocId,
        after: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        let mut lease = self.readers.lease().await?;
        let page = within(read::history(lease.connection(), doc, after, limit)).await;
        lease.settle(page)
    }

    async fn exists(&self, doc: &DocId) -> Result<bool, StoreError> {
        let mut lease = self.readers.lease().await?;
        let row = within(lease.connection().document(doc)).await;
        Ok(lease.settle(row)?.is_some_and(|row| row.created_ms.is_some()))
    }

    async fn list(
        &self,
        tenant: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DocInfo>, StoreError> {
        let mut lease = self.readers.lease().await?;
        let docs = within(lease.connection().list_documents(tenant, after, limit)).await;
        lease.settle(docs)
    }

    async fn delete(&self, doc: &DocId) -> Result<Epoch, StoreError> {
        let mut lease = self.writers.lease().await?;
        let epoch = within(document::delete(lease.connection(), doc)).await;
        lease.settle(epoch)
    }

    async fn quarantine(&self, doc: &DocId, record: &Record, reason: &str) -> Result<(), StoreError> {
        let mut lease = self.writers.lease().await?;
        let kept = within(quarantine::insert(lease.connection(), doc, record, reason)).await;
        lease.settle(kept)
    }

    async fn quarantined(&self, doc: &DocId) -> Result<Vec<Quarantined>, StoreError> {
        let mut lease = self.readers.lease().await?;
        let quarantined = within(quarantine::list(lease.connection(), doc)).await;
        lease.settle(quarantined)
    }

    async fn collect_blobs(&self, grace: Duration) -> Result<usize, StoreError> {
        match self.snapshots.store() {
            Some(blobs) => collect(self, blobs, grace).await,
            None => Ok(0),
        }
    }

    async fn health(&self) -> Result<(), StoreError> {
        let mut lease = self.writers.lease().await?;
        let checked = within(health(&self.appender.node, lease.connection())).await;
        lease.settle(checked)
    }

    async fn heartbeat(&self, report: &NodeReport) -> Result<Vec<NodeEntry>, StoreError> {
        let mut lease = self.heartbeats.lease().await?;
        let (run, node) = (self.appender.run, &self.appender.node);
        let connection = lease.connection();
        let listed = within(async {
            registry::renew(connection, run, node, report).await?;
            registry::list(connection).await
        })
        .await;
        lease.settle(listed)
    }

    async fn sign_off(&self) -> Result<(), StoreError> {
        let mut lease = self.heartbeats.lease().await?;
        let removed = within(registry::remove(lease.connection(), self.appender.run)).await;
        lease.settle(removed)
    }

    fn chats(&self) -> Option<&dyn Chats> {
        Some(self)
    }

    fn follow(&self) -> Option<Arc<dyn Follow>> {
        Some(self.follower.clone())
    }

    async fn now(&self) -> Result<Option<SystemTime>, StoreError> {
        let mut lease = self.readers.lease().await?;
        let told = within(now(lease.connection())).await;
        lease.settle(told).map(Some)
    }

    async fn close(&self) {
        self.writers.close().await;
        self.readers.close().await;
        self.heartbeats.close().await;
    }
}

/// The time at this moment, and not at the begin of a transaction.
async fn now(connection: &mut sqlx::PgConnection) -> Result<SystemTime, StoreError> {
    let since_ms: i64 = sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        .fetch_one(connection)
        .await?;
    u64::try_from(since_ms)
        .ok()
        .and_then(|since_ms| UNIX_EPOCH.checked_add(Duration::from_millis(since_ms)))
        .ok_or_else(|| StoreError::Corrupt(format!("PostgreSQL's clock shows {since_ms} ms since 1970")))
}

/// Writes a few bytes, with a commit. A line a node: nodes do not wait for each other here.
async fn health(node: &str, connection: &mut sqlx::PgConnection) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO health (node, checked_at) VALUES ($1, now()) \
         ON CONFLICT (node) DO UPDATE SET checked_at = excluded.checked_at",
    )
    .bind(node)
    .execute(connection)
    .await?;
    Ok(())
}
