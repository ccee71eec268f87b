//! Rows of the table `snapshots`.

use sqlx::sqlite::SqliteConnection;

use super::checksum;
use super::document::{self, DocumentRow};
use crate::record::Generation;
use crate::stored::{Damage, Damaged};
use crate::{Compaction, StoreError, StoredSnapshot};

/// A row as it was read, not checked yet.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct SnapshotRow {
    generation: i64,
    epoch: i64,
    crc32: i64,
    state_vector: Vec<u8>,
    state: Vec<u8>,
}

impl SnapshotRow {
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.generation.unsigned_abs())
    }

    pub(crate) fn check(self, doc: &DocumentRow) -> Result<StoredSnapshot, Damage> {
        let generation = self.generation();
        let damaged = |reason: &str| Damage {
            what: Damaged::Snapshot(generation),
            reason: reason.into(),
        };
        if crc32(
            doc.id,
            self.generation,
            self.epoch,
            &self.state_vector,
            &self.state,
        ) != self.crc32
        {
            return Err(damaged("its checksum does not fit"));
        }
        if self.epoch != i64::from(doc.epoch.0) {
            return Err(damaged("it is of another epoch"));
        }
        Ok(StoredSnapshot {
            update: self.state.into(),
            state_vector: self.state_vector.into(),
            generation,
        })
    }
}

fn crc32(document_id: i64, generation: i64, epoch: i64, state_vector: &[u8], state: &[u8]) -> i64 {
    checksum::of(&[document_id, generation, epoch], &[state_vector, state])
}

/// The newest snapshot whose number is not above `generation`.
pub(crate) async fn newest_up_to(
    connection: &mut SqliteConnection,
    document_id: i64,
    generation: Generation,
) -> Result<Option<SnapshotRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT generation, epoch, crc32, state_vector, state FROM snapshots \
         WHERE document_id = ?1 AND generation <= ?2 ORDER BY generation DESC LIMIT 1",
    )
    .bind(document_id)
    .bind(generation.0 as i64)
    .fetch_optional(connection)
    .await?)
}

/// Writes a snapshot, and deletes those that are older than the one it was merged from.
///
/// A damaged snapshot between the two stays for inspection. It goes with the next merge but one: by then two intact
/// ones hold all that it held, since a document whose archive is damaged too is not compacted.
pub(crate) async fn replace(
    connection: &mut SqliteConnection,
    doc: &DocumentRow,
    generation: Generation,
    merge: Compaction,
) -> Result<(), StoreError> {
    let epoch = i64::from(merge.epoch.0);
    let crc32 = crc32(
        doc.id,
        generation.0 as i64,
        epoch,
        &merge.state_vector,
        &merge.update,
    );
    sqlx::query(
        "INSERT INTO snapshots (document_id, generation, epoch, created_ms, crc32, state_vector, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(doc.id)
    .bind(generation.0 as i64)
    .bind(epoch)
    .bind(document::now_ms())
    .bind(crc32)
    .bind(Vec::from(merge.state_vector))
    .bind(Vec::from(merge.update))
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM snapshots WHERE document_id = ?1 AND generation < ?2")
        .bind(doc.id)
        .bind(merge.base.0 as i64)
        .execute(connection)
        .await?;
    Ok(())
}
