//! Compaction: folds the log of one document into a snapshot.

use roomtone_crdt::{Doc, Refusal, Update};

use crate::aside::aside;
use crate::record::Row;
use crate::stored::Damaged;
use crate::{Compacted, Compaction, DocId, Generation, Store, StoreError, Stored};

/// What a compaction did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CompactReport {
    /// The log was empty.
    Nothing,
    /// A snapshot was written.
    Done {
        /// Which snapshot it is.
        generation: Generation,
        /// Rows that it took out of the log.
        rows: usize,
        /// Rows that stay in the log, because the engine refuses what is in them.
        rows_left: usize,
        /// Size of the snapshot.
        snapshot_bytes: usize,
    },
    /// Updates wait for others that are not there. Merging them would lose them; nothing was changed.
    Pending {
        /// Size of what waits.
        bytes: usize,
    },
    /// A part of the document that only the archive still has is damaged. A new snapshot would make that final;
    /// nothing was changed.
    Damaged,
    /// Somebody else compacted or deleted the document in between. Nothing was changed.
    Stale,
}

/// Why a compaction failed. Nothing was changed, except after a lost answer of the store (see [`Store::append`]).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CompactError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine could not build the document from what is stored.
    #[error("the document cannot be merged: {0}")]
    Broken(String),
}

/// Loads a document, merges it on a blocking thread, and stores the result in place of the rows that were merged.
///
/// Safe beside appends and other compactions of the same document: rows that arrive in between stay in the log, and
/// of two compactions one is refused. Costs a full load and as much memory as the open document, so it belongs into
/// a background task, never on the path of an edit.
pub async fn compact(store: &dyn Store, doc: &DocId) -> Result<CompactReport, CompactError> {
    let stored = store.load(doc).await?;
    for damage in &stored.damage {
        tracing::error!(%doc, %damage, "stored data is damaged");
    }
    if stored
        .damage
        .iter()
        .any(|damage| matches!(damage.what, Damaged::Segment(_)))
    {
        return Ok(CompactReport::Damaged);
    }
    if !stored.rows.is_empty() && !store.claim_compaction(doc).await? {
        return Ok(CompactReport::Stale);
    }
    let rows_all = stored.rows.len();
    let merged = aside(move || merge(stored)).await;
    let merge = match merged.map_err(|error| CompactError::Broken(error.to_string()))?? {
        Merged::Nothing => return Ok(CompactReport::Nothing),
        Merged::Pending { bytes } => return Ok(CompactReport::Pending { bytes }),
        Merged::Whole(merge) => merge,
    };
    let (rows, snapshot_bytes) = (merge.rows.len(), merge.update.len());
    Ok(match store.compact(doc, merge).await? {
        Compacted::Done(generation) => CompactReport::Done {
            generation,
            rows,
            rows_left: rows_all - rows,
            snapshot_bytes,
        },
        Compacted::Stale => CompactReport::Stale,
    })
}

enum Merged {
    Nothing,
    Pending { bytes: usize },
    Whole(Compaction),
}

/// Builds the document. Blocks.
fn merge(stored: Stored) -> Result<Merged, CompactError> {
    let base = stored
        .snapshot
        .as_ref()
        .map_or(Generation::NONE, |snapshot| snapshot.generation);
    // What no row of the log holds must go in, or the new snapshot would be without it.
    let archived = stored
        .recovered
        .iter()
        .flat_map(|row| &row.records)
        .map(|record| &record.update);
    let before: Vec<Update> = stored
        .snapshot
        .iter()
        .map(|snapshot| &snapshot.update)
        .chain(archived)
        .map(|update| Update::check(update.clone()).map_err(broken))
        .collect::<Result<_, _>>()?;
    // A row that the engine refuses stays where it is; a row goes in whole or not at all. Each is checked when it is its
    // turn and let go behind that, since a small update takes many times its bytes once it is checked.
    let mut rows = Vec::with_capacity(stored.rows.len());
    let passes = |row: Row| match checked(&row) {
        Ok(updates) => {
            rows.push(row.id);
            Some(updates)
        }
        Err(refusal) => {
            tracing::warn!(row = row.id.0, %refusal, "a log row stays out of the snapshot");
            None
        }
    };
    let mut logged = stored.rows.into_iter().filter_map(passes).peekable();
    // Without rows there is still something to do when the newest snapshot is damaged: another one in its place.
    if logged.peek().is_none() && base == stored.generation {
        return Ok(Merged::Nothing);
    }
    let doc = Doc::load(before.into_iter().chain(logged.flatten())).map_err(broken)?;
    let bytes = doc.pending_bytes();
    if bytes > 0 {
        return Ok(Merged::Pending { bytes });
    }
    let update = doc.snapshot().map_err(broken)?.bytes().clone();
    let state_vector = doc.state_vector().encode().into();
    let (epoch, newest) = (stored.epoch, stored.generation);
    Ok(Merged::Whole(Compaction {
        epoch,
        newest,
        base,
        rows,
        update,
        state_vector,
    }))
}

/// All updates of a row through the gate.
fn checked(row: &Row) -> Result<Vec<Update>, Refusal> {
    row.records
        .iter()
        .map(|record| Update::check(record.update.clone()))
        .collect()
}

fn broken(cause: impl std::fmt::Display) -> CompactError {
    CompactError::Broken(cause.to_string())
}
