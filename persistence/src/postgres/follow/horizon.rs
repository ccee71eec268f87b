//! Which rows of the log a follower has looked at.
//!
//! Ids are drawn in order and committed out of order: that a row was seen says nothing about lower ones. An id is drawn by a
//! transaction that has a number already, so once every transaction has ended that had a number when id `n` had been
//! drawn, no row up to `n` will appear any more.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{FOLLOW_AGAIN_MS, FOLLOW_BACK_COUNT, FOLLOW_SETTLE_SECONDS};

/// Marks that wait for transactions to end. At the bound the youngest is moved on.
const MARKS_COUNT_MAX: usize = 256;

/// What has been looked at.
#[derive(Debug)]
pub(crate) struct Horizon {
    /// No row up to here will appear any more that was not there at the last look.
    settled: i64,
    /// Rows above it that were seen.
    seen: BTreeSet<i64>,
    marks: VecDeque<Mark>,
    /// Where it was some time ago.
    past: VecDeque<(Instant, i64)>,
    /// The last id that was drawn, as far as is known.
    last: i64,
}

/// Once all transactions below `transaction` have ended, ids up to `last` are settled.
#[derive(Debug)]
struct Mark {
    at: Instant,
    last: i64,
    transaction: i64,
}

/// The state of the transactions, after the last id was asked for and before the rows were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transactions {
    /// All below it have ended.
    pub(crate) oldest: i64,
    /// All that had a number then are below it.
    pub(crate) next: i64,
}

impl Horizon {
    pub(crate) fn begin(last: i64) -> Horizon {
        Horizon {
            settled: (last - FOLLOW_BACK_COUNT).max(0),
            seen: BTreeSet::new(),
            marks: VecDeque::new(),
            past: VecDeque::new(),
            last,
        }
    }

    /// Up to where all was looked at.
    pub(crate) fn settled(&self) -> i64 {
        self.settled
    }

    /// Whether the last id is one that was known already: ids never go back, unless the database did.
    pub(crate) fn follows(&self, last: i64) -> bool {
        last >= self.last
    }

    /// Whether all that was ever drawn is settled.
    pub(crate) fn is_settled(&self, last: i64) -> bool {
        self.settled >= last
    }

    /// Notes a row. Returns whether it is seen for the first time.
    pub(crate) fn see(&mut self, id: i64) -> bool {
        id > self.settled && self.seen.insert(id)
    }

    /// All rows above [`Horizon::settled`] that are there were seen.
    pub(crate) fn settle(&mut self, last: i64, transactions: Transactions, now: Instant) {
        self.last = last;
        let patience = Duration::from_secs(FOLLOW_SETTLE_SECONDS);
        while let Some(mark) = self
            .marks
            .pop_front_if(|mark| mark.transaction <= transactions.oldest || now > mark.at + patience)
        {
            self.settled = self.settled.max(mark.last);
        }
        let mark = Mark {
            at: now,
            last,
            transaction: transactions.next,
        };
        let is_full = self.marks.len() >= MARKS_COUNT_MAX;
        match self.marks.back_mut() {
            Some(youngest) if youngest.last == last => {}
            Some(youngest) if is_full => *youngest = mark,
            _ => self.marks.push_back(mark),
        }
        self.seen = self.seen.split_off(&(self.settled + 1));
        self.past.push_back((now, self.settled));
        let again = Duration::from_millis(FOLLOW_AGAIN_MS);
        // One that is old enough stays.
        while self.past.get(1).is_some_and(|(at, _)| now > *at + again) {
            self.past.pop_front();
        }
    }

    /// Where all was settled some time ago.
    pub(crate) fn earlier(&self) -> i64 {
        self.past.front().map_or(self.settled, |(_, settled)| *settled)
    }

    /// Looks again at what it saw lately.
    pub(crate) fn rewind(&mut self) {
        self.settled = self.earlier();
        self.seen.clear();
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transactions(oldest: i64, next: i64) -> Transactions {
        Transactions { oldest, next }
    }

    #[test]
    fn an_id_that_is_late_is_waited_for() {
        let now = Instant::now();
        let mut horizon = Horizon::begin(0);
        // 7 was drawn by transaction 100, which goes on; 8 by 101, which has ended.
        assert!(horizon.see(8) && !horizon.see(8));
        horizon.settle(8, transactions(100, 102), now);
        assert_eq!(horizon.settled(), 0);
        horizon.settle(8, transactions(100, 103), now);
        assert!(!horizon.is_settled(8));
        assert!(horizon.see(7));
        horizon.settle(8, transactions(103, 104), now);
        assert!(horizon.is_settled(8) && !horizon.see(7) && !horizon.see(8));
        assert!(horizon.follows(8) && !horizon.follows(7));
    }

    #[test]
    fn a_transaction_that_never_ends_is_not_waited_for_for_ever() {
        let mut now = Instant::now();
        let mut horizon = Horizon::begin(0);
        for last in 1..2_000 {
            horizon.see(last);
            horizon.settle(last, transactions(5, 10 + last), now);
            now += Duration::from_millis(500);
        }
        assert!(horizon.settled() > 1_500, "{}", horizon.settled());
        assert!(horizon.seen.len() < 500 && horizon.marks.len() <= MARKS_COUNT_MAX);
    }

    #[test]
    fn it_begins_again_some_time_ago() {
        let mut now = Instant::now();
        let mut horizon = Horizon::begin(0);
        for last in 1..200 {
            horizon.see(last);
            horizon.settle(last, transactions(9 + last, 10 + last), now);
            now += Duration::from_millis(500);
        }
        let before = horizon.settled();
        horizon.rewind();
        let back = before - horizon.settled();
        assert!((20..25).contains(&back), "{back}");
        assert!(horizon.see(before));
    }
}
