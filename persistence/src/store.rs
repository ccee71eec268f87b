//! The promises that every backend keeps; `tests/it/contract` holds one test for each of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::chat::Chats;
use crate::follow::Follow;
use crate::record::{AppendId, Batch, Epoch, Generation, Record, RowId};
use crate::stored::{Damage, Stored};
use crate::{DocId, NodeEntry, NodeReport, limits};

/// Durable storage of documents: an append log, snapshots that only ever merge, and an archive of all that was
/// merged.
///
/// Calls may run at the same time, for the same document too. Every call may be dropped half-way: it then happened
/// or it did not, never in part.
///
/// A failed call leaves no transaction behind, and the store heals by itself: the next call tries again with a fresh
/// connection. No call waits for ever on its own account, but a stalled disk stalls it; callers that need a deadline
/// bring it.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads a document, all of it as of one moment. Writes nothing: an unknown document is epoch 1 with nothing in
    /// it, and reading it does not make it known.
    ///
    /// What is damaged is reported in [`Stored::damage`] and the rest is returned. `Err` means that it is not known
    /// what the document holds: a caller must not take it for an empty one.
    async fn load(&self, doc: &DocId) -> Result<Stored, StoreError>;

    /// Stores batches of any number of documents, all in one transaction, and returns when they are on the disk.
    ///
    /// The answer has one [`Appended`] per batch, in order. A batch of another epoch than the document's is left out
    /// and says so; it does not hinder the others. On `Err` nothing is promised: usually nothing was stored, but a
    /// commit whose answer was lost may have happened. The caller keeps its batches and tries again; an update may
    /// then be stored twice, which is harmless, since merging is idempotent.
    ///
    /// The first append to an unknown document creates it.
    async fn append(&self, batches: &[Batch]) -> Result<Vec<Appended>, StoreError>;

    /// As [`Store::append_once`], but may return before it is on the disk: as soon as what was stored survives the end of
    /// this process, by whatever it ends. Only [`Store::sync`] makes it survive the loss of power. Reads see it from now
    /// on; [`Store::load`] returns nothing that is not on the disk. By default this is `append_once`.
    ///
    /// # Errors
    /// Those of `append`.
    async fn write_once(&self, id: AppendId, batches: &[Batch]) -> Result<Written, StoreError> {
        let appended = self.append_once(id, batches).await?;
        Ok(Written {
            appended,
            is_on_disk: true,
        })
    }

    /// Returns when everything is on the disk whose [`Store::write_once`] had returned before this was called.
    ///
    /// # Errors
    /// Nothing is known of what was written since the last success then: a disk that fails once may go on as if it had
    /// not. The caller appends all of it once more.
    async fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// As [`Store::append`], for a caller that tries again with the same name and the same batches until it gets an
    /// answer. A store that several processes write to, and whose answers can be lost on the way, stores them once and
    /// answers as it did the first time. By default this is `append`.
    ///
    /// # Errors
    /// Those of `append`. Other batches under a name that was used are [`StoreError::Corrupt`].
    async fn append_once(&self, _id: AppendId, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
        self.append(batches).await
    }

    /// Asks whether this process may take up the compaction of a document, before it goes to the trouble of merging.
    /// `false`: another one is at it. This saves work and nothing else: what makes compactions safe is checked by
    /// [`Store::compact`]. By default nobody else is there.
    async fn claim_compaction(&self, _doc: &DocId) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Replaces rows of the log by a snapshot that holds them, in one transaction: writes the snapshot, moves exactly
    /// `merge.rows` to the archive and deletes exactly those from the log. Rows that arrived since stay.
    ///
    /// Refused as [`Compacted::Stale`], with nothing changed, when the epoch or the newest snapshot is not the one
    /// that was loaded, or when one of the rows is gone. The snapshot before the new one is kept as its fallback;
    /// older ones are deleted.
    async fn compact(&self, doc: &DocId, merge: Compaction) -> Result<Compacted, StoreError>;

    /// Reads who wrote what, oldest first: the archive and the log of the current epoch, as one sequence.
    ///
    /// Pages: pass the `next` of one page as `after` of the following; `None` begins at the start. A compaction
    /// between two pages neither repeats nor skips a record. `limit` counts records and is cut to
    /// [`limits::HISTORY_RECORDS_MAX`]; a page may hold fewer (see [`limits::HISTORY_BYTES_TARGET`]) and still have
    /// a `next`.
    async fn history(
        &self,
        doc: &DocId,
        after: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage, StoreError>;

    /// Whether the document was written to and not deleted since.
    async fn exists(&self, doc: &DocId) -> Result<bool, StoreError>;

    /// The documents of a tenant that exist, in the byte order of their names, beginning after `after`. `limit` is
    /// cut to [`limits::LIST_DOCS_MAX`].
    async fn list(&self, tenant: &str, after: Option<&str>, limit: usize)
    -> Result<Vec<DocInfo>, StoreError>;

    /// Deletes log, snapshots, archive, quarantine and chat of a document in one transaction, and returns the epoch that
    /// begins. Only the name and that number stay, so that a batch of the old lineage is refused for ever. A
    /// document that nobody wrote to is deleted in the same way: somebody may be about to.
    async fn delete(&self, doc: &DocId) -> Result<Epoch, StoreError>;

    /// Puts an update aside that broke the engine, with its author and its bytes. From then on [`Store::load`] and
    /// [`Store::history`] of this epoch leave out every update with the same bytes. The same update is kept once.
    /// Above [`limits::QUARANTINE_PER_DOC_MAX`] it is dropped with a warning.
    async fn quarantine(&self, doc: &DocId, record: &Record, reason: &str) -> Result<(), StoreError>;

    /// What was put aside for this document, oldest first.
    async fn quarantined(&self, doc: &DocId) -> Result<Vec<Quarantined>, StoreError>;

    /// Deletes the objects in the blob store that nothing has referred to for as long as `grace`, by the clock of the database,
    /// and returns how many. Safe beside everything else, on any number of nodes; to be called now and then. By default
    /// there are none.
    async fn collect_blobs(&self, _grace: Duration) -> Result<usize, StoreError> {
        Ok(0)
    }

    /// Whether the store can write, found out by writing: a few bytes, with a commit.
    async fn health(&self) -> Result<(), StoreError>;

    /// Tells the other processes that share the store that this one lives, and returns all that do, itself included, in the
    /// order of their starts. Whoever says nothing for [`limits::NODE_SILENCE_SECONDS`] counts as gone. By default nobody
    /// shares it, and the answer is empty.
    async fn heartbeat(&self, _report: &NodeReport) -> Result<Vec<NodeEntry>, StoreError> {
        Ok(Vec::new())
    }

    /// Takes this process off that list, at its end. By default there is none.
    async fn sign_off(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The messages beside the documents. By default there are none, and nobody can post any.
    fn chats(&self) -> Option<&dyn Chats> {
        None
    }

    /// Hearing of what other processes write to the same documents. By default nobody else can.
    fn follow(&self) -> Option<Arc<dyn Follow>> {
        None
    }

    /// The time of day by the clock that everybody who uses this store shares; None where that is the machine's own.
    async fn now(&self) -> Result<Option<SystemTime>, StoreError> {
        Ok(None)
    }

    /// Waits for the running write and closes. Every later call is [`StoreError::Closed`]. Closing twice is fine.
    async fn close(&self);
}

/// What became of the batches of a [`Store::write_once`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Written {
    /// One for each batch, in order.
    pub appended: Vec<Appended>,
    /// Whether it is on the disk already, so that there is no need of a [`Store::sync`].
    pub is_on_disk: bool,
}

/// What became of one batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Appended {
    /// It is stored: on the disk, where [`Written::is_on_disk`] does not say otherwise.
    Stored,
    /// It belongs to another epoch than the document is in, and was left out. Trying again will not help: the room
    /// has to be loaded anew.
    StaleEpoch,
}

/// A merge that has been computed and is to be stored. `epoch` and `newest` are those of the [`Stored`] it was made
/// from, and a store that has moved on refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// [`Stored::epoch`].
    pub epoch: Epoch,
    /// [`Stored::generation`].
    pub newest: Generation,
    /// The generation of the snapshot that was merged: [`Stored::snapshot`]'s, or none. Below `newest` when a newer
    /// one is damaged. It is kept as the fallback.
    pub base: Generation,
    /// The rows that were merged: those, and no others, leave the log.
    pub rows: Vec<RowId>,
    /// The whole document: base, recovered rows, and `rows`.
    pub update: Bytes,
    /// What `update` covers.
    pub state_vector: Bytes,
}

impl Compaction {
    /// The ids of `rows`, each once.
    pub(crate) fn ids(&self) -> BTreeSet<i64> {
        self.rows.iter().map(|row| row.0).collect()
    }
}

/// What became of a compaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Compacted {
    /// The snapshot stands, with this generation.
    Done(Generation),
    /// Somebody else compacted or deleted the document in between. Nothing was changed.
    Stale,
}

/// A place in the history of one epoch: just after one record. Only meaningful to the store that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HistoryCursor {
    /// The row that the record was logged in. It keeps its number in the archive.
    pub row: RowId,
    /// The place of the record in that row, from 0.
    pub index: u32,
}

/// A part of a document's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` when this is the last one so far.
    pub next: Option<HistoryCursor>,
    /// What could not be read within this page.
    pub damage: Vec<Damage>,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocInfo {
    /// The document.
    pub doc: DocId,
    /// Its current epoch.
    pub epoch: Epoch,
    /// When it was first written to, in Unix milliseconds.
    pub created_ms: u64,
}

/// An update that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The update and who sent it.
    pub record: Record,
    /// What it did. For logs.
    pub reason: String,
}

/// Why a store did not do what it was asked. The texts are causes: for logs, never for clients.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached or cannot write at the moment. Try again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// There is no space left. Try again once somebody has made some.
    #[error("the store is full: {0}")]
    Full(String),
    /// What is on the disk is not what was written there, beyond what can be told apart row by row.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// Another process has the database open.
    #[error("the store is in use: {0}")]
    InUse(String),
    /// The database was made by a version that this one does not know.
    #[error("the store has another schema: {0}")]
    Schema(String),
    /// The database works, and is set up so that Roomtone does not: what was acknowledged could be lost, or names
    /// could not be kept. The text says what to change.
    #[error("the store is set up in a way that does not do: {0}")]
    Misconfigured(String),
    /// An update is larger than [`limits::UPDATE_BYTES_MAX`]. Trying again will not help.
    #[error("an update of {bytes} bytes is larger than a store takes ({max})", max = limits::UPDATE_BYTES_MAX)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// [`Store::close`] was called.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing the program or its input.
    pub fn is_retryable(&self) -> bool {
        match self {
            StoreError::Unavailable(_) | StoreError::Full(_) => true,
            StoreError::Corrupt(_)
            | StoreError::InUse(_)
            | StoreError::Schema(_)
            | StoreError::Misconfigured(_)
            | StoreError::TooLarge { .. }
            | StoreError::Closed => false,
        }
    }
}
