//! What is kept about an edit, and the numbers that place it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::DocId;

/// One accepted update with its attribution. It is what history is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The user id from the token; `None` for a connection without one.
    pub user: Option<Arc<str>>,
    /// The CRDT client id that wrote, 0 when the update only deletes or its writer is unknown.
    pub client: u64,
    /// When the server accepted it, in Unix milliseconds. For attribution only: nothing is ordered by it.
    pub time_ms: u64,
    /// The update in the wire's own encoding.
    pub update: Bytes,
}

/// What one room flushes at once. Its records keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The document.
    pub doc: DocId,
    /// The epoch in which the room loaded it.
    pub epoch: Epoch,
    /// The updates, oldest first. An empty batch is accepted and writes nothing.
    pub records: Vec<Record>,
}

/// The name of one append, for a caller that may have to try it again. No two of one process are the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AppendId(u64);

impl AppendId {
    /// A name that was never given before. Take one for each group of batches, and keep it until the store has taken
    /// them.
    pub fn fresh() -> AppendId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        AppendId(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn sequence(self) -> i64 {
        self.0 as i64
    }
}

/// The lineage of a document. Deleting it begins a new one, and what was written in an older one is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of a document that was never deleted.
    pub const FIRST: Epoch = Epoch(1);

    /// The one after this. It stays at the largest number: four billion deletions do not happen.
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which snapshot of an epoch: 1 is the first, [`Generation::NONE`] stands for "there is none yet".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(pub u64);

impl Generation {
    /// No snapshot.
    pub const NONE: Generation = Generation(0);

    /// The one after this.
    pub fn next(self) -> Generation {
        Generation(self.0.saturating_add(1))
    }
}

/// The place of a row in the log. Rows of one document are read in the order of their ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowId(pub i64);

/// One row of the log: what an append wrote for one document, or several that followed each other before anybody read it. It is
/// compacted whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub id: RowId,
    /// Its records, oldest first.
    pub records: Vec<Record>,
}
