//! Rows of the table `quarantine`.

use sqlx::sqlite::SqliteConnection;

use super::document;
use super::writer::Turn;
use crate::record::Record;
use crate::rows::quarantined;
use crate::rows::sql::Tables;
use crate::{DocId, Quarantined, StoreError};

pub(crate) async fn insert(
    mut turn: Turn<'_>,
    doc: &DocId,
    record: &Record,
    reason: &str,
) -> Result<(), StoreError> {
    let connection = &mut turn.connection;
    let row = document::find_or_insert(connection, doc).await?;
    let kept = connection.quarantined_updates(row.id, &mut Vec::new()).await?;
    if !quarantined::has_room_for(doc, &kept, record, reason) {
        return turn.rollback().await;
    }
    sqlx::query(
        "INSERT INTO quarantine (document_id, user_id, client, time_ms, reason, crc32, update_bytes) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(row.id)
    .bind(record.user.as_deref())
    .bind(record.client as i64)
    .bind(record.time_ms as i64)
    .bind(quarantined::cut(reason))
    .bind(quarantined::crc32(row.id, &record.update))
    .bind(record.update.to_vec())
    .execute(connection)
    .await?;
    turn.commit().await
}

#[derive(Debug, sqlx::FromRow)]
struct QuarantineRow {
    user_id: Option<String>,
    client: i64,
    time_ms: i64,
    reason: String,
    update_bytes: Vec<u8>,
}

/// Everything in the list, damaged or not: it is for people.
pub(crate) async fn list(
    connection: &mut SqliteConnection,
    doc: &DocId,
) -> Result<Vec<Quarantined>, StoreError> {
    let Some(row) = connection.document(doc).await? else {
        return Ok(Vec::new());
    };
    let rows: Vec<QuarantineRow> = sqlx::query_as(
        "SELECT user_id, client, time_ms, reason, update_bytes FROM quarantine WHERE document_id = ?1 ORDER BY id",
    )
    .bind(row.id)
    .fetch_all(connection)
    .await?;
    let quarantined = |row: QuarantineRow| Quarantined {
        record: Record {
            user: row.user_id.map(Into::into),
            client: row.client as u64,
            time_ms: row.time_ms as u64,
            update: row.update_bytes.into(),
        },
        reason: row.reason,
    };
    Ok(rows.into_iter().map(quarantined).collect())
}
