//! A row of the table `snapshots`, and how a damaged one is passed over.

use super::document::DocumentRow;
use super::{blob, checksum};
use crate::blobs::{BlobId, BlobKey, LostBlob};
use crate::record::Generation;
use crate::stored::{Damage, Damaged};
use crate::{Compaction, StoredSnapshot};

/// A snapshot as its row has it, checked.
#[derive(Debug)]
pub(crate) enum Found {
    /// All of it.
    Whole(StoredSnapshot),
    /// Its bytes are in the blob store; there are none in it yet.
    InBlob(StoredSnapshot, BlobKey),
}

/// A row as it was read, not checked yet.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct SnapshotRow {
    generation: i64,
    epoch: i64,
    crc32: i64,
    state_vector: Vec<u8>,
    state: Vec<u8>,
    blob: Option<i64>,
    /// Of the table `blobs`, as what follows.
    hash: Option<Vec<u8>>,
    bytes: Option<i64>,
}

impl SnapshotRow {
    fn generation(&self) -> Generation {
        Generation(self.generation.unsigned_abs())
    }

    fn blob(&self) -> Result<Option<BlobKey>, ()> {
        match (self.blob, &self.hash, self.bytes) {
            (None, ..) => Ok(None),
            (Some(id), Some(hash), Some(bytes)) => blob::key(id, hash, bytes).map(Some).ok_or(()),
            (Some(_), ..) => Err(()),
        }
    }

    fn check(self, doc: &DocumentRow, lost: &[LostBlob]) -> Result<Found, Damage> {
        let generation = self.generation();
        let damaged = |reason: &str| Damage {
            what: Damaged::Snapshot(generation),
            reason: reason.into(),
        };
        let blob = self
            .blob()
            .map_err(|()| damaged("the row of its blob is damaged"))?;
        let place = Place {
            document_id: doc.id,
            generation: self.generation,
            epoch: self.epoch,
        };
        if place.crc32(&self.state_vector, &self.state, blob.as_ref()) != self.crc32 {
            return Err(damaged("its checksum does not fit"));
        }
        if self.epoch != i64::from(doc.epoch.0) {
            return Err(damaged("it is of another epoch"));
        }
        let snapshot = StoredSnapshot {
            update: self.state.into(),
            state_vector: self.state_vector.into(),
            generation,
        };
        let Some(blob) = blob else {
            return Ok(Found::Whole(snapshot));
        };
        match lost.iter().find(|lost| lost.id == blob.id) {
            Some(lost) => Err(damaged(&lost.reason)),
            None => Ok(Found::InBlob(snapshot, blob)),
        }
    }
}

/// The numbers of a snapshot.
#[derive(Clone, Copy)]
struct Place {
    document_id: i64,
    generation: i64,
    epoch: i64,
}

impl Place {
    fn crc32(self, state_vector: &[u8], state: &[u8], blob: Option<&BlobKey>) -> i64 {
        let Place {
            document_id,
            generation,
            epoch,
        } = self;
        match blob {
            None => checksum::of(&[document_id, generation, epoch], &[state_vector, state]),
            Some(blob) => {
                let BlobId(id) = blob.id;
                let numbers = [document_id, generation, epoch, id, blob.bytes as i64];
                checksum::of(&numbers, &[state_vector, state, &blob.hash.0])
            }
        }
    }
}

/// The checksum of a snapshot that is about to be written.
pub(crate) fn crc32_of(
    doc: &DocumentRow,
    generation: Generation,
    merge: &Compaction,
    blob: Option<&BlobKey>,
) -> i64 {
    let place = Place {
        document_id: doc.id,
        generation: generation.0 as i64,
        epoch: i64::from(merge.epoch.0),
    };
    let state = if blob.is_some() { &[] } else { &merge.update[..] };
    place.crc32(&merge.state_vector, state, blob)
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
        lost: &[LostBlob],
        damage: &mut Vec<Damage>,
    ) -> Option<Found> {
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
        found.check(doc, lost).map_err(|broken| damage.push(broken)).ok()
    }
}

fn missing(generation: Generation) -> Damage {
    Damage {
        what: Damaged::Snapshot(generation),
        reason: "it is not there".into(),
    }
}
