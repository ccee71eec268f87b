//! Reading a document, and standing in for what is damaged.

use super::document::DocumentRow;
use super::segment::unpack_all;
use super::snapshot::{Found, Search};
use super::sql::Tables;
use crate::blobs::{BlobKey, LostBlob};
use crate::history::leave_out;
use crate::record::{Epoch, Generation};
use crate::stored::Damage;
use crate::{DocId, StoreError, Stored};

/// A document as its rows have it.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Complete, but for the bytes of a snapshot that is in a blob.
    pub(crate) stored: Stored,
    /// The row of the document, if it has one.
    pub(crate) row: Option<DocumentRow>,
    /// Where the bytes of the snapshot are.
    pub(crate) blob: Option<BlobKey>,
}

/// Reads a document; what is in a lost blob is passed over. In a transaction that sees one moment: a compaction in between would
/// otherwise show the old snapshot without its rows.
pub(crate) async fn load(
    tables: &mut impl Tables,
    doc: &DocId,
    lost: &[LostBlob],
) -> Result<Loaded, StoreError> {
    let Some(row) = tables.document(doc).await? else {
        return Ok(Loaded {
            stored: Stored::empty(Epoch::FIRST),
            row: None,
            blob: None,
        });
    };
    let mut stored = Stored {
        generation: row.generation,
        ..Stored::empty(row.epoch)
    };
    let found = newest_intact_snapshot(tables, &row, lost, &mut stored.damage).await?;
    let (snapshot, blob) = match found {
        Some(Found::Whole(snapshot)) => (Some(snapshot), None),
        Some(Found::InBlob(snapshot, blob)) => (Some(snapshot), Some(blob)),
        None => (None, None),
    };
    stored.snapshot = snapshot;
    let base = stored
        .snapshot
        .as_ref()
        .map_or(Generation::NONE, |snapshot| snapshot.generation);
    if base < row.generation {
        let segments = tables.segments_after(row.id, base).await?;
        stored.recovered = unpack_all(segments, &row, &mut stored.damage);
    }
    let log = tables.log(row.id).await?;
    let quarantined = tables.quarantined_updates(row.id, &mut stored.damage).await?;
    for columns in log {
        match columns.read(&row) {
            Ok(row) => stored.rows.push(row),
            Err(damage) => stored.damage.push(damage),
        }
    }
    leave_out(&mut stored.recovered, &quarantined);
    leave_out(&mut stored.rows, &quarantined);
    Ok(Loaded {
        stored,
        row: Some(row),
        blob,
    })
}

async fn newest_intact_snapshot(
    tables: &mut impl Tables,
    row: &DocumentRow,
    lost: &[LostBlob],
    damage: &mut Vec<Damage>,
) -> Result<Option<Found>, StoreError> {
    let mut search = Search::new(row);
    while let Some(generation) = search.wanted() {
        let found = tables.snapshot_up_to(row.id, generation).await?;
        if let Some(snapshot) = search.take(found, row, lost, damage) {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}
