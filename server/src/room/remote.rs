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
use roomtone_crdt::{ClientId, ConnectionId, StateVector, Update};
use roomtone_persistence::Epoch;
use tokio::time::{Duration, Instant};

use super::Room;
use super::foreign::{Foreign, checked};
use crate::ambient;
use crate::bus::{Arrival, Envelope, Event, Have, Message, Sender, Senders, Subscription};
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
    /// Awareness ids that this node has spoken for.
    announced: HashSet<ClientId>,
    /// Whether presence here was told to nobody, because no other node was known.
    is_untold: bool,
    /// Awareness ids of other nodes that somebody introduces itself with here.
    contested: BTreeSet<ClientId>,
    /// When to ask what the others have, and how often still.
    ask_due: Option<Instant>,
    asks_left: u8,
    /// Whether news of the chat may have been lost as well, and those who have it open are to be told.
    may_lack_chat: bool,
    asked: Option<Instant>,
    digest_due: Instant,
    answers: Vec<Owed>,
}

struct Neighbour {
    /// As which it takes part in awareness.
    connection: ConnectionId,
    heard: Instant,
    /// Whether it has told the clocks of its presence.
    has_told_clocks: bool,
}

/// An answer that leaves unless somebody else's comes first.
struct Owed {
    to: Sender,
    question: u64,
    since: StateVector,
    due: Instant,
}

/// What is heard in one turn and waits until its updates are integrated.
#[derive(Default)]
struct Heard {
    updates: Vec<Foreign>,
    haves: Vec<(Sender, u64, Have, bool)>,
}

impl Remote {
    pub(super) fn new(subscription: Subscription, epoch: Epoch) -> Remote {
        let now = Instant::now();
        Remote {
            subscription,
            epoch,
            senders: Senders::default(),
            neighbours: HashMap::new(),
            announced: HashSet::new(),
            is_untold: false,
            contested: BTreeSet::new(),
            // The question is the announcement too. Twice: whoever has just opened is in nobody's numbers yet.
            ask_due: Some(now),
            asks_left: 2,
            may_lack_chat: false,
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

    /// Edits leave this node: one message, whatever the number of members and nodes, and none where the room is awake on no
    /// other. Whoever opens it asks, and is then heard. Without a word that the bus works, silence is no sign of that.
    pub(super) fn publish_update(&mut self, update: &Update, saved: bool) {
        if self.neighbours.is_empty() && self.subscription.vouched().is_some() {
            return;
        }
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

    /// As [`Remote::publish_stateless`], of a client of the native dialect.
    pub(super) fn publish_event(&mut self, body: &Bytes) {
        self.publish(Message::Event { body: body.clone() });
    }

    /// Something in the chat has changed.
    pub(super) fn publish_chat(&mut self, news: &Bytes) {
        self.publish(Message::Chat { news: news.clone() });
    }

    /// What a client says past the document: one message, and lost if it is lost.
    pub(super) fn publish_stateless(&mut self, payload: &str) {
        self.publish(Message::Stateless {
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        });
    }

    /// Somebody introduces itself here with the id of another node's client, which may be the same client with a
    /// half-open socket there. Asked once a turn.
    pub(super) fn contest(&mut self, client: ClientId) {
        self.contested.insert(client);
    }

    /// Something is missing here, or may be: in a moment the others are asked. Asked twice, because a question can be
    /// lost as well.
    pub(super) fn suspect_loss(&mut self, jitter_ms_max: u64) {
        self.asks_left = 2;
        self.may_lack_chat = true;
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
        // Boxed: a room alone would keep the space for it.
        Some(remote) => Box::pin(remote.subscription.recv()).await,
        None => pending().await,
    }
}

impl Room {
    /// A turn ends: what it says to other nodes leaves.
    pub(super) fn flush_remote(&mut self) {
        if let Some(remote) = &mut self.awake.remote {
            remote.subscription.flush();
        }
    }

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
        if self.awake.remote.as_ref().is_some_and(|remote| remote.is_untold) {
            // Whoever is new to this room need not ask: it may have asked a moment ago, before this room was there.
            self.awake.announce(None);
        }
        self.integrate_foreign(heard.updates);
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
            // Another lineage. What is of the past stays there; whether there is a newer one the store knows.
            if let (true, Some(following)) = (envelope.epoch > remote.epoch, &self.awake.following) {
                following.check();
            }
            return;
        }
        let (from, sequence) = (envelope.from, envelope.sequence);
        let arrival = self.meet(from, sequence);
        let is_late = arrival == Arrival::Late;
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
            Message::Bye => {
                if let Arrival::Gap(_) | Arrival::First = arrival {
                    self.awake.read_what_it_left();
                }
                self.awake.forget_neighbour(from);
            }
            // It may have come before.
            Message::Stateless { .. } | Message::Event { .. } if is_late => {}
            Message::Stateless { payload } => self.pass_stateless_of_node(&payload),
            Message::Event { body } => self.pass_event_of_node(&body),
            // Also when it is late: each message of the chat says how new it is.
            Message::Chat { news } => self.pass_chat_of_node(&news),
            Message::Clocks { clocks } => self.take_clocks_of_node(from, &clocks),
        }
    }

    /// Notes that a node is there and which of its messages this is.
    fn meet(&mut self, from: Sender, sequence: u64) -> Arrival {
        let Some(remote) = &mut self.awake.remote else {
            return Arrival::Next;
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
                        has_told_clocks: false,
                    },
                );
                // Also where nobody is known: the first clocks that a node hears count for more, and later ones hold what it told itself.
                let clocks = self.awake.awareness.clocks();
                remote.publish(Message::Clocks { clocks });
                // It is told of this room soon.
                remote.digest_due = remote.digest_due.min(now + jittered(BUS_DIGEST_MS));
            }
        }
        let arrival = remote.senders.note(from, sequence);
        match arrival {
            Arrival::Next | Arrival::Late => {}
            Arrival::First => {
                let again = Duration::from_millis(BUS_ASK_AGAIN_MS);
                if remote.asked.is_none_or(|asked| now > asked + again) {
                    remote.ask_within(BUS_ANSWER_JITTER_MS);
                }
            }
            Arrival::Gap(_) => {
                metrics::bus_gap();
                remote.suspect_loss(BUS_ANSWER_JITTER_MS);
            }
        }
        arrival
    }

    /// The document was built anew: what other nodes brought and the log has not may be missing.
    pub(super) fn suspect_remote_loss(&mut self) {
        if let Some(remote) = &mut self.awake.remote {
            remote.suspect_loss(BUS_ANSWER_JITTER_MS);
        }
    }
}

/// Around this long: three quarters to five quarters of it.
fn jittered(ms: u64) -> Duration {
    let ms = ms * 3 / 4 + ambient::up_to(ms / 2);
    Duration::from_millis(ms)
}
