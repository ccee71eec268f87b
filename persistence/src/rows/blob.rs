//! Rows of the table `blobs`: what makes it safe to delete an object while others are being put.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::sql::Answer;
use crate::StoreError;
use crate::blobs::{BlobHash, BlobId, BlobKey};
use crate::limits::BLOBS_AT_ONCE_COUNT_MAX;

/// A connection to a database with the table `blobs`. All times are of the database's clock.
pub(crate) trait BlobTables: Send {
    /// Enters an object before it is put, or lets the one that has these bytes wait anew. From now on for the grace period it is
    /// not condemned.
    fn reserve_blob(&mut self, hash: &BlobHash, bytes: u64) -> impl Answer<BlobKey>;

    /// Lets a blob be held, in the transaction that writes what refers to it. `false` when it was condemned since it was
    /// reserved: the transaction is to be undone.
    fn hold_blob(&mut self, blob: &BlobKey) -> impl Answer<bool>;

    /// Locks blobs that have waited for so long that nobody is about to hold them. In a transaction, before
    /// [`BlobTables::condemn_blobs`]: only what is asked after the lock is known to stay so.
    fn lock_waiting_blobs(&mut self, grace_ms: i64) -> impl Answer<Vec<i64>>;

    /// Condemns those of the blobs that nothing refers to; the others are held. Returns how many were condemned.
    fn condemn_blobs(&mut self, ids: Vec<i64>) -> impl Answer<u64>;

    /// The blobs that were condemned so long ago that nobody is still putting or reading them.
    fn condemned_blobs(&mut self, grace_ms: i64) -> impl Answer<Vec<BlobKey>>;

    /// Forgets a condemned blob, once its object is deleted.
    fn forget_blob(&mut self, blob: &BlobKey) -> impl Answer<()>;

    /// Whether some snapshot is in a blob.
    fn has_blobs(&mut self) -> impl Answer<bool>;
}

/// A row as it was read, not checked yet.
#[derive(Debug, sqlx::FromRow)]
struct BlobColumns {
    id: i64,
    hash: Vec<u8>,
    bytes: i64,
}

/// Checks the columns of a blob.
pub(crate) fn key(id: i64, hash: &[u8], bytes: i64) -> Option<BlobKey> {
    Some(BlobKey {
        id: BlobId(id),
        hash: BlobHash(hash.try_into().ok()?),
        bytes: u64::try_from(bytes).ok()?,
    })
}

impl BlobColumns {
    fn check(self) -> Result<BlobKey, StoreError> {
        key(self.id, &self.hash, self.bytes)
            .ok_or_else(|| StoreError::Corrupt(format!("the row of blob {} is damaged", self.id)))
    }
}

/// The same text for each database, but for its clock, and for the lock that only PostgreSQL needs: SQLite has one writer.
macro_rules! blob_tables {
    ($connection:ty, now_ms: $now_ms:literal, lock: $lock:literal) => {
        impl BlobTables for $connection {
            async fn reserve_blob(&mut self, hash: &BlobHash, bytes: u64) -> Result<BlobKey, StoreError> {
                let row: BlobColumns = sqlx::query_as(concat!(
                    "INSERT INTO blobs (hash, bytes, since_ms) VALUES ($1, $2, ",
                    $now_ms,
                    ") ON CONFLICT (hash) WHERE condemned_ms IS NULL DO UPDATE SET since_ms = excluded.since_ms \
                     RETURNING id, hash, bytes",
                ))
                .bind(&hash.0[..])
                .bind(bytes as i64)
                .fetch_one(self)
                .await?;
                row.check()
            }

            async fn hold_blob(&mut self, blob: &BlobKey) -> Result<bool, StoreError> {
                let held =
                    sqlx::query("UPDATE blobs SET since_ms = NULL WHERE id = $1 AND condemned_ms IS NULL")
                        .bind(blob.id.0)
                        .execute(self)
                        .await?;
                Ok(held.rows_affected() == 1)
            }

            async fn lock_waiting_blobs(&mut self, grace_ms: i64) -> Result<Vec<i64>, StoreError> {
                Ok(sqlx::query_scalar(concat!(
                    "SELECT id FROM blobs WHERE condemned_ms IS NULL AND since_ms <= ",
                    $now_ms,
                    " - $1 ORDER BY since_ms LIMIT $2",
                    $lock,
                ))
                .bind(grace_ms)
                .bind(BLOBS_AT_ONCE_COUNT_MAX)
                .fetch_all(self)
                .await?)
            }

            async fn condemn_blobs(&mut self, ids: Vec<i64>) -> Result<u64, StoreError> {
                let mut count = 0;
                for id in ids {
                    let condemned = sqlx::query(concat!(
                        "UPDATE blobs SET condemned_ms = ",
                        $now_ms,
                        " WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM snapshots WHERE blob = $1)",
                    ))
                    .bind(id)
                    .execute(&mut *self)
                    .await?
                    .rows_affected();
                    if condemned == 0 {
                        sqlx::query("UPDATE blobs SET since_ms = NULL WHERE id = $1")
                            .bind(id)
                            .execute(&mut *self)
                            .await?;
                    }
                    count += condemned;
                }
                Ok(count)
            }

            async fn condemned_blobs(&mut self, grace_ms: i64) -> Result<Vec<BlobKey>, StoreError> {
                let rows: Vec<BlobColumns> = sqlx::query_as(concat!(
                    "SELECT id, hash, bytes FROM blobs WHERE since_ms IS NOT NULL AND condemned_ms <= ",
                    $now_ms,
                    " - $1 ORDER BY since_ms LIMIT $2",
                ))
                .bind(grace_ms)
                .bind(BLOBS_AT_ONCE_COUNT_MAX)
                .fetch_all(self)
                .await?;
                rows.into_iter().map(BlobColumns::check).collect()
            }

            async fn forget_blob(&mut self, blob: &BlobKey) -> Result<(), StoreError> {
                sqlx::query("DELETE FROM blobs WHERE id = $1 AND condemned_ms IS NOT NULL")
                    .bind(blob.id.0)
                    .execute(self)
                    .await?;
                Ok(())
            }

            async fn has_blobs(&mut self) -> Result<bool, StoreError> {
                let found: Option<i64> =
                    sqlx::query_scalar("SELECT blob FROM snapshots WHERE blob IS NOT NULL LIMIT 1")
                        .fetch_optional(self)
                        .await?;
                Ok(found.is_some())
            }
        }
    };
}

blob_tables!(SqliteConnection, now_ms: "CAST(unixepoch('subsec') * 1000 AS INTEGER)", lock: "");
blob_tables!(
    PgConnection,
    now_ms: "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    lock: " FOR UPDATE SKIP LOCKED"
);
