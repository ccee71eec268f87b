//! The bus: the same rooms on other nodes.
//!
//! A room subscribes to its channel for as long as it is awake. What it publishes in a turn leaves as one message, is queued
//! and never waited for, and what it receives waits in a bounded inbox. The bus may lose, double and delay: it promises only that each message
//! carries its sender's number, so that a loss is found, and that whoever lost something *here* is told by
//! [`Event::Gap`]. The room repairs both in the same way (`docs/decisions/0008`).
//!
//! Nothing that was received is ever published again.

mod address;
mod bundle;
mod envelope;
pub mod memory;
pub(crate) mod queue;
mod redis;
mod senders;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use dashmap::{DashMap, Entry};
use roomtone_persistence::{DocId, Epoch};
use tokio::time::Instant;

use crate::limits::{
    BUS_INBOX_BYTES_MAX, BUS_INBOX_COUNT_MAX, BUS_MESSAGE_BYTES_MAX, BUS_TURN_BYTES_MAX, BUS_TURN_COUNT_MAX,
};
use crate::metrics;

pub use address::{BadAddress, RedisAddress};
pub use envelope::{BadEnvelope, Envelope, Have, Message, NodeId, Sender};
pub use senders::{Arrival, Senders};

use bundle::Outgoing;
use queue::Queue;

/// What a room hears from the bus.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Something may have been lost on the way here: the connection was away, or this room was too slow.
    Gap,
    /// Another node's room says something.
    Remote(Envelope),
}

/// A cheap handle to the other nodes. The bus ends with the last of them and the last subscription.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

struct Shared {
    rooms: Arc<Rooms>,
    incarnations: AtomicU64,
    carrier: Carrier,
}

/// What carries the messages.
enum Carrier {
    Redis(redis::Redis),
    Memory(memory::Port),
}

impl Bus {
    /// A bus over Redis. Returns at once: while Redis is not there, nodes work alone.
    ///
    /// # Errors
    /// [`BadAddress`], which does not repeat the address.
    pub fn redis(address: &RedisAddress) -> Result<Bus, BadAddress> {
        let rooms = Arc::new(Rooms::new(NodeId::random()));
        let carrier = Carrier::Redis(redis::Redis::start(address, rooms.clone())?);
        Ok(Bus::over(rooms, carrier))
    }

    fn over(rooms: Arc<Rooms>, carrier: Carrier) -> Bus {
        Bus {
            shared: Arc::new(Shared {
                rooms,
                incarnations: AtomicU64::new(0),
                carrier,
            }),
        }
    }

    /// This run of this process.
    pub fn node(&self) -> NodeId {
        self.shared.rooms.node
    }

    /// Whether messages come and go at the moment, as far as one can tell.
    pub fn is_connected(&self) -> bool {
        match &self.shared.carrier {
            Carrier::Redis(redis) => redis.is_connected(),
            Carrier::Memory(port) => port.is_connected(),
        }
    }

    /// Until when messages have come for certain: what was published before that has been received, or is known to be
    /// missing. None while the bus does not work.
    pub fn vouched(&self) -> Option<Instant> {
        match &self.shared.carrier {
            Carrier::Redis(redis) => redis.vouched(),
            Carrier::Memory(port) => port.is_connected().then(Instant::now),
        }
    }

    /// Subscribes to a document's channel: what is published after this returns is received. Where that cannot be had
    /// within [`crate::limits::BUS_SUBSCRIBE_MS_MAX`], this returns all the same, and an [`Event::Gap`] follows when it is.
    pub async fn subscribe(&self, doc: &DocId) -> Subscription {
        let channel = channel_of(doc);
        let incarnation = self.shared.incarnations.fetch_add(1, Ordering::Relaxed) + 1;
        let inbox = self.shared.rooms.add(&channel, incarnation);
        // The guard stands before the first await: if this future is dropped, the channel is left again.
        let subscription = Subscription {
            bus: self.clone(),
            channel: channel.clone(),
            from: Sender {
                node: self.node(),
                incarnation,
            },
            sequence: 0,
            outgoing: Outgoing::default(),
            inbox,
        };
        match &self.shared.carrier {
            Carrier::Redis(redis) => redis.subscribe(channel).await,
            Carrier::Memory(_) => {}
        }
        subscription
    }

    fn publish(&self, channel: &Arc<str>, message: Bytes) {
        match &self.shared.carrier {
            Carrier::Redis(redis) => redis.publish(channel, message),
            Carrier::Memory(port) => port.publish(channel, message),
        }
    }
}

/// A room's end of the bus. Dropping it sends what waits and leaves the channel.
pub struct Subscription {
    bus: Bus,
    channel: Arc<str>,
    from: Sender,
    sequence: u64,
    outgoing: Outgoing,
    inbox: Arc<Queue<Event>>,
}

impl Subscription {
    /// Who the others hear.
    pub fn sender(&self) -> Sender {
        self.from
    }

    /// The number of the last message that was published.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Until when messages have come for certain, as [`Bus::vouched`] has it.
    pub fn vouched(&self) -> Option<Instant> {
        self.bus.vouched()
    }

    /// Says something to the same room on other nodes, at the next [`Subscription::flush`]. What finds no space is lost here,
    /// and its number is used up all the same: that is how receivers know.
    pub fn publish(&mut self, epoch: Epoch, message: Message) {
        self.sequence += 1;
        let envelope = Envelope {
            from: self.from,
            sequence: self.sequence,
            epoch,
            message,
        };
        let bytes = envelope.encode();
        if bytes.len() > BUS_MESSAGE_BYTES_MAX {
            metrics::bus_dropped("too_large", 1);
            tracing::error!(
                channel = %self.channel,
                bytes = bytes.len(),
                "too large for the bus; other nodes have it from the store when the room opens there"
            );
            return;
        }
        if let Some(before) = self.outgoing.push(bytes) {
            self.bus.publish(&self.channel, before);
        }
    }

    /// Sends what was published since the last time, as one message. Never waits.
    pub fn flush(&mut self) {
        if let Some(message) = self.outgoing.take() {
            self.bus.publish(&self.channel, message);
        }
    }

    /// Waits for something to hear and takes all that waits, within the bounds of a turn. A gap comes first. Loses nothing
    /// when it is dropped while it waits.
    pub async fn recv(&self) -> Vec<Event> {
        events_of(self.inbox.take(BUS_TURN_COUNT_MAX, BUS_TURN_BYTES_MAX).await)
    }

    /// As [`Subscription::recv`], without waiting.
    pub fn try_recv(&self) -> Vec<Event> {
        self.inbox
            .try_take(BUS_TURN_COUNT_MAX, BUS_TURN_BYTES_MAX)
            .map_or_else(Vec::new, events_of)
    }
}

fn events_of(taken: queue::Taken<Event>) -> Vec<Event> {
    let mut events = taken.items;
    if taken.has_gap {
        events.insert(0, Event::Gap);
    }
    events
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.flush();
        let shared = &self.bus.shared;
        if shared.rooms.remove(&self.channel, self.from.incarnation)
            && let Carrier::Redis(redis) = &shared.carrier
        {
            redis.unsubscribe(self.channel.clone());
        }
    }
}

/// The rooms of this node that listen, by channel.
struct Rooms {
    node: NodeId,
    slots: DashMap<Arc<str>, Slot>,
}

struct Slot {
    incarnation: u64,
    inbox: Arc<Queue<Event>>,
}

impl Rooms {
    fn new(node: NodeId) -> Rooms {
        Rooms {
            node,
            slots: DashMap::new(),
        }
    }

    /// A room wakes. One that is on its way out hears no more.
    fn add(&self, channel: &Arc<str>, incarnation: u64) -> Arc<Queue<Event>> {
        let inbox = Arc::new(Queue::new(BUS_INBOX_COUNT_MAX, BUS_INBOX_BYTES_MAX));
        let slot = Slot {
            incarnation,
            inbox: inbox.clone(),
        };
        match self.slots.entry(channel.clone()) {
            // Two of one room overlap when one was ended and the next one starts; the later one counts.
            Entry::Occupied(taken) if taken.get().incarnation > incarnation => {}
            Entry::Occupied(mut taken) => drop(taken.insert(slot)),
            Entry::Vacant(place) => drop(place.insert(slot)),
        }
        inbox
    }

    /// Returns whether nobody listens to the channel any more.
    fn remove(&self, channel: &Arc<str>, incarnation: u64) -> bool {
        self.slots
            .remove_if(channel, |_, slot| slot.incarnation == incarnation)
            .is_some()
    }

    fn listens(&self, channel: &str) -> bool {
        self.slots.contains_key(channel)
    }

    fn channels(&self) -> Vec<Arc<str>> {
        self.slots.iter().map(|slot| slot.key().clone()).collect()
    }

    /// Something came from the bus.
    fn deliver(&self, channel: &str, bytes: &Bytes) {
        let Some(inbox) = self.slots.get(channel).map(|slot| slot.inbox.clone()) else {
            // The room fell asleep meanwhile.
            return;
        };
        let messages = match bundle::messages_of(bytes) {
            Ok(messages) => messages,
            Err(bad) => return skip(channel, bad),
        };
        let events: Vec<_> = messages
            .iter()
            .filter_map(|message| self.read(channel, message))
            .collect();
        let count = events.len();
        metrics::bus_received(count);
        let taken = inbox.extend(events);
        if taken < count {
            metrics::bus_dropped("inbox_full", count - taken);
        }
    }

    /// One message of another node, and how long it is.
    fn read(&self, channel: &str, message: &Bytes) -> Option<(Event, usize)> {
        match Envelope::decode(message) {
            // A run of a process has an id of its own, so this is one of our rooms: this one, or what it was before it
            // was opened anew.
            Ok(envelope) if envelope.from.node == self.node => None,
            Ok(envelope) => Some((Event::Remote(envelope), message.len())),
            Err(bad) => {
                skip(channel, bad);
                None
            }
        }
    }

    /// A room may have missed something.
    fn gap(&self, channel: &str) {
        if let Some(slot) = self.slots.get(channel) {
            slot.inbox.note_gap();
        }
    }

    /// Every room may have missed something.
    fn gap_everywhere(&self) {
        for slot in &self.slots {
            slot.inbox.note_gap();
        }
    }
}

fn skip(channel: &str, bad: BadEnvelope) {
    let reason = match bad {
        BadEnvelope::Newer(_) => "newer",
        BadEnvelope::Length | BadEnvelope::Unknown(_) | BadEnvelope::Header | BadEnvelope::Payload => {
            "unreadable"
        }
    };
    metrics::bus_dropped(reason, 1);
    tracing::debug!(channel, %bad, "a message of the bus was skipped");
}

/// The tenant's length stands in front, because both parts may hold any character that could stand between them.
fn channel_of(doc: &DocId) -> Arc<str> {
    format!("roomtone:{}:{}/{}", doc.tenant().len(), doc.tenant(), doc.name()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_documents_never_share_a_channel() {
        let channel = |tenant, name| channel_of(&DocId::new(tenant, name).expect("legal"));
        assert_ne!(channel("a", "b/c"), channel("a/b", "c"));
        assert_ne!(channel("a", "b"), channel("a", "B"));
    }

    #[test]
    fn the_later_of_two_rooms_hears_and_the_earlier_takes_nothing_with_it() {
        let rooms = Rooms::new(NodeId::random());
        let channel: Arc<str> = "c".into();
        let _first = rooms.add(&channel, 1);
        let second = rooms.add(&channel, 2);
        assert!(!rooms.remove(&channel, 1));
        rooms.gap("c");
        assert!(second.try_take(1, 1).is_some_and(|taken| taken.has_gap));
        assert!(rooms.remove(&channel, 2) && !rooms.listens("c"));
    }
}
