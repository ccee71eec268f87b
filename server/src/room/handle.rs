//! The outside of a room: a handle that only sends, and a seat whose drop is the leave.

use std::sync::{Arc, OnceLock};

use roomtone_crdt::{ConnectionId, Message, Update};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot};

use crate::auth::Role;
use crate::chat::Note;
use crate::close::Close;
use crate::hub::RoomHandleId;
use crate::limits::INBOX_BYTES_MAX;
use crate::room::Member;

/// What a room is told through its inbox, in order.
pub(crate) enum Event {
    /// Somebody takes a seat.
    Join(Box<Member>),
    /// A member says something.
    Say(ConnectionId, Message),
    /// A member's token was renewed.
    Renew(ConnectionId, Role),
    /// Somebody asks from outside.
    Ask(Ask),
    /// Something about the chat.
    Chat(Note),
}

/// What a room is told beside its inbox, because it must never wait.
pub(crate) enum Control {
    /// A member is gone. What it said before is taken first.
    Leave(ConnectionId),
    /// The node stops.
    Stop,
}

/// What back ends ask of a document without being a member.
pub enum Ask {
    /// The whole document.
    Snapshot(oneshot::Sender<Result<Update, Close>>),
    /// Apply an update; the answer comes when it is on the disk.
    Apply {
        /// What to apply.
        update: Update,
        /// Whose it is, from the token.
        user: Option<Arc<str>>,
        /// The role of the token.
        role: Role,
        /// Told when it is durable, or why it was refused.
        done: oneshot::Sender<Result<(), Close>>,
    },
}

/// An event, and the space in the inbox that it holds until it is taken.
pub(crate) struct Delivery {
    pub(crate) event: Event,
    _space: Option<OwnedSemaphorePermit>,
}

/// Where deliveries arrive. Boxed, because a channel makes room for 32 at once, however few ever wait.
pub(crate) type Inbox = mpsc::Receiver<Box<Delivery>>;

#[cfg(test)]
impl Delivery {
    /// Of a test that has no inbox.
    pub(crate) fn without_space(event: Event) -> Delivery {
        Delivery { event, _space: None }
    }
}

/// The sending end of a room.
pub struct RoomHandle {
    id: RoomHandleId,
    inbox: mpsc::Sender<Box<Delivery>>,
    space: Arc<Semaphore>,
    control: mpsc::UnboundedSender<Control>,
    failure: Failure,
}

/// Why a room serves nobody any more, once it does not.
pub(crate) type Failure = Arc<OnceLock<Close>>;

impl RoomHandle {
    pub(crate) fn new(
        id: RoomHandleId,
        inbox: mpsc::Sender<Box<Delivery>>,
        control: mpsc::UnboundedSender<Control>,
        failure: Failure,
    ) -> RoomHandle {
        RoomHandle {
            id,
            inbox,
            space: Arc::new(Semaphore::new(INBOX_BYTES_MAX as usize)),
            control,
            failure,
        }
    }

    pub(crate) fn id(&self) -> RoomHandleId {
        self.id
    }

    /// Asks without a seat.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<(), Close> {
        let bytes = match &ask {
            Ask::Snapshot(_) => 0,
            Ask::Apply { update, .. } => update.bytes().len(),
        };
        self.send(Event::Ask(ask), bytes).await
    }

    /// Tells it something about its chat.
    pub(crate) async fn note(&self, note: Note) -> Result<(), Close> {
        let bytes = match &note {
            Note::Listen(..) => 0,
            Note::News(news) => news.change().len(),
        };
        self.send(Event::Chat(note), bytes).await
    }

    /// Tells the room that the node stops.
    pub(crate) fn stop(&self) {
        // A room that has ended needs no telling.
        let _ = self.control.send(Control::Stop);
    }

    /// Waits for space in the inbox: the caller is a socket's reader, and this is how a full room slows it down.
    async fn send(&self, event: Event, bytes: usize) -> Result<(), Close> {
        let share = u32::try_from(bytes)
            .unwrap_or(INBOX_BYTES_MAX)
            .min(INBOX_BYTES_MAX);
        let delivery = match share {
            0 => Delivery { event, _space: None },
            share => match self.space.clone().try_acquire_many_owned(share) {
                Ok(space) => Delivery {
                    event,
                    _space: Some(space),
                },
                Err(TryAcquireError::NoPermits) => return Box::pin(self.wait_and_send(event, share)).await,
                Err(TryAcquireError::Closed) => return Err(self.gone()),
            },
        };
        match self.inbox.try_send(Box::new(delivery)) {
            Ok(()) => Ok(()),
            // Boxed, because it is rare, and every socket would keep the space for it.
            Err(TrySendError::Full(delivery)) => {
                Box::pin(self.inbox.send(delivery)).await.map_err(|_| self.gone())
            }
            Err(TrySendError::Closed(_)) => Err(self.gone()),
        }
    }

    async fn wait_and_send(&self, event: Event, share: u32) -> Result<(), Close> {
        let space = self.space.clone().acquire_many_owned(share).await;
        let space = space.map_err(|_| self.gone())?;
        let delivery = Delivery {
            event,
            _space: Some(space),
        };
        self.inbox.send(Box::new(delivery)).await.map_err(|_| self.gone())
    }

    /// Why nothing can be sent any more.
    fn gone(&self) -> Close {
        let restarting = Close::TryLater("the room is restarting; come back");
        self.failure.get().copied().unwrap_or(restarting)
    }
}

/// One membership. Dropping it is the leave, on every path.
pub struct Seat {
    handle: Arc<RoomHandle>,
    id: ConnectionId,
}

impl Seat {
    pub(crate) async fn take(handle: Arc<RoomHandle>, member: Member) -> Result<Seat, Close> {
        // The guard stands before the join is sent: if this future is dropped in between, the leave follows.
        let seat = Seat {
            handle,
            id: member.id,
        };
        seat.handle.send(Event::Join(Box::new(member)), 0).await?;
        Ok(seat)
    }

    /// Passes a message on. Waits while the room's inbox is full.
    ///
    /// # Errors
    /// The room has ended; the socket shall be closed with the answer.
    pub async fn say(&self, message: Message, bytes: usize) -> Result<(), Close> {
        self.handle.send(Event::Say(self.id, message), bytes).await
    }

    /// The member's token was renewed.
    ///
    /// # Errors
    /// As [`Seat::say`].
    pub async fn renew(&self, role: Role) -> Result<(), Close> {
        self.handle.send(Event::Renew(self.id, role), 0).await
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Control never waits, so a leave cannot be lost; at most one waits per member.
        let _ = self.handle.control.send(Control::Leave(self.id));
    }
}
