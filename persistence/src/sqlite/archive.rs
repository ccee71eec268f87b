//! Rows of the table `archive`.

use bytes::Bytes;
use sqlx::sqlite::SqliteConnection;

use super::checksum;
use super::document::DocumentRow;
use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_TARGET, SEGMENT_ZSTD_LEVEL};
use crate::record::{Epoch, Generation, Record, Row, RowId};
use crate::stored::{Damage, Damaged};
use crate::{StoreError, frame};

/// A segment that is packed and not written yet.
#[derive(Debug)]
pub(crate) struct Packed {
    first_row: i64,
    last_row: i64,
    records: usize,
    first_ms: u64,
    last_ms: u64,
    raw_bytes: usize,
    rows: Vec<u8>,
}

/// A row of the log as a segment takes it: its blob as it is, and its records for the figures beside it.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) id: RowId,
    pub(crate) blob: Bytes,
    pub(crate) records: Vec<Record>,
}

/// Packs rows into segments of bounded size. Blocks: it compresses.
pub(crate) fn pack(rows: &[Merged]) -> Result<Vec<Packed>, StoreError> {
    let mut segments = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, row) in rows.iter().enumerate() {
        if bytes > 0 && bytes + row.blob.len() > SEGMENT_BYTES_TARGET {
            segments.push(pack_one(&rows[start..index])?);
            (start, bytes) = (index, 0);
        }
        bytes += row.blob.len();
    }
    if start < rows.len() {
        segments.push(pack_one(&rows[start..])?);
    }
    Ok(segments)
}

fn pack_one(rows: &[Merged]) -> Result<Packed, StoreError> {
    let blobs: Vec<(RowId, Bytes)> = rows.iter().map(|row| (row.id, row.blob.clone())).collect();
    let raw = frame::encode_segment(&blobs);
    let packed = zstd::bulk::compress(&raw, SEGMENT_ZSTD_LEVEL)
        .map_err(|error| StoreError::Unavailable(format!("zstd: {error}")))?;
    let times = || {
        rows.iter()
            .flat_map(|row| &row.records)
            .map(|record| record.time_ms)
    };
    Ok(Packed {
        first_row: rows.iter().map(|row| row.id.0).min().unwrap_or(0),
        last_row: rows.iter().map(|row| row.id.0).max().unwrap_or(0),
        records: rows.iter().map(|row| row.records.len()).sum(),
        first_ms: times().min().unwrap_or(0),
        last_ms: times().max().unwrap_or(0),
        raw_bytes: raw.len(),
        rows: packed,
    })
}

/// Writes segments behind those that a document has.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    doc: &DocumentRow,
    generation: Generation,
    segments: Vec<Packed>,
) -> Result<(), StoreError> {
    let last: i64 =
        sqlx::query_scalar("SELECT coalesce(max(segment), 0) FROM archive WHERE document_id = ?1")
            .bind(doc.id)
            .fetch_one(&mut *connection)
            .await?;
    for (segment, packed) in (last + 1..).zip(segments) {
        let place = Place {
            segment,
            epoch: i64::from(doc.epoch.0),
            generation: generation.0 as i64,
            first_row: packed.first_row,
            last_row: packed.last_row,
            raw_bytes: packed.raw_bytes as i64,
        };
        sqlx::query(
            "INSERT INTO archive (document_id, segment, epoch, generation, first_row, last_row, records_count, \
             first_ms, last_ms, raw_bytes, crc32, rows) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .bind(doc.id)
        .bind(place.segment)
        .bind(place.epoch)
        .bind(place.generation)
        .bind(place.first_row)
        .bind(place.last_row)
        .bind(packed.records as i64)
        .bind(packed.first_ms as i64)
        .bind(packed.last_ms as i64)
        .bind(place.raw_bytes)
        .bind(place.crc32(doc.id, &packed.rows))
        .bind(packed.rows)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// What a segment says about itself, apart from its document.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
struct Place {
    segment: i64,
    epoch: i64,
    generation: i64,
    first_row: i64,
    last_row: i64,
    raw_bytes: i64,
}

impl Place {
    fn crc32(&self, document_id: i64, rows: &[u8]) -> i64 {
        let numbers = [
            document_id,
            self.segment,
            self.epoch,
            self.generation,
            self.first_row,
            self.last_row,
            self.raw_bytes,
        ];
        checksum::of(&numbers, &[rows])
    }
}

/// A segment as it was read, not checked yet.
#[derive(Debug, sqlx::FromRow)]
struct SegmentRow {
    #[sqlx(flatten)]
    place: Place,
    crc32: i64,
    rows: Vec<u8>,
}

impl SegmentRow {
    fn unpack(self, document_id: i64, epoch: Epoch) -> Result<Vec<Row>, Damage> {
        let place = self.place;
        let damaged = |reason: String| Damage {
            what: Damaged::Segment(place.segment.unsigned_abs()),
            reason,
        };
        if place.crc32(document_id, &self.rows) != self.crc32 {
            return Err(damaged("its checksum does not fit".into()));
        }
        if place.epoch != i64::from(epoch.0) {
            return Err(damaged(format!(
                "it is of epoch {}, the document of {epoch}",
                place.epoch
            )));
        }
        let raw_bytes = usize::try_from(place.raw_bytes)
            .ok()
            .filter(|bytes| *bytes <= SEGMENT_BYTES_MAX);
        let raw_bytes = raw_bytes.ok_or_else(|| damaged(format!("{} bytes unpacked", place.raw_bytes)))?;
        let raw =
            zstd::bulk::decompress(&self.rows, raw_bytes).map_err(|error| damaged(error.to_string()))?;
        frame::decode_segment(&raw.into()).map_err(|error| damaged(error.to_string()))
    }
}

/// The rows of every segment that a snapshot of generation `base` does not hold.
pub(crate) async fn rows_after(
    connection: &mut SqliteConnection,
    doc: &DocumentRow,
    base: Generation,
    damage: &mut Vec<Damage>,
) -> Result<Vec<Row>, StoreError> {
    let segments: Vec<SegmentRow> = sqlx::query_as(
        "SELECT segment, epoch, generation, first_row, last_row, raw_bytes, crc32, rows FROM archive \
         WHERE document_id = ?1 AND generation > ?2 ORDER BY segment",
    )
    .bind(doc.id)
    .bind(base.0 as i64)
    .fetch_all(connection)
    .await?;
    let mut rows = Vec::new();
    for segment in segments {
        match segment.unpack(doc.id, doc.epoch) {
            Ok(unpacked) => rows.extend(unpacked),
            Err(broken) => damage.push(broken),
        }
    }
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

/// The ranges of row ids of the segments that reach to `row` or beyond: segment, lowest, highest.
pub(crate) async fn ranges_from(
    connection: &mut SqliteConnection,
    document_id: i64,
    row: i64,
) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT segment, first_row, last_row FROM archive WHERE document_id = ?1 AND last_row >= ?2 \
         ORDER BY first_row",
    )
    .bind(document_id)
    .bind(row)
    .fetch_all(connection)
    .await?)
}

/// The rows of one segment.
pub(crate) async fn rows_of(
    connection: &mut SqliteConnection,
    doc: &DocumentRow,
    segment: i64,
) -> Result<Result<Vec<Row>, Damage>, StoreError> {
    let row: SegmentRow = sqlx::query_as(
        "SELECT segment, epoch, generation, first_row, last_row, raw_bytes, crc32, rows FROM archive \
         WHERE document_id = ?1 AND segment = ?2",
    )
    .bind(doc.id)
    .bind(segment)
    .fetch_one(connection)
    .await?;
    Ok(row.unpack(doc.id, doc.epoch))
}
