//! Putting a snapshot in the place of the rows that it merged.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteConnection;

use super::writer::Writer;
use crate::blobs::BlobKey;
use crate::rows::log::LogColumns;
use crate::rows::segment::{Merged, Packed};
use crate::rows::sql::Tables;
use crate::{Compacted, Compaction, DocId, StoreError, rows};

/// Reads the rows that are to be archived. `None` when the document has moved on.
///
/// Outside the writer's turn: rows never change, so what is read here is what will be deleted there, if it is still
/// there.
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    doc: &DocId,
    merge: &Compaction,
) -> Result<Option<Vec<Merged>>, StoreError> {
    let Some(row) = connection
        .document(doc)
        .await?
        .filter(|row| row.is_current(merge))
    else {
        return Ok(None);
    };
    let ids = merge.ids();
    let rows: Vec<LogColumns> = sqlx::query_as(
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
    let merged = rows.into_iter().map(|columns| columns.merged(&row));
    merged.collect::<Result<_, _>>().map(Some)
}

/// Writes the snapshot and the segments, and deletes the rows.
pub(crate) async fn write(
    writer: &Writer,
    doc: &DocId,
    merge: Compaction,
    blob: Option<&BlobKey>,
    segments: Vec<Packed>,
) -> Result<Compacted, StoreError> {
    let mut turn = writer.begin().await?;
    let connection = &mut turn.connection;
    let Some(row) = connection
        .document(doc)
        .await?
        .filter(|row| row.is_current(&merge))
    else {
        turn.rollback().await?;
        return Ok(Compacted::Stale);
    };
    let ids = merge.ids();
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
    let Some(generation) = rows::compact::put(connection, doc, row, merge, blob, segments).await? else {
        turn.rollback().await?;
        return Ok(Compacted::Stale);
    };
    turn.commit().await?;
    Ok(Compacted::Done(generation))
}

/// Any number of ids as one parameter.
fn json(ids: &BTreeSet<i64>) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(","))
}
