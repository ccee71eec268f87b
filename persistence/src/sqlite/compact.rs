//! Putting a snapshot in the place of the rows that it merged.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteConnection;

use super::archive::{self, Merged};
use super::document::{self, DocumentRow};
use super::writer::Writer;
use super::{load, snapshot};
use crate::record::RowId;
use crate::{Compacted, Compaction, DocId, StoreError};

/// Whether a document is still what a merge was made from.
fn is_current(row: &DocumentRow, merge: &Compaction) -> bool {
    row.epoch == merge.epoch && row.generation == merge.newest && row.created_ms.is_some()
}

/// Reads the rows that are to be archived. `None` when the document has moved on.
///
/// Outside the writer's turn: rows never change, so what is read here is what will be deleted there, if it is still
/// there.
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    doc: &DocId,
    merge: &Compaction,
) -> Result<Option<Vec<Merged>>, StoreError> {
    let Some(row) = document::find(connection, doc)
        .await?
        .filter(|row| is_current(row, merge))
    else {
        return Ok(None);
    };
    let ids = ids(merge);
    let rows: Vec<(i64, i64, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT id, epoch, crc32, records FROM log \
         WHERE document_id = ?1 AND id IN (SELECT value FROM json_each(?2)) ORDER BY id",
    )
    .bind(row.id)
    .bind(json(&ids))
    .fetch_all(connection)
    .await?;
    if rows.len() != ids.len() {
        return Ok(None);
    }
    let merged = |(id, epoch, crc32, blob): (i64, i64, i64, Vec<u8>)| {
        let blob = blob.into();
        match load::read_row(&row, id, epoch, crc32, &blob) {
            Ok(records) => Ok(Merged {
                id: RowId(id),
                blob,
                records,
            }),
            // It was intact when it was merged. A damaged row is never archived as if it were whole.
            Err(damage) => Err(StoreError::Corrupt(damage.to_string())),
        }
    };
    rows.into_iter().map(merged).collect::<Result<_, _>>().map(Some)
}

/// Writes the snapshot and the segments, and deletes the rows.
pub(crate) async fn write(
    writer: &Writer,
    doc: &DocId,
    merge: Compaction,
    segments: Vec<archive::Packed>,
) -> Result<Compacted, StoreError> {
    let mut turn = writer.begin().await?;
    let connection = &mut turn.connection;
    let Some(mut row) = document::find(connection, doc)
        .await?
        .filter(|row| is_current(row, &merge))
    else {
        turn.rollback().await?;
        return Ok(Compacted::Stale);
    };
    let ids = ids(&merge);
    // Exactly these, never a range: a row with a lower id may have been committed after the merge was made.
    let deleted =
        sqlx::query("DELETE FROM log WHERE document_id = ?1 AND id IN (SELECT value FROM json_each(?2))")
            .bind(row.id)
            .bind(json(&ids))
            .execute(&mut *connection)
            .await?
            .rows_affected();
    if deleted != ids.len() as u64 {
        turn.rollback().await?;
        return Ok(Compacted::Stale);
    }
    let generation = merge.newest.next();
    snapshot::replace(connection, &row, generation, merge).await?;
    archive::insert(connection, &row, generation, segments).await?;
    row.generation = generation;
    document::update(connection, doc, &row).await?;
    turn.commit(Vec::new()).await?;
    Ok(Compacted::Done(generation))
}

fn ids(merge: &Compaction) -> BTreeSet<i64> {
    merge.rows.iter().map(|row| row.0).collect()
}

/// Any number of ids as one parameter.
fn json(ids: &BTreeSet<i64>) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(","))
}
