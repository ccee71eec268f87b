//! A row of the table `archive`: a packed segment of the log.

use bytes::Bytes;

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

/// Packs rows into segments of bounded size, on a thread that may block: it compresses.
pub(crate) async fn pack(rows: Vec<Merged>) -> Result<Vec<Packed>, StoreError> {
    tokio::task::spawn_blocking(move || pack_all(&rows))
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?
}

fn pack_all(rows: &[Merged]) -> Result<Vec<Packed>, StoreError> {
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

impl Packed {
    /// The columns of the segment with this number.
    pub(crate) fn seal(self, doc: &DocumentRow, generation: Generation, segment: i64) -> Sealed {
        let place = Place {
            segment,
            epoch: i64::from(doc.epoch.0),
            generation: generation.0 as i64,
            first_row: self.first_row,
            last_row: self.last_row,
            raw_bytes: self.raw_bytes as i64,
        };
        Sealed {
            place,
            crc32: place.crc32(doc.id, &self.rows),
            records: self.records as i64,
            first_ms: self.first_ms as i64,
            last_ms: self.last_ms as i64,
            rows: self.rows,
        }
    }
}

/// A segment as it is written.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) place: Place,
    pub(crate) crc32: i64,
    pub(crate) records: i64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) rows: Vec<u8>,
}

/// What a segment says about itself, apart from its document.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(crate) struct Place {
    pub(crate) segment: i64,
    pub(crate) epoch: i64,
    pub(crate) generation: i64,
    pub(crate) first_row: i64,
    pub(crate) last_row: i64,
    pub(crate) raw_bytes: i64,
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
pub(crate) struct SegmentRow {
    #[sqlx(flatten)]
    place: Place,
    crc32: i64,
    rows: Vec<u8>,
}

impl SegmentRow {
    pub(crate) fn unpack(self, document_id: i64, epoch: Epoch) -> Result<Vec<Row>, Damage> {
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

/// The rows of segments in order. What is damaged goes to `damage`.
pub(crate) fn unpack_all(segments: Vec<SegmentRow>, doc: &DocumentRow, damage: &mut Vec<Damage>) -> Vec<Row> {
    let mut rows = Vec::new();
    for segment in segments {
        match segment.unpack(doc.id, doc.epoch) {
            Ok(unpacked) => rows.extend(unpacked),
            Err(broken) => damage.push(broken),
        }
    }
    rows.sort_by_key(|row| row.id);
    rows
}
