//! Reading the archive and the log as one sequence.

use std::collections::HashSet;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::document::{self, DocumentRow};
use super::{archive, load, quarantine};
use crate::history::PageBuilder;
use crate::record::{Row, RowId};
use crate::{DocId, HistoryCursor, HistoryPage, StoreError};

/// Log rows that are read at once.
const LOG_ROWS_AT_ONCE: usize = 64;

/// A place that holds rows, and the range of their ids.
#[derive(Clone, Copy, Debug)]
struct Source {
    first: i64,
    last: i64,
    kind: SourceKind,
}

#[derive(Clone, Copy, Debug)]
enum SourceKind {
    Segment(i64),
    Log,
}

pub(crate) async fn history(
    connection: &mut SqliteConnection,
    doc: &DocId,
    after: Option<HistoryCursor>,
    limit: usize,
) -> Result<HistoryPage, StoreError> {
    // One read transaction: a compaction in between would move rows from a place not read yet to one already read.
    let mut transaction = connection.begin().await?;
    let Some(row) = document::find(&mut transaction, doc).await? else {
        transaction.rollback().await?;
        return Ok(PageBuilder::new(after, limit, HashSet::new()).finish());
    };
    let mut damage = Vec::new();
    let quarantined = quarantine::updates(&mut transaction, row.id, &mut damage).await?;
    let mut page = PageBuilder::new(after, limit, quarantined);
    damage.into_iter().for_each(|damage| page.damaged(damage));
    let sources = sources(&mut transaction, &row, after.map_or(0, |after| after.row.0)).await?;
    let mut sources = sources.into_iter().peekable();
    while let Some(source) = sources.next()
        && !page.is_full()
    {
        // A row that a compaction had to leave behind has a lower id than the rows of the segment before it: places
        // whose ranges overlap are read together and sorted.
        let mut rows = Vec::new();
        let mut last = source.last;
        read(&mut transaction, &row, source, &mut rows, &mut page).await?;
        while let Some(source) = sources.next_if(|next| next.first <= last) {
            last = last.max(source.last);
            read(&mut transaction, &row, source, &mut rows, &mut page).await?;
        }
        rows.sort_by_key(|row| row.id);
        for row in rows {
            page.push(row);
        }
    }
    transaction.rollback().await?;
    Ok(page.finish())
}

/// Where the rows from an id on are, by the lowest id in each place.
async fn sources(
    connection: &mut SqliteConnection,
    doc: &DocumentRow,
    row: i64,
) -> Result<Vec<Source>, StoreError> {
    let segments = archive::ranges_from(connection, doc.id, row).await?;
    let log: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM log WHERE document_id = ?1 AND id >= ?2 ORDER BY id")
            .bind(doc.id)
            .bind(row)
            .fetch_all(connection)
            .await?;
    let of_log = log.chunks(LOG_ROWS_AT_ONCE).map(|ids| Source {
        first: ids.first().copied().unwrap_or(0),
        last: ids.last().copied().unwrap_or(0),
        kind: SourceKind::Log,
    });
    let of_segment = |(segment, first, last): (i64, i64, i64)| Source {
        first,
        last,
        kind: SourceKind::Segment(segment),
    };
    let mut sources: Vec<Source> = segments.into_iter().map(of_segment).chain(of_log).collect();
    sources.sort_by_key(|source| source.first);
    Ok(sources)
}

async fn read(
    connection: &mut SqliteConnection,
    doc: &DocumentRow,
    source: Source,
    rows: &mut Vec<Row>,
    page: &mut PageBuilder,
) -> Result<(), StoreError> {
    match source.kind {
        SourceKind::Segment(segment) => match archive::rows_of(connection, doc, segment).await? {
            Ok(unpacked) => rows.extend(unpacked),
            Err(damage) => page.damaged(damage),
        },
        SourceKind::Log => {
            let log: Vec<(i64, i64, i64, Vec<u8>)> = sqlx::query_as(
                "SELECT id, epoch, crc32, records FROM log WHERE document_id = ?1 AND id BETWEEN ?2 AND ?3 \
                 ORDER BY id",
            )
            .bind(doc.id)
            .bind(source.first)
            .bind(source.last)
            .fetch_all(connection)
            .await?;
            for (id, epoch, crc32, blob) in log {
                match load::read_row(doc, id, epoch, crc32, &blob.into()) {
                    Ok(records) => rows.push(Row {
                        id: RowId(id),
                        records,
                    }),
                    Err(damage) => page.damaged(damage),
                }
            }
        }
    }
    Ok(())
}
