//! Hearing of what other processes write to the same store, from the store itself.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::record::{Epoch, Generation, Row};
use crate::{DocId, StoreError, Stored};

/// What happened to a document that is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Followed {
    /// Another process wrote this in that epoch, and it is durable. Rows come in any order, and one may come twice.
    Row(Epoch, Row),
    /// All that is stored: it was asked for, or what is missing can no longer be told row by row.
    Whole(Box<Stored>),
    /// The document was deleted: nothing of the epoch that was loaded will ever be saved.
    Deleted,
}

/// Who is told what happens to a document. Called by the one task that follows: it must not wait.
pub trait Listener: Send + Sync {
    /// Something happened.
    fn tell(&self, followed: Followed);
}

/// One watch of one document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchId(pub(crate) u64);

/// Since when what others write is heard by another way as well; `None` while there is none.
pub type Vouched<'a> = &'a (dyn Fn() -> Option<Instant> + Send + Sync);

/// Follows what other processes write to a store. One task calls [`Follow::next`] again and again, anybody the others.
#[async_trait]
pub trait Follow: Send + Sync + 'static {
    /// Watches a document from now on. To be called before the document is loaded: what is committed after this returns
    /// is told or is in the load, and may be in both. A later watch of the same document takes the place of this one.
    fn watch(&self, doc: &DocId, listener: Arc<dyn Listener>) -> WatchId;

    /// Says what was loaded under a watch. Without it deletions and compactions are not noticed.
    fn loaded(&self, doc: &DocId, watch: WatchId, epoch: Epoch, generation: Generation);

    /// Ends a watch.
    fn forget(&self, doc: &DocId, watch: WatchId);

    /// Asks that somebody look whether the document was deleted.
    fn check(&self, doc: &DocId);

    /// Asks for all that is stored of the document.
    fn reload(&self, doc: &DocId);

    /// Waits until it is time to look or there is something to look at, looks, and tells.
    ///
    /// What was committed before the moment that `vouched` names is left to that other way. While it names none, what is
    /// not heard otherwise is read from the log, and what this process writes is announced to those who follow.
    ///
    /// # Errors
    /// The store cannot be read. The next call tries again after a pause, and nothing is missed.
    async fn next(&self, vouched: Vouched<'_>) -> Result<(), StoreError>;
}
