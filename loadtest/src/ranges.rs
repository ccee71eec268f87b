//! Ranges of clocks that grow together: what of one writer is deleted.

use std::collections::BTreeMap;

/// Half-open ranges that neither touch nor overlap.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// The end of each, by its beginning.
    ends: BTreeMap<u32, u32>,
}

impl Ranges {
    /// Adds a range; what it touches becomes one with it.
    pub fn add(&mut self, from: u32, to: u32) {
        let (mut from, mut to) = (from, to);
        if let Some((begin, end)) = self.ends.range(..=from).next_back().map(|(b, e)| (*b, *e))
            && end >= from
        {
            (from, to) = (begin, to.max(end));
        }
        while let Some((begin, end)) = self.ends.range(from..=to).next().map(|(b, e)| (*b, *e)) {
            to = to.max(end);
            self.ends.remove(&begin);
        }
        self.ends.insert(from, to);
    }

    /// Whether a clock is in one of them.
    pub fn has(&self, clock: u32) -> bool {
        self.ends
            .range(..=clock)
            .next_back()
            .is_some_and(|(_, end)| *end > clock)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each, ascending: its first clock, and the one behind its last.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.ends.iter().map(|(from, to)| (*from, *to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_grow_together() {
        let mut ranges = Ranges::default();
        for (from, to) in [(5, 6), (10, 12), (1, 2), (6, 8), (8, 10), (3, 4), (3, 4)] {
            ranges.add(from, to);
        }
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(1, 2), (3, 4), (5, 12)]);
        assert_eq!(
            [0, 1, 2, 3, 11, 12].map(|clock| ranges.has(clock)),
            [false, true, false, true, true, false]
        );
        ranges.add(0, 20);
        assert_eq!(ranges.len(), 1);
    }
}
