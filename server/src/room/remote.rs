//! The same room on other nodes: what it is told, what it tells, and how either finds what was lost in between.
//!
//! Updates of other nodes are integrated and relayed, and neither published nor saved here: their node does that. What one
//! of them could not save yet is saved here too, so that nothing is ever vouched for that no log has. Two rooms compare
//! state vectors when a message is missing, when Redis was away, when one of them opens, and every few seconds; whoever
//! lacks something asks, and one of the others answers.

mod presence;
mod repair;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::pending;

use bytes::Bytes;
use roomtone_crdt::{ClientId, ConnectionId, Outcome, StateVector, Turn, Update};
use roomtone_persistence::Epoch;
use tokio::time::{Duration, Instant};

use super::Room;
use super::release::{Held, Receipt};
use super::turn::{Breakage, Kind, Waiting};
use crate::ambient;
use crate::bus::{Arrival, Envelope, Event, Have, Message, Sender, Senders, Subscription};
use crate::heavy::heavy;
use crate::limits::{
    BUS_ANSWER_JITTER_MS, BUS_ASK_AGAIN_MS, BUS_ASK_JITTER_MS_MAX, BUS_ASK_MS_MIN, BUS_DIGEST_MS,
};
use crate::metrics;

/// A room's side of the bus.
pub(super) struct Remote {
    subscription: Subscription,
    epoch: Epoch,
    senders: Senders,
    /// The same room on other nodes, as far as they were heard lately.
    neighbours: HashMap<Sender, Neighbour>,
    /// Whose name updates of other nodes wait under when their past is missing.
    author: ConnectionId,
    /// Awareness ids that this node has spoken for.
    announced: HashSet<ClientId>,
    /// Awareness ids of other nodes that somebody introduces itself with here.
    contested: BTreeSet<ClientId>,
    /// When to ask what the others have, and how often still.
    ask_due: Option<Instant>,
    asks_left: u8,
    asked: Option<Instant>,
    digest_due: Instant,
    answers: Vec<Owed>,
}

struct Neighbour {
    /// As which it takes part in awareness.
    connection: ConnectionId,
    heard: Instant,
}

/// An answer that leaves unless somebody else's comes first.
struct Owed {
    to: Sender,
    question: u64,
    since: StateVector,
    due: Instant,
}

/// An update of another node, checked.
struct Foreign {
    update: Update,
    saved: bool,
}

/// What is heard in one turn and waits until its updates are integrated.
#[derive(Default)]
struct Heard {
    updates: Vec<Foreign>,
    haves: Vec<(Sender, u64, Have, bool)>,
}

impl Remote {
    pub(super) fn new(subscription: Subscription, epoch: Epoch, author: ConnectionId) -> Remote {
        let now = Instant::now();
        Remote {
            subscription,
            epoch,
            senders: Senders::default(),
            neighbours: HashMap::new(),
            author,
            announced: HashSet::new(),
            contested: BTreeSet::new(),
            // The question is the announcement too. Twice: whoever has just opened is in nobody's numbers yet.
            ask_due: Some(now),
            asks_left: 2,
            asked: None,
            digest_due: now + jittered(BUS_DIGEST_MS),
            answers: Vec::new(),
        }
    }

    /// When something is to be said.
    pub(super) fn due(&self) -> Instant {
        let answer = self.answers.iter().map(|owed| owed.due).min();
        let first = [self.ask_due, answer].into_iter().flatten().min();
        first.map_or(self.digest_due, |due| due.min(self.digest_due))
    }

    /// Edits leave this node: one message, whatever the number of members and nodes.
    pub(super) fn publish_update(&mut self, update: &Update, saved: bool) {
        self.publish(Message::Update {
            update: update.bytes().clone(),
            saved,
        });
    }

    pub(super) fn publish_answer(&mut self, to: Sender, question: u64, update: &Update, saved: bool) {
        metrics::bus_repair("answered");
        self.publish(Message::Answer {
            to,
            question,
            update: update.bytes().clone(),
            saved,
        });
    }

    /// Somebody introduces itself here with the id of another node's client, which may be the same client with a
    /// half-open socket there. Asked once a turn.
    pub(super) fn contest(&mut self, client: ClientId) {
        self.contested.insert(client);
    }

    /// Something is missing here, or may be: in a moment the others are asked. Asked twice, because a question can be
    /// lost as well.
    fn suspect_loss(&mut self, jitter_ms_max: u64) {
        self.asks_left = 2;
        self.ask_within(jitter_ms_max);
    }

    fn ask_within(&mut self, jitter_ms_max: u64) {
        self.asks_left = self.asks_left.max(1);
        let now = Instant::now();
        let jitter = Duration::from_millis(ambient::up_to(jitter_ms_max));
        let free = self
            .asked
            .map(|asked| asked + Duration::from_millis(BUS_ASK_MS_MIN));
        let due = free.map_or(now, |free| free.max(now)) + jitter;
        self.ask_due = Some(self.ask_due.map_or(due, |earlier| earlier.min(due)));
    }

    fn publish(&mut self, message: Message) {
        self.subscription.publish(self.epoch, message);
    }
}

impl Drop for Remote {
    /// However the room ends, its clients are not here any more.
    fn drop(&mut self) {
        self.publish(Message::Bye);
    }
}

/// What other nodes say. For ever nothing on a node that has none.
pub(super) async fn heard(remote: &Option<Box<Remote>>) -> Vec<Event> {
    match remote {
        Some(remote) => remote.subscription.recv().await,
        None => pending().await,
    }
}

impl Room {
    /// Takes what has come from other nodes.
    pub(super) fn take_waiting_remote(&mut self) {
        let remote = self.awake.remote.as_ref();
        let events = remote.map_or_else(Vec::new, |remote| remote.subscription.try_recv());
        if !events.is_empty() {
            self.take_remote(events);
        }
    }

    /// Takes what other nodes say, as one turn. Never awaits.
    pub(super) fn take_remote(&mut self, events: Vec<Event>) {
        let mut heard = Heard::default();
        for event in events {
            match event {
                Event::Gap => {
                    metrics::bus_gap();
                    if let Some(remote) = &mut self.awake.remote {
                        remote.suspect_loss(BUS_ASK_JITTER_MS_MAX);
                    }
                }
                Event::Remote(envelope) => self.hear(envelope, &mut heard),
            }
        }
        self.integrate_remote(heard.updates);
        for (from, question, have, asks) in heard.haves {
            self.compare(from, question, &have, asks);
        }
        self.pace_awareness();
    }

    /// One line per message: the work is done elsewhere.
    fn hear(&mut self, envelope: Envelope, heard: &mut Heard) {
        let Some(remote) = &mut self.awake.remote else {
            return;
        };
        if envelope.epoch != remote.epoch {
            // Another lineage: what is of the past stays there, and of a newer one the log tells this room.
            return;
        }
        let (from, sequence) = (envelope.from, envelope.sequence);
        let is_late = self.meet(from, sequence);
        let me = self
            .awake
            .remote
            .as_ref()
            .map(|remote| remote.subscription.sender());
        match envelope.message {
            Message::Update { update, saved } => heard.updates.extend(checked(update, saved)),
            Message::Answer {
                to, update, saved, ..
            } if Some(to) == me => {
                metrics::bus_repair("received");
                heard.updates.extend(checked(update, saved));
            }
            Message::Answer { to, question, .. } => self.leave_answer_to_others(to, question),
            // What is newer has been taken, or all of it asked for.
            Message::Awareness { .. } if is_late => {}
            Message::Awareness { update, whole } => self.take_awareness_of_node(from, update, whole),
            Message::Digest(have) => heard.haves.push((from, sequence, have, false)),
            Message::Ask(have) => heard.haves.push((from, sequence, have, true)),
            Message::Contest { client } => self.probe_contested(client),
            Message::Bye => self.awake.forget_neighbour(from),
        }
    }

    /// Notes that a node is there and which of its messages this is. Returns whether it came late.
    fn meet(&mut self, from: Sender, sequence: u64) -> bool {
        let Some(remote) = &mut self.awake.remote else {
            return false;
        };
        let now = Instant::now();
        match remote.neighbours.get_mut(&from) {
            Some(neighbour) => neighbour.heard = now,
            None => {
                let connection = self.hub.connection_id();
                self.awake.awareness.join_node(connection);
                remote.neighbours.insert(
                    from,
                    Neighbour {
                        connection,
                        heard: now,
                    },
                );
                // It is told of this room soon.
                remote.digest_due = remote.digest_due.min(now + jittered(BUS_DIGEST_MS));
            }
        }
        match remote.senders.note(from, sequence) {
            Arrival::Next => false,
            Arrival::Late => true,
            Arrival::First => {
                let again = Duration::from_millis(BUS_ASK_AGAIN_MS);
                if remote.asked.is_none_or(|asked| now > asked + again) {
                    remote.ask_within(BUS_ANSWER_JITTER_MS);
                }
                false
            }
            Arrival::Gap(_) => {
                metrics::bus_gap();
                remote.suspect_loss(BUS_ANSWER_JITTER_MS);
                false
            }
        }
    }

    fn integrate_remote(&mut self, updates: Vec<Foreign>) {
        let Some(remote) = &mut self.awake.remote else {
            return;
        };
        if updates.is_empty() {
            return;
        }
        if self.awake.broken.is_some() {
            // What comes now would be lost with the document; it is asked for when there is one again.
            remote.suspect_loss(BUS_ASK_JITTER_MS_MAX);
            return;
        }
        let author = remote.author;
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
            Ok(turn) => self.accept_remote(author, turn, updates, before),
            Err(broken) => {
                self.awake.broken = Some(Breakage {
                    broken,
                    suspects: updates.into_iter().map(|foreign| foreign.wait(author)).collect(),
                    statuses: Vec::new(),
                });
            }
        }
    }

    /// Relays what other nodes brought.
    fn accept_remote(
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
    }

    /// The document was built anew: what other nodes brought and the log has not may be missing.
    pub(super) fn suspect_remote_loss(&mut self) {
        if let Some(remote) = &mut self.awake.remote {
            remote.suspect_loss(BUS_ANSWER_JITTER_MS);
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

/// Through the gate: what comes from Redis is from outside.
fn checked(update: Bytes, saved: bool) -> Option<Foreign> {
    match Update::check(update) {
        Ok(update) => Some(Foreign { update, saved }),
        Err(refusal) => {
            metrics::bus_dropped("unreadable", 1);
            tracing::warn!(%refusal, "an update from the bus does not pass the gate; skipped");
            None
        }
    }
}

/// Around this long: three quarters to five quarters of it.
fn jittered(ms: u64) -> Duration {
    let ms = ms * 3 / 4 + ambient::up_to(ms / 2);
    Duration::from_millis(ms)
}
