//! Rows of the table `quarantine`.

use std::collections::HashSet;

use bytes::Bytes;
use sqlx::sqlite::SqliteConnection;

use super::writer::Turn;
use super::{checksum, document};
use crate::limits::{QUARANTINE_PER_DOC_MAX, QUARANTINE_REASON_BYTES_MAX};
use crate::record::Record;
use crate::stored::{Damage, Damaged};
use crate::{DocId, Quarantined, StoreError};

pub(crate) async fn insert(
    mut turn: Turn<'_>,
    doc: &DocId,
    record: &Record,
    reason: &str,
) -> Result<(), StoreError> {
    let connection = &mut turn.connection;
    let row = document::find_or_insert(connection, doc).await?;
    let kept = updates(connection, row.id, &mut Vec::new()).await?;
    if kept.contains(&record.update) {
        return turn.rollback().await;
    }
    if kept.len() >= QUARANTINE_PER_DOC_MAX {
        tracing::warn!(%doc, bytes = record.update.len(), reason, "quarantine is full, update dropped");
        return turn.rollback().await;
    }
    let reason = &reason[..reason.floor_char_boundary(QUARANTINE_REASON_BYTES_MAX)];
    sqlx::query(
        "INSERT INTO quarantine (document_id, user_id, client, time_ms, reason, crc32, update_bytes) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(row.id)
    .bind(record.user.as_deref())
    .bind(record.client as i64)
    .bind(record.time_ms as i64)
    .bind(reason)
    .bind(checksum::of(&[row.id], &[&record.update]))
    .bind(record.update.to_vec())
    .execute(connection)
    .await?;
    turn.commit(Vec::new()).await
}

/// The updates that loads leave out. What is damaged in the list goes to `damage`.
pub(crate) async fn updates(
    connection: &mut SqliteConnection,
    document_id: i64,
    damage: &mut Vec<Damage>,
) -> Result<HashSet<Bytes>, StoreError> {
    let rows: Vec<(i64, i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, crc32, update_bytes FROM quarantine WHERE document_id = ?1")
            .bind(document_id)
            .fetch_all(connection)
            .await?;
    let mut updates = HashSet::with_capacity(rows.len());
    for (id, crc32, update) in rows {
        if crc32 != checksum::of(&[document_id], &[&update]) {
            damage.push(Damage {
                what: Damaged::Quarantined(id),
                reason: "its checksum does not fit".into(),
            });
        }
        updates.insert(update.into());
    }
    Ok(updates)
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
    let Some(row) = document::find(connection, doc).await? else {
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
