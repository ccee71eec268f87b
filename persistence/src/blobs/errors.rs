//! Why a blob store did not do what it was asked.

use std::error::Error as _;

use crate::StoreError;

/// Why a blob store did not do what it was asked. The texts are causes: for logs, never for clients.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlobError {
    /// It cannot be reached, or fails at the moment. Try again.
    #[error("the blob store is unavailable: {0}")]
    Unavailable(String),
    /// It is there and does not let us: a bucket that does not exist, credentials that are wrong or may too little. Works again
    /// once somebody has changed that, there or here.
    #[error("the blob store is set up in a way that does not do: {0}")]
    Misconfigured(String),
    /// There is no such object.
    #[error("the blob is not there")]
    Missing,
    /// The object is not what was put.
    #[error("the blob is damaged: {0}")]
    Corrupt(String),
}

impl BlobError {
    /// The error of a put: what is missing then is what holds the objects.
    pub(super) fn of_bucket(self) -> BlobError {
        match self {
            BlobError::Missing => BlobError::Misconfigured("the bucket or the folder does not exist".into()),
            other => other,
        }
    }
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> BlobError {
        use object_store::Error;
        let text = text(&error);
        match error {
            // A bucket that has gone is not an object that has gone: a snapshot would be given up for it.
            Error::NotFound { .. } if text.contains("NoSuchBucket") => {
                BlobError::Misconfigured("the bucket does not exist".into())
            }
            Error::NotFound { .. } => BlobError::Missing,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => BlobError::Misconfigured(text),
            // The library's own enum, which may grow: what is not known to be worse may be tried again.
            _ => BlobError::Unavailable(text),
        }
    }
}

/// The error with its causes, which the library leaves out in part.
fn text(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// To a caller of a store it is all one: the store cannot do it now. What is missing or corrupt never comes here.
impl From<BlobError> for StoreError {
    fn from(error: BlobError) -> StoreError {
        StoreError::Unavailable(error.to_string())
    }
}
