//! Putting a generation of the tail into the table.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::half::{Found, read};
use super::{Place, path, remove};
use crate::record::Epoch;
use crate::rows::log::crc32;
use crate::sqlite::appender;
use crate::{StoreError, frame};

/// Rows of `meta`: the highest generation that is in the table, and the key of the database.
const FOLDED: &str = "tail_folded";
const KEY: &str = "tail_key";

/// A generation that nothing is written to any more.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) path: PathBuf,
    pub(crate) generation: u64,
    pub(crate) mark: u64,
    /// What was written; None where nobody knows any more.
    pub(crate) bytes: Option<usize>,
}

/// Puts a generation into the table, in one transaction that is on the disk when this returns. What an append wrote for a
/// document in several groups becomes one row. A generation that is there already is left alone.
pub(crate) fn fold(connection: &mut Connection, sealed: &Sealed) -> Result<(), StoreError> {
    let (found, _) = find(sealed)?;
    insert(connection, sealed.generation, found)
}

/// Folds what a process left that did not close its database, and returns where the tail goes on.
pub(crate) fn recover(database: &Path) -> Result<Place, StoreError> {
    let mut connection = appender::open(database)?;
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?1, 0), (?2, random()) ON CONFLICT (key) DO NOTHING",
        (FOLDED, KEY),
    )?;
    let value = |key: &str| {
        connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get::<_, i64>(0)
        })
    };
    let mut place = Place {
        folded: value(FOLDED)? as u64,
        key: value(KEY)? as u64,
    };
    for generation in [place.folded + 1, place.folded + 2] {
        let sealed = Sealed {
            path: path(database, generation % 2),
            generation,
            mark: place.key.wrapping_add(generation),
            bytes: None,
        };
        let (found, lost) = find(&sealed)?;
        if !found.is_empty() {
            tracing::info!(appends = found.len(), "the log's tail is put into the table");
            insert(&mut connection, generation, found)?;
            place.folded = generation;
        }
        if lost > 0 {
            keep(&sealed.path);
        }
    }
    for number in [0, 1] {
        remove(&path(database, number));
    }
    Ok(place)
}

/// Puts a file aside that could not be read in full, for people.
fn keep(path: &Path) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    if let Err(error) = fs::rename(path, &aside) {
        tracing::warn!(%error, "the damaged tail of the log is not kept");
    }
}

/// What a generation holds, and how many bytes of it nobody can read.
fn find(sealed: &Sealed) -> Result<(Vec<Found>, usize), StoreError> {
    let mut bytes = match fs::read(&sealed.path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound && sealed.bytes.is_none() => {
            return Ok((Vec::new(), 0));
        }
        Err(error) => {
            return Err(StoreError::Unavailable(format!(
                "{}: {error}",
                sealed.path.display()
            )));
        }
    };
    if let Some(written) = sealed.bytes {
        bytes.truncate(written);
    }
    let (found, lost) = read(&bytes.into(), sealed.mark);
    if lost > 0 {
        tracing::warn!(
            bytes = lost,
            file = %sealed.path.display(),
            "a part of the log's tail cannot be read: the power was lost before it was on the disk, or the disk is failing"
        );
    }
    Ok((found, lost))
}

/// The entries of one document, oldest first.
type ByDocument = BTreeMap<(i64, u32), Vec<Bytes>>;

fn insert(connection: &mut Connection, generation: u64, found: Vec<Found>) -> Result<(), StoreError> {
    let mut documents = ByDocument::new();
    for entry in found {
        let blobs = documents.entry((entry.document_id, entry.epoch)).or_default();
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
        let mut epoch_of = transaction.prepare("SELECT epoch FROM documents WHERE id = ?1")?;
        let mut insert = transaction.prepare(appender::INSERT)?;
        for ((document_id, epoch), blobs) in documents {
            let now: Option<i64> = epoch_of.query_row([document_id], |row| row.get(0)).optional()?;
            // Not so only when the files are not of one moment, as after a backup of one of them was put back.
            if now != Some(i64::from(epoch)) {
                lost += blobs.len();
                continue;
            }
            for records in join(&blobs) {
                let epoch = i64::from(Epoch(epoch).0);
                insert.execute((
                    document_id,
                    epoch,
                    crc32(document_id, epoch, &records),
                    &records[..],
                ))?;
            }
        }
    }
    transaction.commit()?;
    if lost > 0 {
        tracing::warn!(
            appends = lost,
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
