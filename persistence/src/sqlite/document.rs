//! Rows of the table `documents`.

use sqlx::sqlite::SqliteConnection;

use super::writer::Turn;
use crate::record::Epoch;
use crate::rows::document::DocumentRow;
use crate::rows::sql::Tables;
use crate::{DocId, StoreError};

/// A row for a name. It is not right before it has its checksum.
pub(super) const INSERT: &str = "INSERT INTO documents (tenant, name, epoch, generation, created_ms, crc32) \
                                 VALUES (?1, ?2, 0, 0, NULL, 0) RETURNING id";

/// Finds a document, or makes it known in its first epoch without a write to its name (a tombstone).
pub(crate) async fn find_or_insert(
    connection: &mut SqliteConnection,
    doc: &DocId,
) -> Result<DocumentRow, StoreError> {
    if let Some(row) = connection.document(doc).await? {
        return Ok(row);
    }
    let id: i64 = sqlx::query_scalar(INSERT)
        .bind(doc.tenant())
        .bind(doc.name())
        .fetch_one(&mut *connection)
        .await?;
    // The checksum covers the id, which is only known now.
    let row = DocumentRow::tombstone(id);
    connection.update_document(doc, &row).await?;
    Ok(row)
}

/// Deletes everything but the name, and begins the next epoch.
pub(crate) async fn delete(mut turn: Turn<'_>, doc: &DocId) -> Result<Epoch, StoreError> {
    let connection = &mut turn.connection;
    let row = find_or_insert(connection, doc).await?;
    for statement in [
        "DELETE FROM log WHERE document_id = ?1",
        "DELETE FROM snapshots WHERE document_id = ?1",
        "DELETE FROM archive WHERE document_id = ?1",
        "DELETE FROM quarantine WHERE document_id = ?1",
    ] {
        sqlx::query(statement)
            .bind(row.id)
            .execute(&mut *connection)
            .await?;
    }
    let row = row.deleted();
    connection.update_document(doc, &row).await?;
    // It stays unknown: an append has to look a tombstone up, to turn it into a document again.
    turn.commit().await?;
    Ok(row.epoch)
}
