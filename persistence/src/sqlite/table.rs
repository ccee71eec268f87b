//! Appending to the table: what is large, and what makes a document or has to look it up.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};

use super::document::INSERT;
use super::writer::KnownDoc;
use crate::record::Epoch;
use crate::rows::document::{DocumentColumns, DocumentRow, FIND, UPDATE, now_ms};
use crate::rows::log::crc32;
use crate::{Appended, DocId, StoreError};

/// A batch as it is written.
#[derive(Debug)]
pub(crate) struct Framed {
    pub(crate) doc: DocId,
    pub(crate) epoch: Epoch,
    pub(crate) blobs: Vec<Vec<u8>>,
}

/// What became of batches, and what was learned of the documents that were written to.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) appended: Vec<Appended>,
    pub(crate) learned: Vec<(DocId, KnownDoc)>,
}

/// Appends in one transaction, which is on the disk when this returns. Nothing is written when `is_wanted` says no at the
/// end: whoever gave up may have had others write since, and who comes late must not come behind them.
pub(super) fn append(
    connection: &mut Connection,
    batches: Vec<Framed>,
    is_wanted: impl Fn() -> bool,
) -> Result<Done, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut done = Done::default();
    for batch in batches {
        let row = find(&transaction, &batch.doc)?;
        let epoch = row.map_or(Epoch::FIRST, |row| row.epoch);
        if batch.epoch != epoch {
            done.appended.push(Appended::StaleEpoch);
            continue;
        }
        done.appended.push(Appended::Stored);
        // Nothing is written about an unknown document or a tombstone before there is an update to store.
        if batch.blobs.is_empty() {
            continue;
        }
        let row = match row {
            Some(row) => row,
            None => insert(&transaction, &batch.doc)?,
        };
        if row.created_ms.is_none() {
            create(&transaction, &batch.doc, row)?;
        }
        let mut log = transaction
            .prepare_cached("INSERT INTO log (document_id, epoch, crc32, records) VALUES (?1, ?2, ?3, ?4)")?;
        let (id, number) = (row.id, i64::from(epoch.0));
        for blob in &batch.blobs {
            log.execute((id, number, crc32(id, number, blob), &blob[..]))?;
        }
        done.learned.push((batch.doc, KnownDoc { id, epoch }));
    }
    if !done.learned.is_empty() && is_wanted() {
        transaction.commit()?;
    }
    Ok(done)
}

fn find(transaction: &Transaction<'_>, doc: &DocId) -> Result<Option<DocumentRow>, StoreError> {
    let columns = |row: &Row<'_>| {
        Ok(DocumentColumns {
            id: row.get(0)?,
            epoch: row.get(1)?,
            generation: row.get(2)?,
            created_ms: row.get(3)?,
            crc32: row.get(4)?,
        })
    };
    let found = transaction
        .prepare_cached(FIND)?
        .query_row((doc.tenant(), doc.name()), columns)
        .optional()?;
    found.map(|columns| columns.check(doc)).transpose()
}

/// Gives a document an id, and no checksum yet.
fn insert(transaction: &Transaction<'_>, doc: &DocId) -> Result<DocumentRow, rusqlite::Error> {
    transaction
        .prepare_cached(INSERT)?
        .query_row((doc.tenant(), doc.name()), |row| row.get(0))
        .map(DocumentRow::tombstone)
}

/// Makes a tombstone a document that exists.
fn create(transaction: &Transaction<'_>, doc: &DocId, row: DocumentRow) -> Result<(), rusqlite::Error> {
    let row = DocumentRow {
        created_ms: Some(now_ms()),
        ..row
    };
    // The checksum covers the id.
    transaction.prepare_cached(UPDATE)?.execute((
        i64::from(row.epoch.0),
        row.generation.0 as i64,
        row.created_ms,
        row.crc32(doc),
        row.id,
    ))?;
    Ok(())
}
