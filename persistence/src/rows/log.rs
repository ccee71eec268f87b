//! A row of the table `log`: its blob, its checksum, and what it holds.

use bytes::Bytes;

use super::checksum;
use super::document::DocumentRow;
use super::segment::Merged;
use crate::limits::{ROW_BYTES_TARGET, UPDATE_BYTES_MAX};
use crate::record::{Batch, Epoch, Record, Row, RowId};
use crate::stored::{Damage, Damaged};
use crate::{StoreError, frame};

/// A row as it was read, not checked yet.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct LogColumns {
    id: i64,
    epoch: i64,
    crc32: i64,
    records: Vec<u8>,
}

impl LogColumns {
    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    /// The epoch that it says it was written in; what is no epoch is none that anything is in.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(u32::try_from(self.epoch).unwrap_or(0))
    }

    /// The document with this id, in the epoch that the row was written in.
    pub(crate) fn document(&self, id: i64) -> DocumentRow {
        DocumentRow {
            epoch: self.epoch(),
            ..DocumentRow::tombstone(id)
        }
    }

    /// Checks the row and reads its records.
    pub(crate) fn read(self, doc: &DocumentRow) -> Result<Row, Damage> {
        let id = RowId(self.id);
        read(doc, self.id, self.epoch, self.crc32, &self.records.into()).map(|records| Row { id, records })
    }

    /// The row as a segment of the archive takes it. A damaged row is never archived as if it were whole: it was
    /// intact when it was merged.
    pub(crate) fn merged(self, doc: &DocumentRow) -> Result<Merged, StoreError> {
        let blob = self.records.into();
        match read(doc, self.id, self.epoch, self.crc32, &blob) {
            Ok(records) => Ok(Merged {
                id: RowId(self.id),
                blob,
                records,
            }),
            Err(damage) => Err(StoreError::Corrupt(damage.to_string())),
        }
    }
}

/// The checksum of a log row.
pub(crate) fn crc32(document_id: i64, epoch: i64, records: &[u8]) -> i64 {
    checksum::of(&[document_id, epoch], &[records])
}

/// One blob for a batch, or several when it is very large.
pub(crate) fn frame_rows(batch: &Batch) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut blobs = Vec::with_capacity(1);
    let (mut start, mut bytes) = (0, 0);
    for (index, record) in batch.records.iter().enumerate() {
        if record.update.len() > UPDATE_BYTES_MAX {
            return Err(StoreError::TooLarge {
                bytes: record.update.len(),
            });
        }
        if bytes > 0 && bytes + frame::framed_bytes(record) > ROW_BYTES_TARGET {
            blobs.push(frame::encode(&batch.records[start..index]));
            (start, bytes) = (index, 0);
        }
        bytes += frame::framed_bytes(record);
    }
    let rest: &[Record] = &batch.records[start..];
    if !rest.is_empty() {
        blobs.push(frame::encode(rest));
    }
    Ok(blobs)
}

fn read(doc: &DocumentRow, id: i64, epoch: i64, sum: i64, blob: &Bytes) -> Result<Vec<Record>, Damage> {
    let damaged = |reason: String| Damage {
        what: Damaged::Row(RowId(id)),
        reason,
    };
    if crc32(doc.id, epoch, blob) != sum {
        return Err(damaged("its checksum does not fit".into()));
    }
    if epoch != i64::from(doc.epoch.0) {
        return Err(damaged(format!(
            "it is of epoch {epoch}, the document of {}",
            doc.epoch
        )));
    }
    frame::decode(blob).map_err(|error| damaged(error.to_string()))
}
