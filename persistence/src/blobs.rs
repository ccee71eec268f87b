//! Large objects beside the database: in S3, or on a file system.

mod calls;
mod collect;
mod errors;
mod key;
mod options;
mod snapshots;

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetResult, GetResultPayload, ObjectStore, ObjectStoreExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

pub use self::calls::{BlobCall, BlobOperation, BlobOutcome};
pub(crate) use self::collect::{Collectable, collect};
pub use self::errors::BlobError;
pub use self::key::{BlobHash, BlobId, BlobKey};
pub(crate) use self::key::{Hasher, LostBlob};
pub use self::options::{BadBlobUrl, BlobOptions};
pub(crate) use self::snapshots::{LargeSnapshot, Snapshots};
use crate::limits::{
    BLOB_BYTES_MAX, BLOB_CALL_SECONDS, BLOB_CALLS_COUNT_MAX, BLOB_SECOND_BYTES_MIN, SNAPSHOT_BLOB_BYTES_MIN,
};

/// What an object holds that is written and read to find out whether that works.
const PROBE: &[u8] = b"roomtone";

/// A cheap handle to a place for large objects, each under a key made of its hash.
///
/// An object is put whole or not at all, and what is read is checked before anybody gets it. Every call ends in bounded time
/// ([`BLOB_CALL_SECONDS`]), holds one object in memory, and is tried again when that may help. Dropping a call is fine: a put
/// then happened or did not.
#[derive(Clone)]
pub struct BlobStore {
    shared: Arc<Shared>,
    snapshot_bytes_min: usize,
}

struct Shared {
    objects: Box<dyn ObjectStore>,
    place: BlobOptions,
    calls: Semaphore,
    is_away: AtomicBool,
    observer: Option<Observer>,
}

type Observer = Box<dyn Fn(&BlobCall) + Send + Sync>;

impl BlobStore {
    /// Makes the handle, and for files the folder. Asks nobody yet: see [`BlobStore::check`].
    ///
    /// # Errors
    /// [`BlobError::Misconfigured`].
    pub fn new(options: BlobOptions) -> Result<BlobStore, BlobError> {
        BlobStore::build(options, None)
    }

    /// As [`BlobStore::new`], and tells `observer` of every call that has ended.
    ///
    /// # Errors
    /// [`BlobError::Misconfigured`].
    pub fn observed(
        options: BlobOptions,
        observer: impl Fn(&BlobCall) + Send + Sync + 'static,
    ) -> Result<BlobStore, BlobError> {
        BlobStore::build(options, Some(Box::new(observer)))
    }

    fn build(options: BlobOptions, observer: Option<Observer>) -> Result<BlobStore, BlobError> {
        Ok(BlobStore {
            shared: Arc::new(Shared {
                objects: options.connect()?,
                place: options,
                calls: Semaphore::new(BLOB_CALLS_COUNT_MAX),
                is_away: AtomicBool::new(false),
                observer,
            }),
            snapshot_bytes_min: SNAPSHOT_BLOB_BYTES_MIN,
        })
    }

    /// Another size from which snapshots come here than [`SNAPSHOT_BLOB_BYTES_MIN`]. For tests.
    #[must_use]
    pub fn snapshots_from(mut self, bytes: usize) -> BlobStore {
        self.snapshot_bytes_min = bytes;
        self
    }

    /// Whether the last call found the store out of reach.
    pub fn is_away(&self) -> bool {
        self.shared.is_away.load(Ordering::Relaxed)
    }

    /// Puts, gets and deletes a small object: whether the place is there, and whether it lets us do all three.
    ///
    /// # Errors
    /// [`BlobError::Misconfigured`] when somebody has to change something, such as a bucket that does not exist;
    /// [`BlobError::Unavailable`] when it may work later.
    pub async fn check(&self) -> Result<(), BlobError> {
        let key = BlobKey::of(BlobId::PROBE, PROBE);
        let path = self.shared.place.path(&format!("probe-{}", uuid::Uuid::new_v4()));
        let put = self.put_at(&path, &key, Bytes::from_static(PROBE)).await;
        // There was nothing to be found: it is the bucket that is missing.
        put.map_err(BlobError::of_bucket)?;
        let got = self.get_at(&path, &key).await;
        self.delete_at(&path).await?;
        got.map(drop)
    }

    /// Puts an object. The same key always gets the same bytes, so putting it twice, or over a damaged one, is fine.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`], [`BlobError::Misconfigured`].
    pub async fn put(&self, key: &BlobKey, object: Bytes) -> Result<(), BlobError> {
        let path = self.shared.place.path(&key.path());
        self.put_at(&path, key, object).await
    }

    /// Reads an object: all of it, and exactly what was put.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Corrupt`], and those of [`BlobStore::put`].
    pub async fn get(&self, key: &BlobKey) -> Result<Bytes, BlobError> {
        self.get_at(&self.shared.place.path(&key.path()), key).await
    }

    /// Deletes an object. One that is not there is deleted already.
    ///
    /// # Errors
    /// Those of [`BlobStore::put`].
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        self.delete_at(&self.shared.place.path(&key.path())).await
    }

    async fn put_at(&self, path: &Path, key: &BlobKey, object: Bytes) -> Result<(), BlobError> {
        let put = async {
            self.shared.objects.put(path, object.into()).await?;
            Ok(())
        };
        self.call(BlobOperation::Put, key.bytes, put).await
    }

    async fn get_at(&self, path: &Path, key: &BlobKey) -> Result<Bytes, BlobError> {
        let get = async {
            if key.bytes > BLOB_BYTES_MAX {
                return Err(BlobError::Corrupt(format!("its key says {} bytes", key.bytes)));
            }
            let found = self.shared.objects.get(path).await?;
            read(found, key).await
        };
        self.call(BlobOperation::Get, key.bytes, get).await
    }

    async fn delete_at(&self, path: &Path) -> Result<(), BlobError> {
        let delete = async {
            match self.shared.objects.delete(path).await.map_err(BlobError::from) {
                Err(BlobError::Missing) => Ok(()),
                deleted => deleted,
            }
        };
        self.call(BlobOperation::Delete, 0, delete).await
    }

    /// Bounds a call in number and time, and tells what became of it.
    async fn call<T>(
        &self,
        operation: BlobOperation,
        bytes: u64,
        call: impl Future<Output = Result<T, BlobError>>,
    ) -> Result<T, BlobError> {
        let shared = &self.shared;
        let started = Instant::now();
        let seconds = BLOB_CALL_SECONDS + bytes.min(BLOB_BYTES_MAX) / BLOB_SECOND_BYTES_MIN;
        let bounded = async {
            let _permit = shared.calls.acquire().await;
            call.await
        };
        let result = match timeout(Duration::from_secs(seconds), bounded).await {
            Ok(result) => result,
            Err(_) => Err(BlobError::Unavailable(format!("no answer within {seconds} s"))),
        };
        let outcome = BlobOutcome::of(&result);
        shared
            .is_away
            .store(outcome == BlobOutcome::Away, Ordering::Relaxed);
        if let Some(observer) = &shared.observer {
            observer(&BlobCall {
                operation,
                outcome,
                took: started.elapsed(),
                bytes,
            });
        }
        result
    }
}

impl fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlobStore").field(&self.shared.place).finish()
    }
}

impl fmt::Display for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.place.fmt(f)
    }
}

/// Reads what was found, no more of it than the key says, and compares it with the key.
async fn read(found: GetResult, key: &BlobKey) -> Result<Bytes, BlobError> {
    if found.meta.size != key.bytes {
        return Err(BlobError::Corrupt(format!(
            "it has {} bytes, and had {}",
            found.meta.size, key.bytes
        )));
    }
    let wanted = usize::try_from(key.bytes).map_err(|error| BlobError::Corrupt(error.to_string()))?;
    let (object, hash) = match found.payload {
        GetResultPayload::File(file, _) => tokio::task::spawn_blocking(move || read_file(file, wanted))
            .await
            .map_err(|error| BlobError::Unavailable(error.to_string()))?
            .map_err(|error| BlobError::Unavailable(error.to_string()))?,
        GetResultPayload::Stream(stream) => {
            let mut stream = stream.map_err(BlobError::from);
            let (mut object, mut hasher) = (BytesMut::with_capacity(wanted), Hasher::new());
            while let Some(chunk) = stream.next().await {
                let chunk = chunk?;
                if chunk.len() > wanted - object.len() {
                    return Err(BlobError::Corrupt("it is longer than it says".into()));
                }
                hasher.update(&chunk);
                object.extend_from_slice(&chunk);
            }
            (object.freeze(), hasher.finish())
        }
    };
    if object.len() == wanted && hash == key.hash {
        Ok(object)
    } else {
        Err(BlobError::Corrupt("its hash does not fit".into()))
    }
}

fn read_file(file: std::fs::File, wanted: usize) -> std::io::Result<(Bytes, BlobHash)> {
    let mut object = Vec::with_capacity(wanted);
    // One byte more would show that it has grown since it was opened.
    file.take(wanted as u64 + 1).read_to_end(&mut object)?;
    let hash = BlobHash::of(&object);
    Ok((object.into(), hash))
}
