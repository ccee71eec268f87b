//! What a load returns.

use std::fmt;

use bytes::Bytes;

use crate::record::{Epoch, Generation, Row, RowId};

/// Everything that is stored of one document, as of one moment.
///
/// The document is what [`Stored::updates`] yields, merged. Updates that were quarantined are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The current epoch; [`Epoch::FIRST`] for a document that nobody has written to.
    pub epoch: Epoch,
    /// The number of the newest snapshot that was written, readable or not.
    pub generation: Generation,
    /// The newest snapshot that is intact.
    pub snapshot: Option<StoredSnapshot>,
    /// Usually empty. What the archive holds of the time since `snapshot`, when a newer snapshot is damaged. These
    /// rows are compacted already: they belong to the document's content, but not into [`crate::Compaction::rows`].
    pub recovered: Vec<Row>,
    /// The log since the newest snapshot, oldest first.
    pub rows: Vec<Row>,
    /// What could not be read. It is left where it is, for inspection; the rest of the document is above. A caller
    /// opens the document all the same, and raises an alarm.
    pub damage: Vec<Damage>,
}

impl Stored {
    /// A document that nobody has written to in this epoch.
    pub fn empty(epoch: Epoch) -> Stored {
        Stored {
            epoch,
            generation: Generation::NONE,
            snapshot: None,
            recovered: Vec::new(),
            rows: Vec::new(),
            damage: Vec::new(),
        }
    }

    /// Every update of the document: the snapshot, then what was recovered, then the log. Clones are cheap: the
    /// bytes are shared.
    pub fn updates(&self) -> impl Iterator<Item = &Bytes> {
        let snapshot = self.snapshot.iter().map(|snapshot| &snapshot.update);
        let rows = self.recovered.iter().chain(&self.rows);
        snapshot.chain(rows.flat_map(|row| row.records.iter().map(|record| &record.update)))
    }
}

/// A document at some moment, as one update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// The whole document.
    pub update: Bytes,
    /// What `update` covers, in the wire's own encoding.
    pub state_vector: Bytes,
    /// Which snapshot it is.
    pub generation: Generation,
}

/// Something that was stored and cannot be read back as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub what: Damaged,
    /// Why it is held to be damaged. For logs.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Damaged::Row(id) => write!(f, "log row {}: {}", id.0, self.reason),
            Damaged::Snapshot(generation) => write!(f, "snapshot {}: {}", generation.0, self.reason),
            Damaged::Quarantined(number) => write!(f, "quarantined update {number}: {}", self.reason),
            Damaged::Segment(number) => write!(f, "archive segment {number}: {}", self.reason),
        }
    }
}

/// The place of a damage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damaged {
    /// A row of the log. Its updates are missing from what was loaded.
    Row(RowId),
    /// A snapshot. An older one and the archive stand in for it; nothing is missing unless a segment is damaged too.
    Snapshot(Generation),
    /// A segment of the archive: history has a gap, and so has a document that was recovered through it.
    Segment(u64),
    /// A quarantined update, by the number of its row: loads cannot leave it out any more, and it may break the
    /// engine again.
    Quarantined(i64),
}
