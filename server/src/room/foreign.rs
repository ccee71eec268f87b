//! Updates of other nodes, whichever way they came: through the gate, into the document, and on to the members.

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, Outcome, StateVector, Turn, Update};

use super::Room;
use super::acks::Receipt;
use super::release::Held;
use super::turn::{Breakage, Kind, Waiting};
use crate::heavy::heavy;
use crate::limits::{BUS_ANSWER_JITTER_MS, BUS_ASK_JITTER_MS_MAX};
use crate::metrics;

/// An update of another node, checked.
pub(super) struct Foreign {
    update: Update,
    /// Whether a log has it. What none has is saved here too.
    saved: bool,
}

impl Room {
    /// Integrates, and relays to the members: neither published nor saved again.
    pub(super) fn integrate_foreign(&mut self, updates: Vec<Foreign>) {
        if updates.is_empty() {
            return;
        }
        if self.awake.broken.is_some() {
            // What comes now would be lost with the document. It is asked for when there is one again, which has all that the
            // log has by then.
            if let Some(remote) = &mut self.awake.remote {
                remote.suspect_loss(BUS_ASK_JITTER_MS_MAX);
            }
            return;
        }
        let author = self.awake.others;
        let unsaved: usize = updates
            .iter()
            .filter(|foreign| !foreign.saved)
            .map(|foreign| foreign.update.bytes().len())
            .sum();
        if unsaved > 0 && !self.context.saver.has_space_for(unsaved) {
            // The other node still has it, and says so every few seconds.
            return;
        }
        let bytes: usize = updates.iter().map(|foreign| foreign.update.bytes().len()).sum();
        metrics::turn(updates.len());
        let batch: Vec<(ConnectionId, Update)> = updates
            .iter()
            .map(|foreign| (author, foreign.update.clone()))
            .collect();
        let before = self.awake.doc.state_vector().clone();
        match heavy(bytes, || self.awake.doc.apply(&batch)) {
            Ok(turn) => self.accept_foreign(author, turn, updates, before),
            Err(broken) => {
                self.awake.broken = Some(Box::new(Breakage {
                    broken,
                    suspects: updates.into_iter().map(|foreign| foreign.wait(author)).collect(),
                    statuses: Vec::new(),
                }));
            }
        }
    }

    /// Relays what other nodes brought.
    fn accept_foreign(
        &mut self,
        author: ConnectionId,
        turn: Turn,
        updates: Vec<Foreign>,
        before: StateVector,
    ) {
        if turn.late.iter().any(|late| late.author != author) {
            // A member's update had waited for this. It is to be saved, acknowledged and published, and what came with it
            // may be so once more.
            let waiting = updates.into_iter().map(|foreign| foreign.wait(author)).collect();
            return self.accept(turn, waiting, before);
        }
        let brings_unsaved = updates.iter().any(|foreign| !foreign.saved);
        let mut records = Vec::new();
        for late in turn.late {
            if late.outcome == Outcome::New {
                // Whether a log had it when it came is not known any more. Twice in one is better than in none.
                let foreign = Foreign {
                    update: late.update,
                    saved: false,
                };
                records.push(self.record_of(&foreign.wait(author)));
            }
        }
        let (mut lacks_past, mut is_full) = (false, false);
        for (foreign, outcome) in updates.into_iter().zip(&turn.outcomes) {
            match outcome {
                Outcome::New => {
                    if foreign.saved {
                        self.awake.grow(foreign.update.bytes().len());
                    } else {
                        // It grows by these when they are submitted.
                        records.push(self.record_of(&foreign.wait(author)));
                    }
                }
                Outcome::Nothing => {}
                Outcome::Pending => lacks_past = true,
                Outcome::PendingFull => is_full = true,
            }
        }
        if is_full {
            self.awake.doc.forget_pending(author);
        }
        if let (true, Some(remote)) = (lacks_past || is_full, &mut self.awake.remote) {
            remote.suspect_loss(BUS_ANSWER_JITTER_MS);
        }
        if let Some(following) = &mut self.awake.following {
            if is_full {
                following.reload();
            } else if lacks_past {
                following.lacks_past();
            }
        }
        let is_late_elsewhere = brings_unsaved && !records.is_empty();
        let number = self.submit(records);
        if let Some(merged) = turn.update {
            let parts = vec![(author, merged.clone())];
            self.hold(Held::Relay {
                number,
                merged,
                parts,
                before,
                is_local: false,
            });
        }
        if is_late_elsewhere {
            // Its node waited for a commit until the deadline: here it does not wait for as long once more.
            self.stall();
        }
    }
}

impl Foreign {
    /// As one that this node takes responsibility for.
    fn wait(self, author: ConnectionId) -> Waiting {
        Waiting {
            author,
            user: None,
            update: self.update,
            kind: Kind::Update,
            receipt: Receipt::Member,
        }
    }
}

/// Through the gate: what comes from Redis or from the log is from outside.
pub(super) fn checked(update: Bytes, saved: bool) -> Option<Foreign> {
    match Update::check(update) {
        Ok(update) => Some(Foreign { update, saved }),
        Err(refusal) => {
            metrics::bus_dropped("unreadable", 1);
            tracing::warn!(%refusal, "an update of another node does not pass the gate; skipped");
            None
        }
    }
}
