//! A row of the table `documents`, and its checksum.

use std::time::{SystemTime, UNIX_EPOCH};

use super::checksum;
use crate::record::{Epoch, Generation};
use crate::{Compaction, DocId, DocInfo, StoreError};

/// Finds a document by tenant and name: [`DocumentColumns`], in their order.
pub(crate) const FIND: &str =
    "SELECT id, epoch, generation, created_ms, crc32 FROM documents WHERE tenant = $1 AND name = $2";
/// Writes a row back: epoch, generation, time of creation and checksum, by id.
pub(crate) const UPDATE: &str =
    "UPDATE documents SET epoch = $1, generation = $2, created_ms = $3, crc32 = $4 WHERE id = $5";

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
    /// A document in its first epoch that nobody has written to.
    pub(crate) fn tombstone(id: i64) -> DocumentRow {
        DocumentRow {
            id,
            epoch: Epoch::FIRST,
            generation: Generation::NONE,
            created_ms: None,
        }
    }

    /// Whether the document is still what a merge was made from.
    pub(crate) fn is_current(&self, merge: &Compaction) -> bool {
        self.epoch == merge.epoch && self.generation == merge.newest && self.created_ms.is_some()
    }

    /// What is left when everything else was deleted: the next epoch, which nobody has written to.
    pub(crate) fn deleted(&self) -> DocumentRow {
        DocumentRow {
            epoch: self.epoch.next(),
            ..DocumentRow::tombstone(self.id)
        }
    }

    pub(crate) fn crc32(&self, doc: &DocId) -> i64 {
        let numbers = [
            self.id,
            i64::from(self.epoch.0),
            self.generation.0 as i64,
            self.created_ms.unwrap_or(i64::MIN),
        ];
        checksum::of(&numbers, &[doc.tenant().as_bytes(), doc.name().as_bytes()])
    }
}

/// A row as it was read, not checked yet.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(crate) struct DocumentColumns {
    pub(crate) id: i64,
    pub(crate) epoch: i64,
    pub(crate) generation: i64,
    pub(crate) created_ms: Option<i64>,
    pub(crate) crc32: i64,
}

impl DocumentColumns {
    /// A row that is there but damaged is an error, and never "unknown": the caller would otherwise begin an empty
    /// document over a full one.
    pub(crate) fn check(self, doc: &DocId) -> Result<DocumentRow, StoreError> {
        let damaged = || StoreError::Corrupt(format!("the row of document {doc} is damaged"));
        let row = DocumentRow {
            id: self.id,
            epoch: Epoch(u32::try_from(self.epoch).map_err(|_| damaged())?),
            generation: Generation(u64::try_from(self.generation).map_err(|_| damaged())?),
            created_ms: self.created_ms,
        };
        if row.crc32(doc) == self.crc32 {
            Ok(row)
        } else {
            Err(damaged())
        }
    }
}

/// One line of a listing, from name, epoch and time of creation.
pub(crate) fn info(
    tenant: &str,
    (name, epoch, created_ms): (String, i64, i64),
) -> Result<DocInfo, StoreError> {
    let damaged = |_| StoreError::Corrupt(format!("a row of tenant {tenant} is damaged"));
    let doc = DocId::new(tenant, &name).map_err(|_| StoreError::Corrupt(format!("a bad name: {name:?}")))?;
    Ok(DocInfo {
        doc,
        epoch: Epoch(u32::try_from(epoch).map_err(damaged)?),
        created_ms: u64::try_from(created_ms).map_err(damaged)?,
    })
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
