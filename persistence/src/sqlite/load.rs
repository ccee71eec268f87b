//! Reading a document, and standing in for what is damaged.

use bytes::Bytes;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, SqliteTransaction};

use super::document::{self, DocumentRow};
use super::{append, archive, quarantine, snapshot};
use crate::history::leave_out;
use crate::record::{Epoch, Generation, Record, Row, RowId};
use crate::stored::{Damage, Damaged};
use crate::{DocId, StoreError, Stored, StoredSnapshot, frame};

pub(crate) async fn load(connection: &mut SqliteConnection, doc: &DocId) -> Result<Stored, StoreError> {
    // One read transaction: a compaction in between would otherwise show the old snapshot without its rows. Its end is
    // also the proof that there was somebody to ask: sqlx takes the death of its thread for the end of the rows.
    let mut transaction = connection.begin().await?;
    let Some(row) = document::find(&mut transaction, doc).await? else {
        transaction.rollback().await?;
        return Ok(Stored::empty(Epoch::FIRST));
    };
    let mut stored = Stored {
        generation: row.generation,
        ..Stored::empty(row.epoch)
    };
    stored.snapshot = newest_intact_snapshot(&mut transaction, &row, &mut stored.damage).await?;
    let base = stored
        .snapshot
        .as_ref()
        .map_or(Generation::NONE, |snapshot| snapshot.generation);
    if base < row.generation {
        stored.recovered = archive::rows_after(&mut transaction, &row, base, &mut stored.damage).await?;
    }
    let log: Vec<(i64, i64, i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, epoch, crc32, records FROM log WHERE document_id = ?1 ORDER BY id")
            .bind(row.id)
            .fetch_all(&mut *transaction)
            .await?;
    let quarantined = quarantine::updates(&mut transaction, row.id, &mut stored.damage).await?;
    transaction.rollback().await?;

    for (id, epoch, crc32, blob) in log {
        match read_row(&row, id, epoch, crc32, &blob.into()) {
            Ok(records) => stored.rows.push(Row {
                id: RowId(id),
                records,
            }),
            Err(damage) => stored.damage.push(damage),
        }
    }
    leave_out(&mut stored.recovered, &quarantined);
    leave_out(&mut stored.rows, &quarantined);
    Ok(stored)
}

/// The newest snapshot, or the one before when that is damaged, and so on.
async fn newest_intact_snapshot(
    transaction: &mut SqliteTransaction<'_>,
    row: &DocumentRow,
    damage: &mut Vec<Damage>,
) -> Result<Option<StoredSnapshot>, StoreError> {
    let mut expected = row.generation;
    while expected > Generation::NONE {
        let Some(found) = snapshot::newest_up_to(transaction, row.id, expected).await? else {
            damage.push(missing(expected));
            return Ok(None);
        };
        let generation = found.generation();
        if generation < expected && expected == row.generation {
            damage.push(missing(expected));
        }
        match found.check(row) {
            Ok(snapshot) => return Ok(Some(snapshot)),
            Err(broken) => {
                expected = Generation(generation.0.saturating_sub(1));
                damage.push(broken);
            }
        }
    }
    Ok(None)
}

fn missing(generation: Generation) -> Damage {
    Damage {
        what: Damaged::Snapshot(generation),
        reason: "it is not there".into(),
    }
}

/// Checks a row of the log and reads its records.
pub(crate) fn read_row(
    doc: &DocumentRow,
    id: i64,
    epoch: i64,
    crc32: i64,
    blob: &Bytes,
) -> Result<Vec<Record>, Damage> {
    let damaged = |reason: String| Damage {
        what: Damaged::Row(RowId(id)),
        reason,
    };
    if append::crc32(doc.id, epoch, blob) != crc32 {
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
