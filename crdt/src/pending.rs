//! Updates whose past is missing: bounded, and tried again when what they wait for has come.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::ClientId;
use crate::awareness::ConnectionId;
use crate::gate::Extent;
use crate::limits::{PENDING_CONNECTION_BYTES_MAX, PENDING_DOC_BYTES_MAX, PENDING_DOC_COUNT_MAX};
use crate::state_vector::StateVector;
use crate::update::Update;

/// Stands for the store as an author. Connections count from 1.
pub(crate) const STORE: ConnectionId = ConnectionId(0);

/// An update that waits for its past.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) author: ConnectionId,
    pub(crate) update: Update,
    /// Its place in the turn that brought it, during that turn.
    pub(crate) place: Option<usize>,
    /// How many of its needs are met: a document only grows, so that none of them is looked at twice.
    met: usize,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.update.bytes().len()
    }

    /// What it still waits for.
    fn missing(&mut self, have: &StateVector) -> Option<(ClientId, u32)> {
        let needs = &self.update.extent().needs;
        while let Some((client, clock)) = needs.get(self.met).copied() {
            if have.get(client) < clock {
                return Some((client, clock));
            }
            self.met += 1;
        }
        None
    }
}

/// All that waits in one document.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    waiting: Vec<Waiting>,
    bytes: usize,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn bytes_of(&self, author: ConnectionId) -> usize {
        let own = self.waiting.iter().filter(|waiting| waiting.author == author);
        own.map(Waiting::bytes).sum()
    }

    /// Drops what waits from one connection.
    pub(crate) fn forget(&mut self, author: ConnectionId) {
        self.waiting.retain(|waiting| waiting.author != author);
        self.bytes = self.waiting.iter().map(Waiting::bytes).sum();
    }

    /// Keeps an update, if there is space for it.
    pub(crate) fn keep(&mut self, author: ConnectionId, update: &Update, place: usize) -> bool {
        let bytes = update.bytes().len();
        // What is loaded from the store was accepted before, and is bounded there.
        let full = author != STORE
            && (self.waiting.len() >= PENDING_DOC_COUNT_MAX
                || self.bytes + bytes > PENDING_DOC_BYTES_MAX
                || self.bytes_of(author) + bytes > PENDING_CONNECTION_BYTES_MAX);
        if full {
            return false;
        }
        self.bytes += bytes;
        self.waiting.push(Waiting {
            author,
            update: update.clone(),
            place: Some(place),
            met: 0,
        });
        true
    }

    /// Takes out everything, to see what fits now.
    pub(crate) fn queue(&mut self, have: &StateVector) -> Queue {
        let mut queue = Queue::default();
        self.bytes = 0;
        for waiting in std::mem::take(&mut self.waiting) {
            queue.sort_in(waiting, have);
        }
        queue
    }

    /// Puts back what did not fit, at the end of a turn, in the order in which it came.
    pub(crate) fn put_back(&mut self, queue: Queue) {
        let left = queue.blocked.into_iter().flatten();
        self.waiting.extend(left);
        self.bytes = self.waiting.iter().map(Waiting::bytes).sum();
    }

    /// A turn is over.
    pub(crate) fn end_turn(&mut self) {
        for waiting in &mut self.waiting {
            waiting.place = None;
        }
    }
}

/// What waits, by what it waits for. Trying everything again whenever something fitted would cost the square of it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: VecDeque<Waiting>,
    blocked: Vec<Option<Waiting>>,
    by_client: HashMap<ClientId, BinaryHeap<Reverse<(u32, usize)>>>,
}

impl Queue {
    /// One that fits.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        self.ready.pop_front()
    }

    /// The blocks of this update are there now.
    pub(crate) fn arrived(&mut self, extent: &Extent, have: &StateVector) {
        for range in &extent.structs {
            let clock = have.get(range.client);
            while let Some(heap) = self.by_client.get_mut(&range.client) {
                match heap.peek() {
                    Some(Reverse((needed, _))) if *needed <= clock => {}
                    Some(_) | None => break,
                }
                let Some(Reverse((_, index))) = heap.pop() else {
                    break;
                };
                if let Some(waiting) = self.blocked.get_mut(index).and_then(Option::take) {
                    self.sort_in(waiting, have);
                }
            }
        }
    }

    fn sort_in(&mut self, mut waiting: Waiting, have: &StateVector) {
        match waiting.missing(have) {
            None => self.ready.push_back(waiting),
            Some((client, clock)) => {
                let index = self.blocked.len();
                self.by_client
                    .entry(client)
                    .or_default()
                    .push(Reverse((clock, index)));
                self.blocked.push(Some(waiting));
            }
        }
    }
}
