//! Reading a document, and standing in for what is damaged.

use super::document::DocumentRow;
use super::segment::unpack_all;
use super::snapshot::Search;
use super::sql::Tables;
use crate::history::leave_out;
use crate::record::{Epoch, Generation};
use crate::stored::Damage;
use crate::{DocId, StoreError, Stored, StoredSnapshot};

/// Reads a document and its row, if it has one. In a transaction that sees one moment: a compaction in between would
/// otherwise show the old snapshot without its rows.
pub(crate) async fn load(
    tables: &mut impl Tables,
    doc: &DocId,
) -> Result<(Stored, Option<DocumentRow>), StoreError> {
    let Some(row) = tables.document(doc).await? else {
        return Ok((Stored::empty(Epoch::FIRST), None));
    };
    let mut stored = Stored {
        generation: row.generation,
        ..Stored::empty(row.epoch)
    };
    stored.snapshot = newest_intact_snapshot(tables, &row, &mut stored.damage).await?;
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
    Ok((stored, Some(row)))
}

async fn newest_intact_snapshot(
    tables: &mut impl Tables,
    row: &DocumentRow,
    damage: &mut Vec<Damage>,
) -> Result<Option<StoredSnapshot>, StoreError> {
    let mut search = Search::new(row);
    while let Some(generation) = search.wanted() {
        let found = tables.snapshot_up_to(row.id, generation).await?;
        if let Some(snapshot) = search.take(found, row, damage) {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}
