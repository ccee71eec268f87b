//! Rows of the table `documents`.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::sqlite::SqliteConnection;

use super::checksum;
use super::writer::{KnownDoc, Turn};
use crate::limits::LIST_DOCS_MAX;
use crate::record::{Epoch, Generation};
use crate::{DocId, DocInfo, StoreError};

/// A row, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DocumentRow {
    pub(crate) id: i64,
    pub(crate) epoch: Epoch,
    pub(crate) generation: Generation,
    /// `None` for a tombstone.
    pub(crate) created_ms: Option<i64>,
}

impl DocumentRow {
    fn crc32(&self, doc: &DocId) -> i64 {
        let numbers = [
            self.id,
            i64::from(self.epoch.0),
            self.generation.0 as i64,
            self.created_ms.unwrap_or(i64::MIN),
        ];
        checksum::of(&numbers, &[doc.tenant().as_bytes(), doc.name().as_bytes()])
    }
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// Finds a document. A row that is there but damaged is an error, and never "unknown": the caller would otherwise
/// begin an empty document over a full one.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    doc: &DocId,
) -> Result<Option<DocumentRow>, StoreError> {
    let row: Option<(i64, i64, i64, Option<i64>, i64)> = sqlx::query_as(
        "SELECT id, epoch, generation, created_ms, crc32 FROM documents WHERE tenant = ?1 AND name = ?2",
    )
    .bind(doc.tenant())
    .bind(doc.name())
    .fetch_optional(connection)
    .await?;
    let Some((id, epoch, generation, created_ms, crc32)) = row else {
        return Ok(None);
    };
    let damaged = || StoreError::Corrupt(format!("the row of document {doc} is damaged"));
    let epoch = Epoch(u32::try_from(epoch).map_err(|_| damaged())?);
    let generation = Generation(u64::try_from(generation).map_err(|_| damaged())?);
    let row = DocumentRow {
        id,
        epoch,
        generation,
        created_ms,
    };
    if row.crc32(doc) == crc32 {
        Ok(Some(row))
    } else {
        Err(damaged())
    }
}

/// Finds a document, or makes it known in its first epoch without a write to its name (a tombstone).
pub(crate) async fn find_or_insert(
    connection: &mut SqliteConnection,
    doc: &DocId,
) -> Result<DocumentRow, StoreError> {
    if let Some(row) = find(connection, doc).await? {
        return Ok(row);
    }
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO documents (tenant, name, epoch, generation, created_ms, crc32) VALUES (?1, ?2, 0, 0, NULL, 0) \
         RETURNING id",
    )
    .bind(doc.tenant())
    .bind(doc.name())
    .fetch_one(&mut *connection)
    .await?;
    // The checksum covers the id, which is only known now.
    let row = DocumentRow {
        id,
        epoch: Epoch::FIRST,
        generation: Generation::NONE,
        created_ms: None,
    };
    update(connection, doc, &row).await?;
    Ok(row)
}

/// Writes a row back, with its checksum.
pub(crate) async fn update(
    connection: &mut SqliteConnection,
    doc: &DocId,
    row: &DocumentRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE documents SET epoch = ?1, generation = ?2, created_ms = ?3, crc32 = ?4 WHERE id = ?5",
    )
    .bind(i64::from(row.epoch.0))
    .bind(row.generation.0 as i64)
    .bind(row.created_ms)
    .bind(row.crc32(doc))
    .bind(row.id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes everything but the name, and begins the next epoch.
pub(crate) async fn delete(mut turn: Turn<'_>, doc: &DocId) -> Result<Epoch, StoreError> {
    let connection = &mut turn.connection;
    let mut row = find_or_insert(connection, doc).await?;
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
    row.epoch = row.epoch.next();
    row.generation = Generation::NONE;
    row.created_ms = None;
    update(connection, doc, &row).await?;
    // A tombstone must not be known: an append has to look it up, to turn it into a document again.
    turn.forget(doc);
    turn.commit(Vec::new()).await?;
    Ok(row.epoch)
}

pub(crate) async fn list(
    connection: &mut SqliteConnection,
    tenant: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<DocInfo>, StoreError> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT name, epoch, created_ms FROM documents \
         WHERE tenant = ?1 AND name > ?2 AND created_ms IS NOT NULL ORDER BY name LIMIT ?3",
    )
    .bind(tenant)
    .bind(after.unwrap_or(""))
    .bind(limit.min(LIST_DOCS_MAX) as i64)
    .fetch_all(connection)
    .await?;
    let info = |(name, epoch, created_ms): (String, i64, i64)| {
        let damaged = |_| StoreError::Corrupt(format!("a row of tenant {tenant} is damaged"));
        let doc =
            DocId::new(tenant, &name).map_err(|_| StoreError::Corrupt(format!("a bad name: {name:?}")))?;
        let epoch = Epoch(u32::try_from(epoch).map_err(damaged)?);
        Ok(DocInfo {
            doc,
            epoch,
            created_ms: u64::try_from(created_ms).map_err(damaged)?,
        })
    };
    rows.into_iter().map(info).collect()
}

impl DocumentRow {
    /// What an append remembers.
    pub(crate) fn known(&self) -> KnownDoc {
        KnownDoc {
            id: self.id,
            epoch: self.epoch,
        }
    }
}
