//! Reading the archive and the log as one sequence.

use std::collections::HashSet;

use super::document::DocumentRow;
use super::places::{Place, PlaceKind, groups};
use super::sql::Tables;
use crate::history::PageBuilder;
use crate::record::Row;
use crate::{DocId, HistoryCursor, HistoryPage, StoreError};

/// Reads a page. In a transaction that sees one moment: a compaction in between would move rows from a place not read
/// yet to one already read.
pub(crate) async fn history(
    tables: &mut impl Tables,
    doc: &DocId,
    after: Option<HistoryCursor>,
    limit: usize,
) -> Result<HistoryPage, StoreError> {
    let Some(row) = tables.document(doc).await? else {
        return Ok(PageBuilder::new(after, limit, HashSet::new()).finish());
    };
    let mut damage = Vec::new();
    let quarantined = tables.quarantined_updates(row.id, &mut damage).await?;
    let mut page = PageBuilder::new(after, limit, quarantined);
    damage.into_iter().for_each(|damage| page.damaged(damage));
    let from = after.map_or(0, |after| after.row.0);
    let segments = tables.segment_ranges(row.id, from).await?;
    let log = tables.log_ids(row.id, from).await?;
    for group in groups(segments, &log) {
        if page.is_full() {
            break;
        }
        let mut rows = Vec::new();
        for place in group {
            read(tables, &row, place, &mut rows, &mut page).await?;
        }
        rows.sort_by_key(|row| row.id);
        rows.into_iter().for_each(|row| page.push(row));
    }
    Ok(page.finish())
}

async fn read(
    tables: &mut impl Tables,
    doc: &DocumentRow,
    place: Place,
    rows: &mut Vec<Row>,
    page: &mut PageBuilder,
) -> Result<(), StoreError> {
    match place.kind {
        PlaceKind::Segment(segment) => {
            match tables.segment(doc.id, segment).await?.unpack(doc.id, doc.epoch) {
                Ok(unpacked) => rows.extend(unpacked),
                Err(damage) => page.damaged(damage),
            }
        }
        PlaceKind::Log => {
            for columns in tables.log_between(doc.id, place.first, place.last).await? {
                match columns.read(doc) {
                    Ok(row) => rows.push(row),
                    Err(damage) => page.damaged(damage),
                }
            }
        }
    }
    Ok(())
}
