//! Who wrote what and when: the writers of each room enter it, the readers look it up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use roomtone_crdt::{ClientId, Refusal, Update};
use tokio::sync::Notify;

use crate::ranges::Ranges;

/// One writer of one room.
#[derive(Default)]
pub struct Sent {
    state: Mutex<SentState>,
    /// Whether any of its edits deletes: readers then keep what is deleted.
    deletes: AtomicBool,
    /// How many of its edits have arrived at a reader: the first whom they reach counts.
    delivered: AtomicUsize,
    /// Rung when `delivered` grows.
    pub arrival: Notify,
}

/// One edit of a writer.
#[derive(Clone, Copy, Debug)]
pub struct SentEdit {
    /// The clock behind it.
    pub end: u32,
    /// A clock that it deletes, where it deletes.
    pub deleted: Option<u32>,
    /// When it was sent.
    pub at: Instant,
}

/// What a writer has sent.
#[derive(Default)]
pub struct SentState {
    /// Its edits, in order.
    pub edits: Vec<SentEdit>,
    /// When each presence state was sent; its number is its place, from 1.
    pub presence: Vec<Instant>,
}

impl Sent {
    /// What it has sent so far.
    pub fn lock(&self) -> MutexGuard<'_, SentState> {
        // Nothing in here can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters an edit. Before it is sent: whoever hears of it looks here.
    pub fn enter(&self, end: u32, deleted: Option<u32>, at: Instant) {
        if deleted.is_some() {
            self.deletes.store(true, Ordering::Release);
        }
        self.lock().edits.push(SentEdit { end, deleted, at });
    }

    /// How many of its edits have arrived at some reader.
    pub fn delivered(&self) -> usize {
        self.delivered.load(Ordering::Relaxed)
    }

    fn has_arrived(&self, count: usize) {
        if self.delivered.fetch_max(count, Ordering::Relaxed) < count {
            self.arrival.notify_one();
        }
    }
}

/// One room's writers.
#[derive(Default)]
pub struct RoomLedger {
    present: AtomicUsize,
    writers: RwLock<HashMap<ClientId, Arc<Sent>>>,
    /// The last update of [`WHOLE_BYTES_MIN`] and more that was checked.
    whole: Mutex<Option<Update>>,
}

/// From this size on an update is taken for a whole document, which every joiner is sent.
const WHOLE_BYTES_MIN: usize = 64 * 1024;

impl RoomLedger {
    /// Enters a writer, who is present from now on.
    pub fn enter(&self, client: ClientId) -> Arc<Sent> {
        self.present.fetch_add(1, Ordering::Relaxed);
        let mut writers = self.writers.write().unwrap_or_else(PoisonError::into_inner);
        writers.entry(client).or_default().clone()
    }

    /// One is present no more. What it wrote stays.
    pub fn leave(&self) {
        self.present.fetch_sub(1, Ordering::Relaxed);
    }

    /// Checks what came. The document that the one before was sent too, byte for byte, is not read again: in a burst of
    /// joiners that would be most of what the generator does.
    ///
    /// # Errors
    /// [`Refusal`]: it is no update.
    pub fn check(&self, bytes: &Bytes) -> Result<Update, Refusal> {
        if bytes.len() < WHOLE_BYTES_MIN {
            return Update::check(bytes.clone());
        }
        let last = || self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last().clone();
        match known {
            Some(known) if known.bytes() == bytes => Ok(known),
            _ => {
                let update = Update::check(bytes.clone())?;
                *last() = Some(update.clone());
                Ok(update)
            }
        }
    }

    /// How many are present.
    pub fn present(&self) -> usize {
        self.present.load(Ordering::Relaxed)
    }

    /// A writer, if it is one of ours.
    pub fn writer(&self, client: ClientId) -> Option<Arc<Sent>> {
        let writers = self.writers.read().unwrap_or_else(PoisonError::into_inner);
        writers.get(&client).cloned()
    }

    /// All writers.
    pub fn all(&self) -> Vec<(ClientId, Arc<Sent>)> {
        let writers = self.writers.read().unwrap_or_else(PoisonError::into_inner);
        writers
            .iter()
            .map(|(client, sent)| (*client, sent.clone()))
            .collect()
    }
}

/// All rooms.
#[derive(Default)]
pub struct Ledger {
    rooms: Mutex<HashMap<String, Arc<RoomLedger>>>,
}

impl Ledger {
    /// One room.
    pub fn room(&self, name: &str) -> Arc<RoomLedger> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(name.to_owned()).or_default().clone()
    }
}

/// What one reader has of one writer.
pub struct Received {
    sent: Arc<Sent>,
    /// Everything below this clock is here.
    clock: u32,
    /// What came with a hole before it.
    ahead: Vec<(u32, u32)>,
    /// What is deleted; kept only of writers who delete.
    deleted: Ranges,
    /// How many of the writer's edits are counted.
    counted: usize,
    /// The last presence state that came.
    presence: usize,
}

/// What a piece of news brought.
#[derive(Default)]
pub struct Arrived {
    /// Latencies of edits that are here now, in milliseconds.
    pub delivery_ms: Vec<f64>,
    /// Whether it left a hole.
    pub is_gap: bool,
}

impl Received {
    /// Nothing yet.
    pub fn new(sent: Arc<Sent>) -> Received {
        Received {
            sent,
            clock: 0,
            ahead: Vec::new(),
            deleted: Ranges::default(),
            counted: 0,
            presence: 0,
        }
    }

    /// Everything below this clock is here.
    pub fn clock(&self) -> u32 {
        self.clock
    }

    /// How many of the writer's edits are here, with all before them.
    pub fn counted(&self) -> usize {
        self.counted
    }

    /// Clocks that came. Edits sent before `since` are no deliveries: the reader was not there yet.
    pub fn take(&mut self, from: u32, to: u32, since: Instant) -> Arrived {
        let mut arrived = Arrived::default();
        if from > self.clock {
            arrived.is_gap = true;
            self.ahead.push((from, to));
            return arrived;
        }
        self.clock = self.clock.max(to);
        while let Some(place) = self.ahead.iter().position(|(from, _)| *from <= self.clock) {
            self.clock = self.clock.max(self.ahead.swap_remove(place).1);
        }
        arrived.delivery_ms = self.settle(since);
        arrived
    }

    /// Clocks that were deleted, and latencies in milliseconds of what is here with them.
    pub fn take_deleted(&mut self, from: u32, to: u32, since: Instant) -> Vec<f64> {
        if !self.sent.deletes.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.deleted.add(from, to);
        self.settle(since)
    }

    /// Counts the edits that are here with all before them.
    fn settle(&mut self, since: Instant) -> Vec<f64> {
        let mut delivery_ms = Vec::new();
        let now = Instant::now();
        let sent = self.sent.lock();
        let before = self.counted;
        while let Some(edit) = sent.edits.get(self.counted) {
            if edit.end > self.clock || edit.deleted.is_some_and(|clock| !self.deleted.has(clock)) {
                break;
            }
            self.counted += 1;
            if edit.at >= since {
                delivery_ms.push(now.duration_since(edit.at).as_secs_f64() * 1_000.0);
            }
        }
        drop(sent);
        if self.counted > before {
            self.sent.has_arrived(self.counted);
        }
        delivery_ms
    }

    /// A presence state that came. Gives its latency where it is new.
    pub fn take_presence(&mut self, number: usize, since: Instant) -> Option<f64> {
        if number <= self.presence {
            return None;
        }
        self.presence = number;
        let at = *self.sent.lock().presence.get(number - 1)?;
        (at >= since).then(|| at.elapsed().as_secs_f64() * 1_000.0)
    }

    /// The writer has left: whatever it showed before is of no interest.
    pub fn forget_presence(&mut self) {
        self.presence = self.sent.lock().presence.len();
    }

    /// Edits and presence states that have not come: the first are counted one by one, of the second only the last one
    /// matters.
    pub fn missing(&self) -> (usize, usize) {
        let sent = self.sent.lock();
        (
            sent.edits.len() - self.counted,
            usize::from(sent.presence.len() > self.presence),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_behind_a_hole_counts_when_the_hole_is_filled() {
        let sent = Arc::new(Sent::default());
        let began = Instant::now();
        for end in [5, 10, 15] {
            sent.enter(end, None, Instant::now());
        }
        let mut received = Received::new(sent);
        assert_eq!(received.take(0, 5, began).delivery_ms.len(), 1);
        let arrived = received.take(10, 15, began);
        assert!(arrived.is_gap && arrived.delivery_ms.is_empty());
        assert_eq!(received.missing(), (2, 0));
        assert_eq!(received.take(5, 10, began).delivery_ms.len(), 2);
        assert_eq!(received.missing(), (0, 0));
        assert!(received.take(0, 15, began).delivery_ms.is_empty());
    }

    #[test]
    fn a_document_that_is_known_is_told_from_one_that_differs() {
        let room = RoomLedger::default();
        let document = |chars: usize| Bytes::from(crate::pen::Pen::new(7).write(chars));
        let ends = |bytes: &Bytes| room.check(bytes).map(|update| update.extent().structs[0].to);
        let (short, long) = (document(70_000), document(70_001));
        for (bytes, end) in [
            (&short, 70_000),
            (&short, 70_000),
            (&long, 70_001),
            (&short, 70_000),
        ] {
            assert_eq!(ends(bytes), Ok(end));
        }
        let mut damaged = short.to_vec();
        damaged[1_000] = 0xff;
        assert!(ends(&Bytes::from(damaged)).is_err());
    }

    #[test]
    fn a_deletion_has_arrived_when_its_clocks_are_deleted() {
        let sent = Arc::new(Sent::default());
        let began = Instant::now();
        sent.enter(5, None, Instant::now());
        sent.enter(5, Some(3), Instant::now());
        sent.enter(6, Some(1), Instant::now());
        let mut received = Received::new(sent.clone());
        assert_eq!(received.take(0, 5, began).delivery_ms.len(), 1);
        assert_eq!(received.missing().0, 2);
        assert!(received.take_deleted(1, 2, began).is_empty());
        assert_eq!(received.take_deleted(3, 4, began).len(), 1);
        assert_eq!(received.take(5, 6, began).delivery_ms.len(), 1);
        assert_eq!(sent.delivered(), 3);
    }
}
