//! What is deleted in a document, as ranges of clocks.

use std::collections::HashMap;

use crate::ClientId;
use crate::gate::ClockRange;

/// Deleted ranges per client, sorted and merged.
pub(crate) struct Deleted {
    ranges: HashMap<ClientId, Vec<(u32, u32)>>,
}

impl Deleted {
    pub(crate) fn new(deleted: impl Iterator<Item = (ClientId, Vec<(u32, u32)>)>) -> Deleted {
        let mut ranges: HashMap<ClientId, Vec<(u32, u32)>> = HashMap::new();
        for (client, some) in deleted {
            let list = ranges.entry(client).or_default();
            list.extend(some);
            list.sort_unstable();
            list.dedup_by(|next, last| {
                let touches = next.0 <= last.1;
                if touches {
                    last.1 = last.1.max(next.1);
                }
                touches
            });
        }
        Deleted { ranges }
    }

    /// Whether all of a range is deleted.
    pub(crate) fn holds(&self, range: &ClockRange) -> bool {
        self.ranges.get(&range.client).is_some_and(|ranges| {
            // The last range that begins at or before this one holds it, or nothing does.
            let after = ranges.partition_point(|(from, _)| *from <= range.from);
            after > 0 && ranges[after - 1].1 >= range.to
        })
    }

    /// The same number for the same deletions, on any machine and in any release: nodes compare it (FNV-1a).
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut clients: Vec<&ClientId> = self.ranges.keys().collect();
        clients.sort_unstable();
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut add = |number: u64| {
            for byte in number.to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        for client in clients {
            for (from, to) in &self.ranges[client] {
                add(*client);
                add(u64::from(*from));
                add(u64::from(*to));
            }
        }
        hash
    }
}
