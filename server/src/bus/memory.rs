//! A bus within one process, for tests: it loses, doubles, holds back and reorders as a seed says, and keeps no time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::envelope::NodeId;
use super::{Bus, Carrier, Rooms};

/// What goes wrong, in messages of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Never arrive.
    pub lost_permille: u32,
    /// Arrive twice.
    pub doubled_permille: u32,
    /// Arrive later, when others have overtaken them.
    pub held_permille: u32,
}

/// What connects the nodes of a test. All that is random comes from its seed.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Mutex<State>>,
}

struct State {
    random: StdRng,
    faults: Faults,
    nodes: Vec<Node>,
    held: Vec<Packet>,
    published: u64,
    /// What is to be carried by the test; none while the network does so itself.
    by_hand: Option<Vec<Packet>>,
}

struct Node {
    rooms: Arc<Rooms>,
    is_away: bool,
}

/// A message on its way to one node.
#[derive(Clone)]
pub struct Packet {
    from: usize,
    to: usize,
    channel: Arc<str>,
    message: Bytes,
}

/// One node's end.
pub(super) struct Port {
    network: Network,
    number: usize,
}

impl Network {
    /// Without nodes and without faults.
    pub fn new(seed: u64) -> Network {
        Network {
            shared: Arc::new(Mutex::new(State {
                random: StdRng::seed_from_u64(seed),
                faults: Faults::default(),
                nodes: Vec::new(),
                held: Vec::new(),
                published: 0,
                by_hand: None,
            })),
        }
    }

    /// One more node.
    pub fn node(&self) -> Bus {
        let mut state = self.lock();
        let id = NodeId::from_bytes(state.random.random());
        let rooms = Arc::new(Rooms::new(id));
        state.nodes.push(Node {
            rooms: rooms.clone(),
            is_away: false,
        });
        let port = Port {
            network: self.clone(),
            number: state.nodes.len() - 1,
        };
        drop(state);
        Bus::over(rooms, Carrier::Memory(port))
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Cuts a node off, or connects it again: then its rooms are told that they may have missed something.
    pub fn set_away(&self, bus: &Bus, is_away: bool) {
        let mut state = self.lock();
        let node = bus.node();
        if let Some(found) = state.nodes.iter_mut().find(|known| known.rooms.node == node) {
            let returns = found.is_away && !is_away;
            found.is_away = is_away;
            if returns {
                found.rooms.gap_everywhere();
            }
        }
    }

    /// Delivers all that was held back, in any order.
    pub fn flush(&self) {
        let mut state = self.lock();
        while state.release_one() {}
    }

    /// From now on nothing arrives by itself: what is published waits for [`Network::take`]. Faults and absence are then the
    /// test's as well.
    pub fn carry_by_hand(&self) {
        self.lock().by_hand = Some(Vec::new());
    }

    /// What was published since the last call, in order, where a test carries by hand.
    pub fn take(&self) -> Vec<Packet> {
        self.lock().by_hand.as_mut().map_or_else(Vec::new, std::mem::take)
    }

    /// Brings a message to its node, as often as one likes.
    pub fn deliver(&self, packet: &Packet) {
        self.lock().deliver(packet);
    }

    /// Tells the rooms of a node, in the order of their channels, that they may have missed something.
    pub fn tell_of_gap(&self, node: NodeId) {
        let state = self.lock();
        for known in state.nodes.iter().filter(|known| known.rooms.node == node) {
            let mut channels = known.rooms.channels();
            channels.sort_unstable();
            channels.iter().for_each(|channel| known.rooms.gap(channel));
        }
    }

    /// Messages published so far, those that were lost included.
    pub fn published_count(&self) -> u64 {
        self.lock().published
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that failed meanwhile has nothing left to protect.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn happens(&mut self, permille: u32) -> bool {
        permille > 0 && self.random.random_range(0..1_000) < permille
    }

    fn publish(&mut self, from: usize, channel: &Arc<str>, message: &Bytes) {
        self.published += 1;
        if self.nodes[from].is_away {
            return;
        }
        // To everyone who listens, the sender too, as Redis does.
        for to in 0..self.nodes.len() {
            if self.happens(self.faults.lost_permille) {
                continue;
            }
            let copies = 1 + usize::from(self.happens(self.faults.doubled_permille));
            for _ in 0..copies {
                let packet = Packet {
                    from,
                    to,
                    channel: channel.clone(),
                    message: message.clone(),
                };
                if let Some(by_hand) = &mut self.by_hand {
                    by_hand.push(packet);
                } else if self.happens(self.faults.held_permille) {
                    self.held.push(packet);
                } else {
                    self.deliver(&packet);
                }
            }
        }
        if self.happens(self.faults.held_permille) {
            self.release_one();
        }
    }

    fn deliver(&self, packet: &Packet) {
        let node = &self.nodes[packet.to];
        if !node.is_away {
            node.rooms.deliver(&packet.channel, &packet.message);
        }
    }

    fn release_one(&mut self) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let at = self.random.random_range(0..self.held.len());
        let packet = self.held.swap_remove(at);
        self.deliver(&packet);
        true
    }
}

impl Packet {
    /// The number of the node that says it, from 0, in the order of [`Network::node`].
    pub fn from(&self) -> usize {
        self.from
    }

    /// The number of the node that it is for.
    pub fn to(&self) -> usize {
        self.to
    }

    /// How long it is, in bytes.
    pub fn bytes_count(&self) -> usize {
        self.message.len()
    }
}

impl Port {
    pub(super) fn publish(&self, channel: &Arc<str>, message: Bytes) {
        self.network.lock().publish(self.number, channel, &message);
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.network.lock().nodes[self.number].is_away
    }
}
