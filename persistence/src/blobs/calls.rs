//! What is told of every call to a blob store.

use std::time::Duration;

use super::BlobError;

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub struct BlobCall {
    /// What it was to do.
    pub operation: BlobOperation,
    /// What became of it.
    pub outcome: BlobOutcome,
    /// How long it took, with all its attempts.
    pub took: Duration,
    /// The size of the object; 0 for a deletion.
    pub bytes: u64,
}

/// What a call is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlobOperation {
    /// [`super::BlobStore::put`].
    Put,
    /// [`super::BlobStore::get`].
    Get,
    /// [`super::BlobStore::delete`].
    Delete,
}

impl BlobOperation {
    /// For metrics.
    pub fn label(self) -> &'static str {
        match self {
            BlobOperation::Put => "put",
            BlobOperation::Get => "get",
            BlobOperation::Delete => "delete",
        }
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlobOutcome {
    /// It was done.
    Ok,
    /// There is no such object.
    Missing,
    /// The object is not what was put.
    Corrupt,
    /// The store cannot be reached, or does not let us.
    Away,
}

impl BlobOutcome {
    pub(super) fn of<T>(result: &Result<T, BlobError>) -> BlobOutcome {
        match result {
            Ok(_) => BlobOutcome::Ok,
            Err(BlobError::Missing) => BlobOutcome::Missing,
            Err(BlobError::Corrupt(_)) => BlobOutcome::Corrupt,
            Err(BlobError::Unavailable(_) | BlobError::Misconfigured(_)) => BlobOutcome::Away,
        }
    }

    /// For metrics.
    pub fn label(self) -> &'static str {
        match self {
            BlobOutcome::Ok => "ok",
            BlobOutcome::Missing => "missing",
            BlobOutcome::Corrupt => "corrupt",
            BlobOutcome::Away => "away",
        }
    }
}
