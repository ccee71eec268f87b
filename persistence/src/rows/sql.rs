//! The statements that are the same in every SQL database.

use std::collections::HashSet;

use bytes::Bytes;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::document::{DocumentColumns, DocumentRow, FIND, UPDATE, info, now_ms};
use super::log::LogColumns;
use super::quarantined;
use super::segment::{Packed, SegmentRow};
use super::snapshot::{SnapshotRow, crc32_of};
use crate::blobs::BlobKey;
use crate::limits::LIST_DOCS_MAX;
use crate::record::Generation;
use crate::stored::Damage;
use crate::{Compaction, DocId, DocInfo, StoreError};

/// What comes of a statement.
pub(crate) trait Answer<T>: Future<Output = Result<T, StoreError>> + Send {}

impl<T, F: Future<Output = Result<T, StoreError>> + Send> Answer<T> for F {}

/// A connection to a database with these tables. Whoever needs several answers as of one moment opens a transaction.
pub(crate) trait Tables: Send {
    /// Finds a document.
    fn document(&mut self, doc: &DocId) -> impl Answer<Option<DocumentRow>>;

    /// Writes the row of a document back, with its checksum.
    fn update_document(&mut self, doc: &DocId, row: &DocumentRow) -> impl Answer<()>;

    /// [`crate::Store::list`].
    fn list_documents(
        &mut self,
        tenant: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Answer<Vec<DocInfo>>;

    /// The log of a document, in order.
    fn log(&mut self, document_id: i64) -> impl Answer<Vec<LogColumns>>;

    /// The ids in the log that are not below `row`, in order.
    fn log_ids(&mut self, document_id: i64, row: i64) -> impl Answer<Vec<i64>>;

    /// The rows of the log with these ids and between them, in order.
    fn log_between(&mut self, document_id: i64, first: i64, last: i64) -> impl Answer<Vec<LogColumns>>;

    /// The newest snapshot whose number is not above `generation`.
    fn snapshot_up_to(
        &mut self,
        document_id: i64,
        generation: Generation,
    ) -> impl Answer<Option<SnapshotRow>>;

    /// Writes a snapshot, and deletes those that are older than the one it was merged from. Its bytes are in the blob, if there
    /// is one.
    ///
    /// A damaged snapshot between the two stays for inspection. It goes with the next merge but one: by then two intact
    /// ones hold all that it held, since a document whose archive is damaged too is not compacted.
    fn replace_snapshot(
        &mut self,
        doc: &DocumentRow,
        generation: Generation,
        merge: Compaction,
        blob: Option<&BlobKey>,
    ) -> impl Answer<()>;

    /// Writes segments behind those that a document has.
    fn insert_segments(
        &mut self,
        doc: &DocumentRow,
        generation: Generation,
        segments: Vec<Packed>,
    ) -> impl Answer<()>;

    /// The segments that a snapshot of generation `base` does not hold.
    fn segments_after(&mut self, document_id: i64, base: Generation) -> impl Answer<Vec<SegmentRow>>;

    /// One segment.
    fn segment(&mut self, document_id: i64, segment: i64) -> impl Answer<SegmentRow>;

    /// The ranges of row ids of the segments that reach to `row` or beyond: segment, lowest, highest.
    fn segment_ranges(&mut self, document_id: i64, row: i64) -> impl Answer<Vec<(i64, i64, i64)>>;

    /// The updates that loads leave out. What is damaged in the list goes to `damage`.
    fn quarantined_updates(
        &mut self,
        document_id: i64,
        damage: &mut Vec<Damage>,
    ) -> impl Answer<HashSet<Bytes>>;
}

/// SQL's own types are of one database each, so the same text is compiled once for each.
macro_rules! tables {
    ($connection:ty) => {
        impl Tables for $connection {
            async fn document(&mut self, doc: &DocId) -> Result<Option<DocumentRow>, StoreError> {
                let row: Option<DocumentColumns> = sqlx::query_as(FIND)
                    .bind(doc.tenant())
                    .bind(doc.name())
                    .fetch_optional(self)
                    .await?;
                row.map(|row| row.check(doc)).transpose()
            }

            async fn update_document(&mut self, doc: &DocId, row: &DocumentRow) -> Result<(), StoreError> {
                sqlx::query(UPDATE)
                    .bind(i64::from(row.epoch.0))
                    .bind(row.generation.0 as i64)
                    .bind(row.created_ms)
                    .bind(row.crc32(doc))
                    .bind(row.id)
                    .execute(self)
                    .await?;
                Ok(())
            }

            async fn list_documents(
                &mut self,
                tenant: &str,
                after: Option<&str>,
                limit: usize,
            ) -> Result<Vec<DocInfo>, StoreError> {
                let rows: Vec<(String, i64, i64)> = sqlx::query_as(
                    "SELECT name, epoch, created_ms FROM documents \
                     WHERE tenant = $1 AND name > $2 AND created_ms IS NOT NULL ORDER BY name LIMIT $3",
                )
                .bind(tenant)
                .bind(after.unwrap_or(""))
                .bind(limit.min(LIST_DOCS_MAX) as i64)
                .fetch_all(self)
                .await?;
                rows.into_iter().map(|row| info(tenant, row)).collect()
            }

            async fn log(&mut self, document_id: i64) -> Result<Vec<LogColumns>, StoreError> {
                Ok(sqlx::query_as(
                    "SELECT id, epoch, crc32, records FROM log WHERE document_id = $1 ORDER BY id",
                )
                .bind(document_id)
                .fetch_all(self)
                .await?)
            }

            async fn log_ids(&mut self, document_id: i64, row: i64) -> Result<Vec<i64>, StoreError> {
                Ok(
                    sqlx::query_scalar("SELECT id FROM log WHERE document_id = $1 AND id >= $2 ORDER BY id")
                        .bind(document_id)
                        .bind(row)
                        .fetch_all(self)
                        .await?,
                )
            }

            async fn log_between(
                &mut self,
                document_id: i64,
                first: i64,
                last: i64,
            ) -> Result<Vec<LogColumns>, StoreError> {
                Ok(sqlx::query_as(
                    "SELECT id, epoch, crc32, records FROM log WHERE document_id = $1 AND id BETWEEN $2 AND $3 \
                     ORDER BY id",
                )
                .bind(document_id)
                .bind(first)
                .bind(last)
                .fetch_all(self)
                .await?)
            }

            async fn snapshot_up_to(
                &mut self,
                document_id: i64,
                generation: Generation,
            ) -> Result<Option<SnapshotRow>, StoreError> {
                Ok(sqlx::query_as(
                    "SELECT generation, epoch, crc32, state_vector, state, blob, hash, bytes FROM snapshots \
                     LEFT JOIN blobs ON blobs.id = blob \
                     WHERE document_id = $1 AND generation <= $2 ORDER BY generation DESC LIMIT 1",
                )
                .bind(document_id)
                .bind(generation.0 as i64)
                .fetch_optional(self)
                .await?)
            }

            async fn replace_snapshot(
                &mut self,
                doc: &DocumentRow,
                generation: Generation,
                merge: Compaction,
                blob: Option<&BlobKey>,
            ) -> Result<(), StoreError> {
                let crc32 = crc32_of(doc, generation, &merge, blob);
                sqlx::query(
                    "INSERT INTO snapshots \
                     (document_id, generation, epoch, created_ms, crc32, state_vector, state, blob) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(doc.id)
                .bind(generation.0 as i64)
                .bind(i64::from(merge.epoch.0))
                .bind(now_ms())
                .bind(crc32)
                .bind(Vec::from(merge.state_vector))
                .bind(match blob {
                    Some(_) => Vec::new(),
                    None => Vec::from(merge.update),
                })
                .bind(blob.map(|blob| blob.id.0))
                .execute(&mut *self)
                .await?;
                sqlx::query("DELETE FROM snapshots WHERE document_id = $1 AND generation < $2")
                    .bind(doc.id)
                    .bind(merge.base.0 as i64)
                    .execute(self)
                    .await?;
                Ok(())
            }

            async fn insert_segments(
                &mut self,
                doc: &DocumentRow,
                generation: Generation,
                segments: Vec<Packed>,
            ) -> Result<(), StoreError> {
                let last: i64 =
                    sqlx::query_scalar("SELECT coalesce(max(segment), 0) FROM archive WHERE document_id = $1")
                        .bind(doc.id)
                        .fetch_one(&mut *self)
                        .await?;
                for (segment, packed) in (last + 1..).zip(segments) {
                    let sealed = packed.seal(doc, generation, segment);
                    sqlx::query(
                        "INSERT INTO archive (document_id, segment, epoch, generation, first_row, last_row, \
                         records_count, first_ms, last_ms, raw_bytes, crc32, rows) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                    )
                    .bind(doc.id)
                    .bind(sealed.place.segment)
                    .bind(sealed.place.epoch)
                    .bind(sealed.place.generation)
                    .bind(sealed.place.first_row)
                    .bind(sealed.place.last_row)
                    .bind(sealed.records)
                    .bind(sealed.first_ms)
                    .bind(sealed.last_ms)
                    .bind(sealed.place.raw_bytes)
                    .bind(sealed.crc32)
                    .bind(sealed.rows)
                    .execute(&mut *self)
                    .await?;
                }
                Ok(())
            }

            async fn segments_after(
                &mut self,
                document_id: i64,
                base: Generation,
            ) -> Result<Vec<SegmentRow>, StoreError> {
                Ok(sqlx::query_as(
                    "SELECT segment, epoch, generation, first_row, last_row, raw_bytes, crc32, rows FROM archive \
                     WHERE document_id = $1 AND generation > $2 ORDER BY segment",
                )
                .bind(document_id)
                .bind(base.0 as i64)
                .fetch_all(self)
                .await?)
            }

            async fn segment(&mut self, document_id: i64, segment: i64) -> Result<SegmentRow, StoreError> {
                Ok(sqlx::query_as(
                    "SELECT segment, epoch, generation, first_row, last_row, raw_bytes, crc32, rows FROM archive \
                     WHERE document_id = $1 AND segment = $2",
                )
                .bind(document_id)
                .bind(segment)
                .fetch_one(self)
                .await?)
            }

            async fn segment_ranges(
                &mut self,
                document_id: i64,
                row: i64,
            ) -> Result<Vec<(i64, i64, i64)>, StoreError> {
                Ok(sqlx::query_as(
                    "SELECT segment, first_row, last_row FROM archive WHERE document_id = $1 AND last_row >= $2 \
                     ORDER BY first_row",
                )
                .bind(document_id)
                .bind(row)
                .fetch_all(self)
                .await?)
            }

            async fn quarantined_updates(
                &mut self,
                document_id: i64,
                damage: &mut Vec<Damage>,
            ) -> Result<HashSet<Bytes>, StoreError> {
                let rows: Vec<(i64, i64, Vec<u8>)> =
                    sqlx::query_as("SELECT id, crc32, update_bytes FROM quarantine WHERE document_id = $1")
                        .bind(document_id)
                        .fetch_all(self)
                        .await?;
                Ok(quarantined::updates(document_id, rows, damage))
            }
        }
    };
}

tables!(SqliteConnection);
tables!(PgConnection);
