//! Snapshots that are in the blob store.

use bytes::Bytes;

use super::{BlobError, BlobHash, BlobKey, BlobStore, LostBlob};
use crate::limits::{BLOB_BYTES_MAX, BLOBS_LOST_COUNT_MAX};
use crate::rows::blob::BlobTables;
use crate::rows::document::DocumentRow;
use crate::rows::load::Loaded;
use crate::{StoreError, Stored};

/// Where a store has its large snapshots: in blobs, or in the database like the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshots {
    blobs: Option<BlobStore>,
}

/// A snapshot that is to become a blob.
#[derive(Debug)]
pub(crate) struct LargeSnapshot<'a> {
    blobs: &'a BlobStore,
    pub(crate) hash: BlobHash,
    object: Bytes,
}

impl Snapshots {
    /// Refuses a database whose snapshots are in blobs when there is no blob store.
    pub(crate) async fn new(
        blobs: Option<BlobStore>,
        tables: &mut impl BlobTables,
    ) -> Result<Snapshots, StoreError> {
        if blobs.is_none() && tables.has_blobs().await? {
            return Err(misconfigured());
        }
        Ok(Snapshots { blobs })
    }

    pub(crate) fn store(&self) -> Option<&BlobStore> {
        self.blobs.as_ref()
    }

    /// The snapshot, hashed, when it is large enough for a blob.
    pub(crate) async fn large(&self, update: &Bytes) -> Result<Option<LargeSnapshot<'_>>, StoreError> {
        let bytes = update.len();
        let Some(blobs) = self
            .blobs
            .as_ref()
            .filter(|blobs| bytes >= blobs.snapshot_bytes_min && bytes as u64 <= BLOB_BYTES_MAX)
        else {
            return Ok(None);
        };
        let object = update.clone();
        let hash = tokio::task::spawn_blocking(move || BlobHash::of(&object))
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Some(LargeSnapshot {
            blobs,
            hash,
            object: update.clone(),
        }))
    }

    /// Puts the bytes into a snapshot that was loaded. `None` when its blob is lost: it is then one of `lost`, and the document is
    /// to be loaded once more, without it. A compaction may also have replaced the snapshot in the meantime.
    ///
    /// Not within the transaction of the load: nobody waits for the blob store while holding a connection.
    pub(crate) async fn complete(
        &self,
        loaded: Loaded,
        lost: &mut Vec<LostBlob>,
    ) -> Result<Option<(Stored, Option<DocumentRow>)>, StoreError> {
        let Loaded {
            mut stored,
            row,
            blob,
        } = loaded;
        if let (Some(key), Some(snapshot)) = (blob, &mut stored.snapshot) {
            let blobs = self.blobs.as_ref().ok_or_else(misconfigured)?;
            match blobs.get(&key).await {
                Ok(object) => snapshot.update = object,
                Err(cause @ (BlobError::Missing | BlobError::Corrupt(_))) => {
                    if lost.len() >= BLOBS_LOST_COUNT_MAX {
                        return Err(StoreError::Unavailable(format!("blob {key}: {cause}")));
                    }
                    lost.push(LostBlob {
                        id: key.id,
                        reason: format!("blob {key}: {cause}"),
                    });
                    return Ok(None);
                }
                Err(away) => return Err(away.into()),
            }
        }
        Ok(Some((stored, row)))
    }
}

impl LargeSnapshot<'_> {
    pub(crate) fn bytes(&self) -> u64 {
        self.object.len() as u64
    }

    /// Puts it, under the key that was reserved.
    pub(crate) async fn put(self, key: &BlobKey) -> Result<(), StoreError> {
        let put = self.blobs.put(key, self.object).await;
        put.map_err(|error| error.of_bucket().into())
    }
}

fn misconfigured() -> StoreError {
    StoreError::Misconfigured(
        "it has snapshots in a blob store; say where that is, as when they were written (--blobs)".into(),
    )
}
