//! Catching up: a joiner has the document when it has what others had sent before it came, whatever the server calls synced.

use std::time::Instant;

use roomtone_crdt::ClientId;

use super::{User, ms};
use crate::metrics::Trend;

/// How far a connection has to come.
pub(super) struct Goal {
    from: Instant,
    /// Writers, and how many edits each had sent.
    edits: Vec<(ClientId, usize)>,
}

impl User {
    /// What is there to have now.
    pub(super) fn goal_from(&self, from: Instant) -> Goal {
        let others = self.brief.ledger.all().into_iter();
        let edits = others.filter(|(client, _)| *client != self.pen.client());
        Goal {
            from,
            edits: edits
                .map(|(client, sent)| (client, sent.lock().edits.len()))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }

    /// Tells the time that it took, once on each connection.
    pub(super) fn look_whether_caught_up(&mut self) {
        let Some(goal) = &self.goal else { return };
        let has = |client: &ClientId| self.received.get(client).map_or(0, |received| received.counted());
        if goal.edits.iter().any(|(client, count)| has(client) < *count) || !self.has_expected() {
            return;
        }
        let took_ms = ms(goal.from);
        self.goal = None;
        self.measure(Trend::CaughtUp, &[took_ms]);
        if self.brief.ends_caught_up && !self.is_caught_up {
            self.is_caught_up = true;
            // A run that is over has no use for it.
            let _ = self.brief.through.send(());
        }
    }

    /// Whether as many clocks are here as an earlier run is known to have written.
    fn has_expected(&self) -> bool {
        let expected = self.brief.scenario.expect_clocks;
        if expected == 0 {
            return true;
        }
        let strangers = self.strangers.values().map(|clock| u64::from(*clock));
        let others = self.received.values().map(|received| u64::from(received.clock()));
        strangers.chain(others).sum::<u64>() >= expected
    }
}
