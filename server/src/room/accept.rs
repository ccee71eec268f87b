//! What a turn brought, on its way out: to the log at once, to the members when the commit returns.

use roomtone_crdt::{ConnectionId, Outcome, StateVector, Turn, Update};
use roomtone_persistence::Record;
use tokio::time::Instant;

use super::Room;
use super::acks::{Ack, Receipt};
use super::release::Held;
use super::turn::{Kind, Waiting};
use crate::ambient;
use crate::close::Close;
use crate::compactor;
use crate::metrics;

impl Room {
    /// Hands what a turn brought to the log, and queues relay and acknowledgements behind its commit.
    pub(super) fn accept(&mut self, turn: Turn, batch: Vec<Waiting>, before: StateVector) {
        let mut records: Vec<Record> = Vec::new();
        let mut parts: Vec<(ConnectionId, Update)> = Vec::new();
        let mut receipts: Vec<(ConnectionId, Receipt, Option<Update>)> = Vec::new();
        let (mut new, mut nothing, mut pending) = (0, 0, 0);
        for late in turn.late {
            let user = self
                .awake
                .members
                .get(&late.author)
                .and_then(|seated| seated.member.user.clone());
            let waiting = Waiting {
                author: late.author,
                user,
                update: late.update,
                kind: Kind::Update,
                receipt: Receipt::Member,
            };
            match late.outcome {
                Outcome::New => {
                    records.push(self.record_of(&waiting));
                    parts.push((waiting.author, waiting.update));
                    receipts.push((waiting.author, waiting.receipt, None));
                }
                Outcome::Nothing => receipts.push((waiting.author, waiting.receipt, Some(waiting.update))),
                // Not reported as late by the document.
                Outcome::Pending | Outcome::PendingFull => {}
            }
        }
        for (waiting, outcome) in batch.into_iter().zip(turn.outcomes) {
            if let (Outcome::New | Outcome::Nothing, Kind::Step2) = (outcome, waiting.kind) {
                // The answer to our Step1: all that its author has.
                if let Some(seated) = self.awake.members.get_mut(&waiting.author) {
                    seated.asked = false;
                }
            }
            match outcome {
                Outcome::New => {
                    new += 1;
                    if let Some(seated) = self.awake.members.get_mut(&waiting.author) {
                        seated.asked = false;
                    }
                    records.push(self.record_of(&waiting));
                    // Of an update that was known in part, the relay carries only the other part.
                    let repeats = waiting.kind == Kind::Step2
                        || waiting
                            .update
                            .extent()
                            .structs
                            .iter()
                            .any(|range| range.from < before.get(range.client));
                    let echo = repeats.then(|| waiting.update.clone());
                    parts.push((waiting.author, waiting.update));
                    receipts.push((waiting.author, waiting.receipt, echo));
                }
                Outcome::Nothing => {
                    nothing += 1;
                    receipts.push((waiting.author, waiting.receipt, Some(waiting.update)));
                }
                Outcome::Pending => {
                    pending += 1;
                    // It is acknowledged itself once it fits, so the answer to this is one more.
                    if self.ask_for_missing(waiting.author)
                        && let Some(seated) = self.awake.members.get_mut(&waiting.author)
                    {
                        seated.uncounted_answers += 1;
                    }
                    if let Receipt::Http(_) = &waiting.receipt {
                        // Nobody's leave would ever free it, and its author has been told that it was refused.
                        self.awake.doc.forget_pending(waiting.author);
                    }
                    waiting
                        .receipt
                        .refuse(Close::BadFrame("the update builds on edits that are not here"));
                }
                Outcome::PendingFull => {
                    self.awake.doc.forget_pending(waiting.author);
                    self.dismiss_author(waiting, Close::Pending);
                }
            }
        }
        metrics::updates_in("new", new);
        metrics::updates_in("nothing", nothing);
        metrics::updates_in("pending", pending);
        let number = self.submit(records);
        if let Some(merged) = turn.update {
            self.hold(Held::Relay {
                number,
                merged,
                parts,
                before,
                is_local: true,
            });
        }
        for (author, receipt, echo) in receipts {
            let parked = self
                .awake
                .members
                .get_mut(&author)
                .and_then(|seated| seated.status_parked.take());
            if let Some(payload) = parked {
                self.hold_status(author, payload);
            }
            let wants_echo = self
                .awake
                .members
                .get(&author)
                .is_some_and(|seated| seated.member.voice.wants_echo());
            self.hold_ack(Ack::applied(number, author, receipt));
            // What was here already is durable or about to be: the echo is how this dialect hears it.
            if let Some(update) = echo.filter(|update| wants_echo && !update.is_empty()) {
                self.hold_ack(Ack::repetition(number, author, update));
            }
        }
    }

    /// Hands records to the log and returns the number of the batch to wait for.
    pub(super) fn submit(&mut self, records: Vec<Record>) -> u64 {
        if records.is_empty() {
            return self.awake.log.accepted();
        }
        let awake = &mut self.awake;
        let bytes: usize = records.iter().map(|record| record.update.len()).sum();
        awake.grow(bytes);
        awake.log_bytes += bytes;
        awake.log_rows += 1;
        let measured_bytes = awake.doc_bytes_estimate.saturating_sub(awake.unmeasured_bytes);
        if awake.log_bytes >= compactor::due_at_bytes(measured_bytes) {
            // These may come too late for it.
            awake.log_bytes = bytes;
            awake.log_rows = 1;
            awake.unmeasured_bytes = bytes;
            self.context.compactor.due(&self.doc_id, &awake.measured);
        }
        awake.in_flight_since.get_or_insert_with(Instant::now);
        awake.unsaved_since.get_or_insert_with(Instant::now);
        awake.log.submit(records)
    }

    pub(super) fn record_of(&self, waiting: &Waiting) -> Record {
        Record {
            user: waiting.user.clone(),
            client: waiting
                .update
                .extent()
                .structs
                .first()
                .map_or(0, |range| range.client),
            time_ms: ambient::time_ms(),
            update: waiting.update.bytes().clone(),
        }
    }
}
