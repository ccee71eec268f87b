//! A row of the table `quarantine`, and what is still put aside.

use std::collections::HashSet;

use bytes::Bytes;

use super::checksum;
use crate::DocId;
use crate::limits::{QUARANTINE_PER_DOC_MAX, QUARANTINE_REASON_BYTES_MAX};
use crate::record::Record;
use crate::stored::{Damage, Damaged};

/// The checksum of a row.
pub(crate) fn crc32(document_id: i64, update: &[u8]) -> i64 {
    checksum::of(&[document_id], &[update])
}

/// The updates that loads leave out, from id, checksum and bytes. What is damaged in the list goes to `damage`.
pub(crate) fn updates(
    document_id: i64,
    rows: Vec<(i64, i64, Vec<u8>)>,
    damage: &mut Vec<Damage>,
) -> HashSet<Bytes> {
    let mut updates = HashSet::with_capacity(rows.len());
    for (id, sum, update) in rows {
        if sum != crc32(document_id, &update) {
            damage.push(Damage {
                what: Damaged::Quarantined(id),
                reason: "its checksum does not fit".into(),
            });
        }
        updates.insert(update.into());
    }
    updates
}

/// Whether another update is to be kept beside these.
pub(crate) fn has_room_for(doc: &DocId, kept: &HashSet<Bytes>, record: &Record, reason: &str) -> bool {
    if kept.contains(&record.update) {
        return false;
    }
    if kept.len() >= QUARANTINE_PER_DOC_MAX {
        tracing::warn!(%doc, bytes = record.update.len(), reason, "quarantine is full, update dropped");
        return false;
    }
    true
}

/// As much of a reason as is kept.
pub(crate) fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(QUARANTINE_REASON_BYTES_MAX)]
}
