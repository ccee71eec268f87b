//! Putting a generation of the tail into the table.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::half::{Found, read};
use super::{Place, path, remove};
use crate::errors::of_file;
use crate::rows::log::crc32;
use crate::sqlite::{appender, beside};
use crate::{StoreError, frame};

/// Rows of `meta`, made by the migration `0010_tail`: the highest generation that is in the table, and the key of the database.
const FOLDED: &str = "tail_folded";
const KEY: &str = "tail_key";

/// One row of the log, if its document is still in that epoch.
const INSERT: &str = "INSERT INTO log (document_id, epoch, crc32, records) SELECT ?1, ?2, ?3, ?4 \
                      WHERE EXISTS (SELECT 1 FROM documents WHERE id = ?1 AND epoch = ?2)";

/// A generation that nothing is written to any more.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) generation: u64,
    pub(crate) mark: u64,
    /// Its groups, as they were written.
    pub(crate) bytes: Bytes,
}

/// Puts a generation into the table, in one transaction that is on the disk when this returns. What was appended to a
/// document in several groups becomes one row. A generation that is there already is left alone.
pub(crate) fn fold(connection: &mut Connection, sealed: &Sealed) -> Result<(), StoreError> {
    let (found, _) = read(&sealed.bytes, sealed.mark);
    insert(connection, sealed.generation, found)
}

/// Folds what a process left that did not close its database, and returns where the tail goes on.
pub(crate) fn recover(database: &Path) -> Result<Place, StoreError> {
    let mut connection = appender::open(database)?;
    let value = |key: &str| -> Result<u64, StoreError> {
        let mut value = connection.prepare("SELECT value FROM meta WHERE key = ?1")?;
        let value: Option<i64> = value.query_row([key], |row| row.get(0)).optional()?;
        let value = value.ok_or_else(|| StoreError::Corrupt(format!("the database has lost its {key}")))?;
        Ok(value as u64)
    };
    let mut place = Place {
        folded: value(FOLDED)?,
        key: value(KEY)?,
    };
    for generation in [place.folded + 1, place.folded + 2] {
        let path = path(database, generation % 2);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes.into(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(of_file(&path, &error)),
        };
        let (found, lost_bytes) = read(&bytes, place.key.wrapping_add(generation));
        if lost_bytes > 0 {
            keep(&path, lost_bytes);
        }
        if !found.is_empty() {
            tracing::info!(appends = found.len(), "the log's tail is put into the table");
            insert(&mut connection, generation, found)?;
            place.folded = generation;
        }
    }
    for number in [0, 1] {
        remove(&path(database, number));
    }
    Ok(place)
}

/// Keeps a copy, for people, of a file that could not be read in full.
fn keep(path: &Path, lost_bytes: usize) {
    let is_kept = fs::copy(path, beside(path, ".damaged")).is_ok();
    tracing::warn!(
        lost_bytes,
        is_kept,
        file = %path.display(),
        "a part of the log's tail cannot be read: the power was lost before it was on the disk, or the disk is failing"
    );
}

/// The entries of one document, oldest first.
type ByDocument = BTreeMap<(i64, i64), Vec<Bytes>>;

fn insert(connection: &mut Connection, generation: u64, found: Vec<Found>) -> Result<(), StoreError> {
    let mut documents = ByDocument::new();
    for entry in found {
        let blobs = documents
            .entry((entry.document_id, i64::from(entry.epoch)))
            .or_default();
        blobs.push(entry.blob);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_new = transaction
        .prepare("UPDATE meta SET value = ?2 WHERE key = ?1 AND value < ?2")?
        .execute((FOLDED, generation as i64))?
        > 0;
    if !is_new {
        return Ok(());
    }
    let mut lost = 0;
    {
        let mut insert = transaction.prepare(INSERT)?;
        for ((document_id, epoch), blobs) in documents {
            for records in join(&blobs) {
                let row = (
                    document_id,
                    epoch,
                    crc32(document_id, epoch, &records),
                    &records[..],
                );
                // Nowhere but where the files are not of one moment, as after a backup of one of them was put back.
                lost += usize::from(insert.execute(row)? == 0);
            }
        }
    }
    transaction.commit()?;
    if lost > 0 {
        tracing::warn!(
            rows = lost,
            "the log's tail speaks of documents that the database does not have"
        );
    }
    Ok(())
}

/// One row of all; or each as it is, should one of them be of a version that is not known here.
fn join(blobs: &[Bytes]) -> Vec<Bytes> {
    match frame::join(blobs) {
        Ok(joined) => vec![joined.into()],
        Err(_) => blobs.to_vec(),
    }
}
