//! One page of history, filled row by row: the same for every backend.

use std::collections::HashSet;

use bytes::Bytes;

use crate::limits::{HISTORY_BYTES_TARGET, HISTORY_RECORDS_MAX};
use crate::record::{Record, Row};
use crate::stored::Damage;
use crate::{HistoryCursor, HistoryPage};

/// A page that is being filled. Feed it rows in the order of their ids until it is full.
#[derive(Debug)]
pub(crate) struct PageBuilder {
    after: Option<HistoryCursor>,
    limit: usize,
    quarantined: HashSet<Bytes>,
    records: Vec<Record>,
    bytes: usize,
    last: Option<HistoryCursor>,
    full: bool,
    damage: Vec<Damage>,
}

impl PageBuilder {
    pub(crate) fn new(
        after: Option<HistoryCursor>,
        limit: usize,
        quarantined: HashSet<Bytes>,
    ) -> PageBuilder {
        let limit = limit.min(HISTORY_RECORDS_MAX);
        PageBuilder {
            after,
            limit,
            quarantined,
            records: Vec::new(),
            bytes: 0,
            last: after,
            full: limit == 0,
            damage: Vec::new(),
        }
    }

    /// Whether there was more than fits, so that reading on is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    pub(crate) fn push(&mut self, row: Row) {
        for (index, record) in row.records.into_iter().enumerate() {
            let place = HistoryCursor {
                row: row.id,
                index: u32::try_from(index).unwrap_or(u32::MAX),
            };
            if self.full {
                return;
            }
            if self.after.is_some_and(|after| place <= after) || self.quarantined.contains(&record.update) {
                continue;
            }
            if self.records.len() >= self.limit || self.bytes >= HISTORY_BYTES_TARGET {
                self.full = true;
                return;
            }
            self.bytes += record.update.len();
            self.records.push(record);
            self.last = Some(place);
        }
    }

    /// Notes what could not be read.
    pub(crate) fn damaged(&mut self, damage: Damage) {
        self.damage.push(damage);
    }

    pub(crate) fn finish(self) -> HistoryPage {
        let next = if self.full { self.last } else { None };
        HistoryPage {
            records: self.records,
            next,
            damage: self.damage,
        }
    }
}

/// Removes quarantined updates. The rows stay, even when nothing is left in them: they are still to be compacted.
pub(crate) fn leave_out(rows: &mut [Row], quarantined: &HashSet<Bytes>) {
    if quarantined.is_empty() {
        return;
    }
    for row in rows {
        row.records.retain(|record| !quarantined.contains(&record.update));
    }
}
