//! Rows of the table `documents`.

use std::collections::HashMap;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::follow::CHANNEL;
use crate::record::{Epoch, Generation};
use crate::rows::document::{DocumentColumns, DocumentRow};
use crate::rows::sql::Tables;
use crate::{DocId, StoreError};

/// How a row is held until the end of the transaction; see `migrations/postgres/0001_documents.sql`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hold {
    /// As an append does: beside everything but what begins another epoch.
    BesideAll,
    /// Beside appends, but beside nobody else.
    BesideAppends,
    /// Alone.
    Alone,
}

/// Finds a document and holds its row.
pub(crate) async fn hold(
    connection: &mut PgConnection,
    doc: &DocId,
    hold: Hold,
) -> Result<Option<DocumentRow>, StoreError> {
    let query = sqlx::query_as(match hold {
        Hold::BesideAll => {
            "SELECT id, epoch, generation, created_ms, crc32 FROM documents \
             WHERE tenant = $1 AND name = $2 FOR KEY SHARE"
        }
        Hold::BesideAppends => {
            "SELECT id, epoch, generation, created_ms, crc32 FROM documents \
             WHERE tenant = $1 AND name = $2 FOR NO KEY UPDATE"
        }
        Hold::Alone => {
            "SELECT id, epoch, generation, created_ms, crc32 FROM documents \
             WHERE tenant = $1 AND name = $2 FOR UPDATE"
        }
    });
    let row: Option<DocumentColumns> = query
        .bind(doc.tenant())
        .bind(doc.name())
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.check(doc)).transpose()
}

/// A document and its row.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) doc: DocId,
    pub(crate) row: DocumentRow,
}

#[derive(Debug, sqlx::FromRow)]
struct NamedColumns {
    tenant: String,
    name: String,
    #[sqlx(flatten)]
    columns: DocumentColumns,
}

impl NamedColumns {
    fn check(self) -> Result<Named, StoreError> {
        let doc = DocId::new(&self.tenant, &self.name)
            .map_err(|_| StoreError::Corrupt(format!("a bad name: {:?}", self.name)))?;
        let row = self.columns.check(&doc)?;
        Ok(Named { doc, row })
    }
}

/// Finds documents without holding them. One whose row is damaged is left out: whoever loads it hears of that.
pub(crate) async fn find_beside(
    connection: &mut PgConnection,
    docs: &[&DocId],
) -> Result<Vec<Named>, StoreError> {
    let (tenants, names) = names(docs);
    let rows: Vec<NamedColumns> = sqlx::query_as(
        "SELECT d.tenant, d.name, d.id, d.epoch, d.generation, d.created_ms, d.crc32 FROM documents AS d \
         JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, name) \
         ON d.tenant = wanted.tenant COLLATE \"C\" AND d.name = wanted.name COLLATE \"C\"",
    )
    .bind(tenants)
    .bind(names)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().filter_map(|row| row.check().ok()).collect())
}

/// Finds documents, and holds each of them alone. Those that nobody knows are missing in the answer.
pub(crate) async fn find_all(
    connection: &mut PgConnection,
    docs: &[&DocId],
) -> Result<HashMap<DocId, DocumentRow>, StoreError> {
    let (tenants, names) = names(docs);
    let rows: Vec<NamedColumns> = sqlx::query_as(
        "SELECT d.tenant, d.name, d.id, d.epoch, d.generation, d.created_ms, d.crc32 FROM documents AS d \
         JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, name) \
         ON d.tenant = wanted.tenant COLLATE \"C\" AND d.name = wanted.name COLLATE \"C\" \
         ORDER BY d.id FOR UPDATE OF d",
    )
    .bind(tenants)
    .bind(names)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| row.check().map(|named| (named.doc, named.row)))
        .collect()
}

/// Makes documents known that are not, in their first epoch and without a write to their names (tombstones).
pub(crate) async fn insert_missing(connection: &mut PgConnection, docs: &[&DocId]) -> Result<(), StoreError> {
    // The checksum covers the id, so that is drawn first. In the order of the names: two transactions that insert the
    // same ones wait for each other, never in a circle.
    let mut docs = docs.to_vec();
    docs.sort_unstable();
    let ids: Vec<i64> =
        sqlx::query_scalar("SELECT nextval('document_ids') FROM generate_series(1, $1::bigint)")
            .bind(docs.len() as i64)
            .fetch_all(&mut *connection)
            .await?;
    let tombstones: Vec<DocumentRow> = ids.iter().map(|id| DocumentRow::tombstone(*id)).collect();
    let sums: Vec<i64> = docs
        .iter()
        .zip(&tombstones)
        .map(|(doc, row)| row.crc32(doc))
        .collect();
    let (tenants, names) = names(&docs);
    sqlx::query(
        "INSERT INTO documents (id, tenant, name, epoch, generation, created_ms, crc32) \
         SELECT id, tenant, name, $1, $2, NULL, crc32 \
         FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[]) AS new (id, tenant, name, crc32) \
         ON CONFLICT (tenant, name) DO NOTHING",
    )
    .bind(i64::from(Epoch::FIRST.0))
    .bind(Generation::NONE.0 as i64)
    .bind(ids)
    .bind(tenants)
    .bind(names)
    .bind(sums)
    .execute(connection)
    .await?;
    Ok(())
}

/// Finds a document and holds it alone, after making it known if it was not.
pub(crate) async fn find_or_insert(
    connection: &mut PgConnection,
    doc: &DocId,
) -> Result<DocumentRow, StoreError> {
    if let Some(row) = hold(connection, doc, Hold::Alone).await? {
        return Ok(row);
    }
    insert_missing(connection, &[doc]).await?;
    hold(connection, doc, Hold::Alone).await?.ok_or_else(|| {
        StoreError::Corrupt(format!(
            "the row of document {doc} is not found where it was written"
        ))
    })
}

/// Deletes everything but the name, and begins the next epoch.
pub(crate) async fn delete(connection: &mut PgConnection, doc: &DocId) -> Result<Epoch, StoreError> {
    let mut transaction = connection.begin().await?;
    // From here on no append to it is under way, and those that wait will find the next epoch.
    let row = find_or_insert(&mut transaction, doc).await?;
    for statement in [
        "DELETE FROM log WHERE document_id = $1",
        "DELETE FROM snapshots WHERE document_id = $1",
        "DELETE FROM archive WHERE document_id = $1",
        "DELETE FROM quarantine WHERE document_id = $1",
        "DELETE FROM leases WHERE document_id = $1",
    ] {
        sqlx::query(statement)
            .bind(row.id)
            .execute(&mut *transaction)
            .await?;
    }
    let row = row.deleted();
    transaction.update_document(doc, &row).await?;
    announce_move(&mut transaction, row.id).await?;
    transaction.commit().await?;
    Ok(row.epoch)
}

/// Announces that rows of a document have left the log, to the followers of all nodes.
pub(crate) async fn announce_move(connection: &mut PgConnection, document_id: i64) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_notify($1, $2 || ':0:0:')")
        .bind(CHANNEL)
        .bind(document_id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Tenants and names as two columns.
pub(crate) fn names<'a>(docs: &[&'a DocId]) -> (Vec<&'a str>, Vec<&'a str>) {
    docs.iter().map(|doc| (doc.tenant(), doc.name())).unzip()
}
