//! Which messages of which sender have come: a number that is left out is a message that was lost.
//!
//! No clock and no I/O: the room that owns this decides what to do about a gap.

use std::collections::HashMap;

use super::envelope::Sender;
use crate::limits::BUS_SENDERS_COUNT_MAX;

/// What the number of a message says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// Nothing of this sender was heard before. Whatever it said earlier was said to others.
    First,
    /// The one after the last.
    Next,
    /// Messages before it are missing: this many.
    Gap(u64),
    /// One that came already, or one that was missed and comes after all. What is newer has been taken.
    Late,
}

/// The senders that a room has heard of.
#[derive(Debug, Default)]
pub struct Senders {
    last: HashMap<Sender, Heard>,
    heard_count: u64,
}

#[derive(Debug)]
struct Heard {
    sequence: u64,
    /// When, counted in messages: the one that was silent for longest gives way at the bound.
    order: u64,
}

impl Senders {
    /// Takes note of a message.
    pub fn note(&mut self, from: Sender, sequence: u64) -> Arrival {
        self.heard_count += 1;
        let order = self.heard_count;
        let Some(heard) = self.last.get_mut(&from) else {
            self.make_space();
            self.last.insert(from, Heard { sequence, order });
            return Arrival::First;
        };
        heard.order = order;
        let missing = match sequence.checked_sub(heard.sequence) {
            None | Some(0) => return Arrival::Late,
            Some(steps) => steps - 1,
        };
        heard.sequence = sequence;
        if missing == 0 {
            Arrival::Next
        } else {
            Arrival::Gap(missing)
        }
    }

    /// The sender is gone. Should it speak again, it is a first time.
    pub fn forget(&mut self, sender: Sender) {
        self.last.remove(&sender);
    }

    /// Senders known.
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// Whether nobody has been heard.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    fn make_space(&mut self) {
        if self.last.len() < BUS_SENDERS_COUNT_MAX {
            return;
        }
        let quietest = self.last.iter().min_by_key(|(_, heard)| heard.order);
        if let Some(sender) = quietest.map(|(sender, _)| *sender) {
            self.last.remove(&sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::bus::NodeId;

    fn sender(number: u8) -> Sender {
        Sender {
            node: NodeId::from_bytes([number; 16]),
            incarnation: u64::from(number),
        }
    }

    #[test]
    fn numbers_tell_what_is_missing() {
        let mut senders = Senders::default();
        let (a, b) = (sender(1), sender(2));
        for (from, sequence, arrival) in [
            (a, 5, Arrival::First),
            (a, 6, Arrival::Next),
            (b, 1, Arrival::First),
            (a, 9, Arrival::Gap(2)),
            (a, 7, Arrival::Late),
            (a, 9, Arrival::Late),
            (a, 10, Arrival::Next),
            (b, 2, Arrival::Next),
            (b, u64::MAX, Arrival::Gap(u64::MAX - 3)),
            (b, 0, Arrival::Late),
        ] {
            assert_eq!(senders.note(from, sequence), arrival, "{from:?} {sequence}");
        }
        senders.forget(a);
        assert_eq!(senders.note(a, 11), Arrival::First);
    }

    #[test]
    fn at_the_bound_the_quietest_gives_way() {
        let mut senders = Senders::default();
        let numbered = |incarnation| Sender {
            incarnation,
            ..sender(0)
        };
        for incarnation in 0..BUS_SENDERS_COUNT_MAX as u64 {
            senders.note(numbered(incarnation), 1);
        }
        assert_eq!(senders.note(numbered(0), 2), Arrival::Next);
        assert_eq!(senders.note(numbered(u64::MAX), 1), Arrival::First);
        assert_eq!(senders.len(), BUS_SENDERS_COUNT_MAX);
        assert_eq!(senders.note(numbered(0), 3), Arrival::Next);
        assert_eq!(senders.note(numbered(1), 2), Arrival::First);
    }

    proptest! {
        /// Whatever is lost, doubled or comes late: the gaps that are reported add up to what was missing when
        /// the newest came, and nothing else is ever called a gap.
        #[test]
        fn gaps_add_up(arrivals in vec((0_u8..3, 1_u64..40), 1..200)) {
            let mut senders = Senders::default();
            let mut newest: HashMap<u8, (u64, u64)> = HashMap::new();
            let mut missing: HashMap<u8, u64> = HashMap::new();
            for (from, sequence) in arrivals {
                let arrival = senders.note(sender(from), sequence);
                if let Arrival::Gap(count) = arrival {
                    *missing.entry(from).or_default() += count;
                }
                let taken = !matches!(arrival, Arrival::Late);
                match newest.get_mut(&from) {
                    None => {
                        prop_assert_eq!(arrival, Arrival::First);
                        newest.insert(from, (sequence, 1));
                    }
                    Some((last, count)) => {
                        prop_assert_eq!(taken, sequence > *last);
                        if taken {
                            *last = sequence;
                            *count += 1;
                        }
                    }
                }
            }
            for (from, (last, taken)) in newest {
                let gaps = missing.get(&from).copied().unwrap_or_default();
                // From its first message to its last, each was taken or reported as missing.
                prop_assert!(last >= gaps + taken);
                let first = last + 1 - gaps - taken;
                prop_assert!(first >= 1);
            }
        }
    }
}
