//! The rooms that are awake on this node, and the one place where they are opened and retired.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use roomtone_crdt::ConnectionId;
use roomtone_persistence::{DocId, Store};
use tokio::sync::Notify;

use crate::bus::Bus;
use crate::chat::Note;
use crate::close::Close;
use crate::compactor::Compactor;
use crate::follower::Follower;
use crate::handles::{Closed, Handles};
use crate::limits::{Limits, STOP_ROUND_MS};
use crate::metrics;
use crate::room::{Ask, Member, Room, RoomHandle, Seat};
use crate::saver::Saver;

/// A cheap handle to all rooms of this node.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    rooms: Handles<DocId, RoomHandle>,
    context: Context,
    follower: Option<Follower>,
    connections: AtomicU64,
    retired: Notify,
}

/// What every room works with.
#[derive(Clone)]
pub struct Context {
    /// Where documents are loaded from.
    pub store: Arc<dyn Store>,
    /// Where accepted updates go.
    pub saver: Saver,
    /// Who makes snapshots.
    pub compactor: Compactor,
    /// The other nodes, where there are any.
    pub bus: Option<Bus>,
    /// The bounds that an operator may move.
    pub limits: Arc<Limits>,
}

impl Hub {
    /// A hub with no room awake. In a store that other nodes write to, it follows them from now on.
    pub fn new(context: Context) -> Hub {
        let follower = Follower::start(context.store.as_ref(), context.bus.clone());
        Hub {
            shared: Arc::new(Shared {
                rooms: Handles::new(),
                context,
                follower,
                connections: AtomicU64::new(0),
                retired: Notify::new(),
            }),
        }
    }

    /// A number that no other membership of this process has.
    pub fn connection_id(&self) -> ConnectionId {
        ConnectionId(self.shared.connections.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Puts a member into a document's room, waking the room where it sleeps. The seat is the membership:
    /// dropping it is the leave.
    ///
    /// # Errors
    /// The close that the member's socket shall get.
    pub async fn join(&self, doc: &DocId, member: Member) -> Result<Seat, Close> {
        let handle = self.open(doc)?;
        Seat::take(handle, member).await
    }

    /// Asks a document something without becoming a member.
    ///
    /// # Errors
    /// The close that says why it cannot be answered.
    pub async fn ask(&self, doc: &DocId, ask: Ask) -> Result<(), Close> {
        self.open(doc)?.ask(ask).await
    }

    /// Tells a document's room something about its chat. A room that sleeps is woken where there are other nodes, which may
    /// have it open; where there are none, nobody listens.
    pub(crate) async fn note(&self, doc: &DocId, note: Note) -> Result<(), Close> {
        let handle = match (self.shared.rooms.get(doc), &self.shared.context.bus) {
            (Some(handle), _) => handle,
            (None, Some(_)) => self.open(doc)?,
            (None, None) => return Ok(()),
        };
        handle.note(note).await
    }

    /// Where everything is kept.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.shared.context.store
    }

    /// Rooms awake.
    pub fn rooms_count(&self) -> usize {
        self.shared.rooms.len()
    }

    /// Whether the hub is on its way out.
    pub fn is_stopping(&self) -> bool {
        self.shared.rooms.is_closed()
    }

    /// Refuses new joins from now on.
    pub fn begin_stop(&self) {
        self.shared.rooms.close();
    }

    /// Stops every room: each takes what waits in its inbox, waits for its log, and sends its members away.
    /// Returns whether all were done within `patience`.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.begin_stop();
        let all = async {
            loop {
                self.shared.rooms.for_each(RoomHandle::stop);
                // Not at every retirement: that would be all rooms for each of them.
                let round = Duration::from_millis(STOP_ROUND_MS);
                if tokio::time::timeout(round, self.all_retired()).await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(patience, all).await.is_ok()
    }

    async fn all_retired(&self) {
        loop {
            let retired = self.shared.retired.notified();
            if self.shared.rooms.len() == 0 {
                return;
            }
            retired.await;
        }
    }

    /// Hearing of what other nodes write, where there can be any.
    pub(crate) fn follower(&self) -> Option<&Follower> {
        self.shared.follower.as_ref()
    }

    /// A handle keeps the room awake until it is dropped; see [`Hub::retire`].
    fn open(&self, doc: &DocId) -> Result<Arc<RoomHandle>, Close> {
        if self.is_stopping() {
            return Err(Close::Restart);
        }
        if let Some(handle) = self.shared.rooms.get(doc) {
            return Ok(handle);
        }
        if self.shared.rooms.len() >= self.shared.context.limits.rooms_count_max {
            return Err(Close::TryLater("too many rooms are awake; come back later"));
        }
        // Of two first joins one starts the room, both get it.
        let start = || Room::start(doc.clone(), self.clone(), self.shared.context.clone());
        let handle = self.shared.rooms.get_or_insert(doc, start);
        let handle = handle.map_err(|Closed| Close::Restart)?;
        metrics::rooms(self.shared.rooms.len());
        Ok(handle)
    }

    /// Takes an idle room out, if nobody holds or is about to use it ([`Handles::retire`]). `is_empty` tells whether the
    /// room's queues are empty.
    pub(crate) fn retire(&self, doc: &DocId, is_empty: impl FnOnce() -> bool) -> bool {
        let removed = self.shared.rooms.retire(doc, is_empty);
        if removed {
            self.note_removal();
        }
        removed
    }

    /// Takes a room out that can serve nobody any more. The next join starts a new one.
    pub(crate) fn remove(&self, doc: &DocId, room: &RoomHandleId) {
        if self.shared.rooms.remove(doc, |handle| handle.id() == *room) {
            self.note_removal();
        }
    }

    fn note_removal(&self) {
        metrics::rooms(self.shared.rooms.len());
        self.shared.retired.notify_waiters();
    }
}

/// Tells one incarnation of a room from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomHandleId(pub(crate) u64);

impl RoomHandleId {
    /// A number that no other room of this process has.
    pub(crate) fn next() -> RoomHandleId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        RoomHandleId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
