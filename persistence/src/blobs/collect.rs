//! Deleting objects that nothing refers to any more.

use std::time::Duration;

use super::{BlobError, BlobKey, BlobStore};
use crate::StoreError;
use crate::limits::{BLOB_CONDEMNED_SECONDS, BLOBS_AT_ONCE_COUNT_MAX};
use crate::rows::sql::Answer;

/// What a collection needs of a database: each a transaction of its own.
pub(crate) trait Collectable: Sync {
    /// Condemns what has waited for so long, and returns how many blobs it looked at, up to
    /// [`BLOBS_AT_ONCE_COUNT_MAX`].
    fn condemn(&self, grace_ms: i64) -> impl Answer<usize>;

    /// Blobs that were condemned so long ago, up to [`BLOBS_AT_ONCE_COUNT_MAX`].
    fn condemned(&self, grace_ms: i64) -> impl Answer<Vec<BlobKey>>;

    /// Forgets blobs whose objects are deleted.
    fn forget(&self, blobs: &[BlobKey]) -> impl Answer<()>;
}

/// Collects. Returns how many objects were deleted.
///
/// Safe beside everything, wherever it ends: a condemned blob can never be held again, so nothing that refers to it can be
/// written, and its name never comes back. Until its row is forgotten the next collection deletes its object once more.
pub(crate) async fn collect(
    database: &impl Collectable,
    blobs: &BlobStore,
    grace: Duration,
) -> Result<usize, StoreError> {
    let at_once = usize::try_from(BLOBS_AT_ONCE_COUNT_MAX).unwrap_or(usize::MAX);
    let grace_ms = milliseconds(grace);
    // Each step takes those that it looked at out of those that wait.
    while database.condemn(grace_ms).await? == at_once {}
    let condemned_ms = grace_ms.min(milliseconds(Duration::from_secs(BLOB_CONDEMNED_SECONDS)));
    let mut count = 0;
    loop {
        let condemned = database.condemned(condemned_ms).await?;
        let (mut deleted, mut failure) = (Vec::with_capacity(condemned.len()), None);
        for key in &condemned {
            match blobs.delete(key).await {
                Ok(()) => deleted.push(*key),
                Err(error) => {
                    let is_away = matches!(error, BlobError::Unavailable(_));
                    failure = Some(error);
                    // One that may not be deleted does not hinder the others.
                    if is_away {
                        break;
                    }
                }
            }
        }
        database.forget(&deleted).await?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        count += deleted.len();
        if condemned.len() < at_once {
            return Ok(count);
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
