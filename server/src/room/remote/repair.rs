//! How rooms on several nodes find what one of them lacks: digests, questions and answers.

use std::mem;

use bytes::Bytes;
use roomtone_crdt::StateVector;
use tokio::time::{Duration, Instant};

use super::super::Room;
use super::super::release::Held;
use super::{Neighbour, Owed, jittered};
use crate::ambient;
use crate::bus::{Have, Message, Sender};
use crate::chat::News;
use crate::heavy::heavy;
use crate::limits::{
    BUS_ANSWER_JITTER_MS, BUS_ANSWERS_COUNT_MAX, BUS_ASK_AGAIN_MS, BUS_DIGEST_ALONE_MS, BUS_DIGEST_MS,
    BUS_SILENCE_MS_MAX,
};
use crate::metrics;

impl Room {
    /// Another node says what it has.
    pub(super) fn compare(&mut self, from: Sender, question: u64, have: &Have, asks: bool) {
        let Ok(theirs) = StateVector::decode(&have.state_vector) else {
            metrics::bus_dropped("unreadable", 1);
            return;
        };
        let ours = self.awake.doc.state_vector();
        let (mut lacks, mut has_more) = (!ours.covers(&theirs), !theirs.covers(ours));
        if !lacks && !has_more {
            // Deletions do not show in state vectors. Who of the two lacks some, the numbers do not tell.
            let Some(deletions) = self.deletions() else { return };
            lacks = deletions != have.deletions;
            has_more = lacks;
        }
        let Some(remote) = &mut self.awake.remote else {
            return;
        };
        if lacks {
            remote.ask_within(BUS_ANSWER_JITTER_MS);
        }
        if !asks {
            return;
        }
        remote.answers.retain(|owed| owed.to != from);
        if has_more && remote.answers.len() < BUS_ANSWERS_COUNT_MAX {
            // Two rooms do not wait; of more, whoever is first spares the others the work.
            let others = remote.neighbours.len().saturating_sub(1) as u64;
            let jitter = ambient::up_to(others * BUS_ANSWER_JITTER_MS);
            remote.answers.push(Owed {
                to: from,
                question,
                since: theirs,
                due: Instant::now() + Duration::from_millis(jitter),
            });
        }
        self.awake.announce(None);
    }

    pub(super) fn leave_answer_to_others(&mut self, to: Sender, question: u64) {
        if let Some(remote) = &mut self.awake.remote {
            // Should the other know less than this one, the next digest shows it.
            remote
                .answers
                .retain(|owed| owed.to != to || owed.question != question);
        }
    }

    /// Asks, answers, and tells what is here, each when it is due.
    pub(in crate::room) fn keep_remote_promises(&mut self, now: Instant) {
        let Some(remote) = &mut self.awake.remote else {
            return;
        };
        let due: Vec<Owed> = remote.answers.extract_if(.., |owed| now >= owed.due).collect();
        let asks = remote.ask_due.is_some_and(|due| now >= due);
        let tells = now >= remote.digest_due;
        for owed in due {
            self.answer_node(owed);
        }
        if asks {
            self.ask_nodes(now);
        }
        if tells {
            self.tell_nodes(now);
        }
    }

    /// Gives all answers that are owed, due or not: there is no later.
    pub(in crate::room) fn answer_all_nodes(&mut self) {
        let remote = self.awake.remote.as_mut();
        for owed in remote.map_or_else(Vec::new, |remote| mem::take(&mut remote.answers)) {
            self.answer_node(owed);
        }
    }

    fn answer_node(&mut self, owed: Owed) {
        match heavy(self.awake.doc_bytes_estimate, || self.awake.doc.diff(&owed.since)) {
            // With what is on its way to the log: it leaves behind that.
            Ok(update) => self.hold(Held::NodeAnswer {
                number: self.awake.log.accepted(),
                to: owed.to,
                question: owed.question,
                update,
            }),
            Err(broken) => self.awake.broken = Some(broken.into()),
        }
    }

    fn ask_nodes(&mut self, now: Instant) {
        let Some(have) = self.have() else { return };
        let Some(remote) = &mut self.awake.remote else {
            return;
        };
        metrics::bus_repair("asked");
        remote.asked = Some(now);
        remote.asks_left = remote.asks_left.saturating_sub(1);
        remote.ask_due = (remote.asks_left > 0).then(|| now + jittered(BUS_ASK_AGAIN_MS));
        remote.publish(Message::Ask(have));
        // Now, not when it was suspected: the questions of many rooms are spread, and so are those of their clients.
        if mem::take(&mut remote.may_lack_chat) {
            self.send_chat(&News::missed());
        }
    }

    /// The sign of life, and what is here. Whoever gave none for long is gone.
    fn tell_nodes(&mut self, now: Instant) {
        let Some(remote) = &mut self.awake.remote else {
            return;
        };
        let silence = Duration::from_millis(BUS_SILENCE_MS_MAX);
        if now > remote.digest_due + Duration::from_millis(BUS_DIGEST_MS) {
            // It was this node that did not listen: the machine or the process was stopped.
            remote.neighbours.values_mut().for_each(|known| known.heard = now);
        }
        let silent = |(sender, known): (&Sender, &Neighbour)| {
            (now > known.heard + silence).then_some((known.connection.0, *sender))
        };
        let mut silent: Vec<(u64, Sender)> = remote.neighbours.iter().filter_map(silent).collect();
        // In the order in which they came, not in that of a map: two of them may have spoken for one client.
        silent.sort_unstable_by_key(|(connection, _)| *connection);
        if !silent.is_empty() {
            self.awake.read_what_it_left();
        }
        for (_, sender) in silent {
            self.awake.forget_neighbour(sender);
        }
        let have = self.have();
        if let Some(remote) = &mut self.awake.remote {
            let every = if remote.neighbours.is_empty() {
                BUS_DIGEST_ALONE_MS
            } else {
                BUS_DIGEST_MS
            };
            remote.digest_due = now + jittered(every);
            if let Some(have) = have {
                remote.publish(Message::Digest(have));
            }
        }
        self.pace_awareness();
    }

    fn have(&mut self) -> Option<Have> {
        let deletions = self.deletions()?;
        let state_vector = Bytes::from(self.awake.doc.state_vector().encode());
        Some(Have {
            state_vector,
            deletions,
        })
    }

    fn deletions(&mut self) -> Option<u64> {
        let doc = &self.awake.doc;
        match heavy(self.awake.doc_bytes_estimate, || doc.deletions_fingerprint()) {
            Ok(deletions) => Some(deletions),
            Err(broken) => {
                self.awake.broken.get_or_insert_with(|| broken.into());
                None
            }
        }
    }
}
