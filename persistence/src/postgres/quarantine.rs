//! Rows of the table `quarantine`.

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::document;
use crate::record::Record;
use crate::rows::quarantined;
use crate::rows::sql::Tables;
use crate::{DocId, Quarantined, StoreError};

pub(crate) async fn insert(
    connection: &mut PgConnection,
    doc: &DocId,
    record: &Record,
    reason: &str,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let row = document::find_or_insert(&mut transaction, doc).await?;
    let kept = transaction.quarantined_updates(row.id, &mut Vec::new()).await?;
    if !quarantined::has_room_for(doc, &kept, record, reason) {
        return Ok(transaction.rollback().await?);
    }
    sqlx::query(
        "INSERT INTO quarantine (document_id, user_id, client, time_ms, reason, crc32, update_bytes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row.id)
    .bind(record.user.as_deref().map(str::as_bytes))
    .bind(record.client as i64)
    .bind(record.time_ms as i64)
    // TEXT takes every character but this one.
    .bind(quarantined::cut(reason).replace('\0', "\u{fffd}"))
    .bind(quarantined::crc32(row.id, &record.update))
    .bind(record.update.to_vec())
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

#[derive(Debug, sqlx::FromRow)]
struct QuarantineRow {
    user_id: Option<Vec<u8>>,
    client: i64,
    time_ms: i64,
    reason: String,
    update_bytes: Vec<u8>,
}

/// Everything in the list, damaged or not: it is for people.
pub(crate) async fn list(connection: &mut PgConnection, doc: &DocId) -> Result<Vec<Quarantined>, StoreError> {
    let Some(row) = connection.document(doc).await? else {
        return Ok(Vec::new());
    };
    let rows: Vec<QuarantineRow> = sqlx::query_as(
        "SELECT user_id, client, time_ms, reason, update_bytes FROM quarantine WHERE document_id = $1 ORDER BY id",
    )
    .bind(row.id)
    .fetch_all(connection)
    .await?;
    let quarantined = |row: QuarantineRow| Quarantined {
        record: Record {
            user: row
                .user_id
                .map(|user| String::from_utf8_lossy(&user).into_owned().into()),
            client: row.client as u64,
            time_ms: row.time_ms as u64,
            update: row.update_bytes.into(),
        },
        reason: row.reason,
    };
    Ok(rows.into_iter().map(quarantined).collect())
}
