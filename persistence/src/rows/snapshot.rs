//! A row of the table `snapshots`, and how a damaged one is passed over.

use super::checksum;
use super::document::DocumentRow;
use crate::record::Generation;
use crate::stored::{Damage, Damaged};
use crate::{Compaction, StoredSnapshot};

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
    fn generation(&self) -> Generation {
        Generation(self.generation.unsigned_abs())
    }

    fn check(self, doc: &DocumentRow) -> Result<StoredSnapshot, Damage> {
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

/// The checksum of a snapshot that is about to be written.
pub(crate) fn crc32_of(doc: &DocumentRow, generation: Generation, merge: &Compaction) -> i64 {
    crc32(
        doc.id,
        generation.0 as i64,
        i64::from(merge.epoch.0),
        &merge.state_vector,
        &merge.update,
    )
}

/// The search for the newest snapshot that is intact: the newest one, or the one before when that is damaged, and so
/// on.
#[derive(Debug)]
pub(crate) struct Search {
    newest: Generation,
    wanted: Generation,
}

impl Search {
    pub(crate) fn new(doc: &DocumentRow) -> Search {
        Search {
            newest: doc.generation,
            wanted: doc.generation,
        }
    }

    /// Which one to read next: the newest whose number is not above this. `None` when there is none left.
    pub(crate) fn wanted(&self) -> Option<Generation> {
        (self.wanted > Generation::NONE).then_some(self.wanted)
    }

    /// Takes what was found. `Some` ends the search; what is missing or damaged goes to `damage`.
    pub(crate) fn take(
        &mut self,
        found: Option<SnapshotRow>,
        doc: &DocumentRow,
        damage: &mut Vec<Damage>,
    ) -> Option<StoredSnapshot> {
        let Some(found) = found else {
            damage.push(missing(self.wanted));
            self.wanted = Generation::NONE;
            return None;
        };
        let generation = found.generation();
        if generation < self.wanted && self.wanted == self.newest {
            damage.push(missing(self.wanted));
        }
        self.wanted = Generation(generation.0.saturating_sub(1));
        found.check(doc).map_err(|broken| damage.push(broken)).ok()
    }
}

fn missing(generation: Generation) -> Damage {
    Damage {
        what: Damaged::Snapshot(generation),
        reason: "it is not there".into(),
    }
}
