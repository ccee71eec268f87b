//! One member of a room, and the dialect in which it is spoken to.

use std::sync::Arc;

use bytes::Bytes;
use roomtone_crdt::native::Channel;
use roomtone_crdt::{ConnectionId, Stamp, StateVector, encode, hocuspocus, native, ysweet, ywebsocket};
use roomtone_persistence::Epoch;
use tokio::time::Instant;

use super::drained::Drained;
use crate::auth::Role;
use crate::close::Close;
use crate::outbox::Outbox;

/// How frames for a member are addressed.
#[derive(Clone, Debug)]
pub enum Voice {
    /// y-websocket: the socket is the document.
    YWebsocket,
    /// y-sweet: as y-websocket, with its own acknowledgement.
    YSweet,
    /// Hocuspocus: every frame begins with the address that this provider uses.
    Hocuspocus(Arc<str>),
    /// Native: every message begins with the number that its client gave the room.
    Native(Channel),
}

impl Voice {
    /// A body, addressed.
    pub fn frame(&self, body: &Bytes) -> Bytes {
        match self {
            Voice::YWebsocket | Voice::YSweet => body.clone(),
            Voice::Hocuspocus(address) => hocuspocus::addressed(address, body),
            Voice::Native(channel) => native::addressed(*channel, body),
        }
    }

    /// What keeps this client's watchdog quiet: an awareness frame with nobody in it.
    pub fn keepalive(&self) -> Bytes {
        self.frame(&encode::awareness(&[0]))
    }

    /// Says that the document may not be changed, in the way this dialect knows.
    pub fn read_only(&self) -> Option<Bytes> {
        match self {
            Voice::YWebsocket | Voice::YSweet => {
                Some(ywebsocket::permission_denied("this token is read-only"))
            }
            // Said by SyncStatus, once for each refused message.
            Voice::Hocuspocus(_) => None,
            Voice::Native(channel) => Some(native::refused(*channel, "this token is read-only")),
        }
    }

    /// The acknowledgement of one update message, where the dialect has one.
    pub fn status(&self, applied: bool) -> Option<Bytes> {
        match self {
            Voice::YWebsocket | Voice::YSweet | Voice::Native(_) => None,
            Voice::Hocuspocus(address) => Some(hocuspocus::sync_status(address, applied)),
        }
    }

    /// What a client wanted to hear back once everything before it is durable, in the dialects that ask for that.
    fn confirmation(&self, payload: &[u8]) -> Option<Bytes> {
        match self {
            Voice::YSweet => Some(ysweet::sync_status(payload)),
            Voice::Native(channel) => Some(native::saved(*channel, payload)),
            Voice::YWebsocket | Voice::Hocuspocus(_) => None,
        }
    }

    /// Whether the durable echo of its own updates is this dialect's acknowledgement.
    pub fn wants_echo(&self) -> bool {
        match self {
            Voice::YWebsocket => true,
            Voice::YSweet | Voice::Hocuspocus(_) | Voice::Native(_) => false,
        }
    }
}

/// Frames of one body for many members: encoded once for all that share an address.
pub(crate) struct Frames {
    body: Bytes,
    addressed: Option<(Arc<str>, Bytes)>,
    numbered: Option<(Channel, Bytes)>,
}

impl Frames {
    pub(crate) fn new(body: Bytes) -> Frames {
        Frames {
            body,
            addressed: None,
            numbered: None,
        }
    }

    pub(crate) fn for_voice(&mut self, voice: &Voice) -> Bytes {
        match voice {
            Voice::YWebsocket | Voice::YSweet => self.body.clone(),
            Voice::Hocuspocus(address) => match &self.addressed {
                Some((known, frame)) if known == address => frame.clone(),
                Some(_) | None => {
                    let frame = hocuspocus::addressed(address, &self.body);
                    self.addressed = Some((address.clone(), frame.clone()));
                    frame
                }
            },
            // Most clients are in one room, and call it 1.
            Voice::Native(channel) => match &self.numbered {
                Some((known, frame)) if known == channel => frame.clone(),
                Some(_) | None => {
                    let frame = native::addressed(*channel, &self.body);
                    self.numbered = Some((*channel, frame.clone()));
                    frame
                }
            },
        }
    }
}

/// Somebody who takes a seat.
pub struct Member {
    /// Which membership this is. A socket with several documents has one for each.
    pub id: ConnectionId,
    /// How it is spoken to.
    pub voice: Voice,
    /// Where its frames go.
    pub outbox: Outbox,
    /// What it may do.
    pub role: Role,
    /// Whose edits these are, from the token.
    pub user: Option<Arc<str>>,
    /// What its presence is stamped with, from the token.
    pub stamp: Option<Stamp>,
    /// Sent before anything else, once the document is loaded.
    pub greeting: Greeting,
}

/// What a member hears first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// Nothing.
    None,
    /// Hocuspocus: the answer to a token.
    Frame(Bytes),
    /// Native: Joined, or Left where its copy is of another epoch than this one.
    Joined(Option<Epoch>),
}

impl Member {
    /// Greets it, once. False: it was sent away, because its copy belongs to another lineage (NA5).
    pub(crate) fn greet(&mut self, epoch: Epoch) -> bool {
        match (std::mem::replace(&mut self.greeting, Greeting::None), &self.voice) {
            (Greeting::Frame(frame), _) => self.outbox.send_always(frame),
            (Greeting::Joined(Some(known)), Voice::Native(channel)) if known != epoch => {
                let close = Close::StaleEpoch;
                let left = native::left(*channel, close.code(), close.reason(), epoch.0.into());
                self.outbox.send_always(left);
                return false;
            }
            (Greeting::Joined(_), Voice::Native(channel)) => {
                let user = self.user.as_deref().unwrap_or_default();
                let joined = native::joined(*channel, epoch.0.into(), self.role.as_str(), user);
                self.outbox.send_always(joined);
            }
            (Greeting::Joined(_) | Greeting::None, _) => {}
        }
        true
    }

    /// Sends it away: with its socket, unless that carries other documents that are well.
    pub(crate) fn dismiss(&self, close: Close) {
        match &self.voice {
            Voice::Hocuspocus(address) if close.is_for_one_document() => self
                .outbox
                .send_always(hocuspocus::permission_denied(address, close.reason())),
            // A socket of many rooms goes on, but for a node that stops.
            Voice::Native(_) if close == Close::Restart => {
                self.outbox.send_away();
            }
            Voice::Native(channel) => {
                let left = native::left(*channel, close.code(), close.reason(), 0);
                self.outbox.send_always(left);
            }
            Voice::YWebsocket | Voice::YSweet | Voice::Hocuspocus(_) => self.outbox.close(close),
        }
    }
}

/// A member that is in the room, and what the room remembers about it.
pub(crate) struct Seated {
    pub(crate) member: Member,
    /// Set while the outbox is over its bound: what the member had when the first frame was withheld.
    pub(crate) lagging: Option<StateVector>,
    /// Set from a resync until its answer leaves: what is relayed in between is in that answer, and would come with a hole
    /// before it.
    pub(crate) is_catching_up: bool,
    /// Frames that wait for the disk, because the first of them confirms something. What is relayed meanwhile waits behind it.
    pub(crate) withheld_count: u32,
    /// Whether the answer to its Step1 was among what was withheld: a client waits for a Step2 to be synced.
    pub(crate) owes_answer: bool,
    /// Set by a Step1 until the end of the turn: what the member has. Many in one turn are one question.
    pub(crate) step1: Option<StateVector>,
    /// A Step1 whose answer the member would take for an acknowledgement: it is asked again after the next commit.
    pub(crate) step1_deferred: Option<StateVector>,
    /// Whether the member was asked for what its updates lack, and has not sent anything whole since.
    pub(crate) asked: bool,
    /// Answers to such questions that are still to come. Hocuspocus clients count the edits they make and one answer for each
    /// Step1 of their own; an acknowledgement of more would stand for an edit that is not saved.
    pub(crate) uncounted_answers: u32,
    /// Whether an update of the member had gaps inside, and was not followed by the whole.
    pub(crate) gapped: bool,
    /// Whether it wrote although it may not. It was told once, and nothing it asks for is acknowledged any more: its
    /// copy holds edits that are nowhere else.
    pub(crate) wrote_read_only: bool,
    /// Whether its answer to our Step1 is still to come: until then it may hold edits that we have never seen.
    pub(crate) owes_step2: bool,
    /// y-sweet and native: the last status that was durable, and since when a newer one waits.
    pub(crate) status_acked: Bytes,
    pub(crate) status_waits_since: Option<Instant>,
    /// The same: a status behind updates that are not part of the document yet, or have not come.
    pub(crate) status_parked: Option<Bytes>,
    /// Native: whether it is told of changes in the chat.
    pub(crate) has_chat_open: bool,
}

impl Seated {
    pub(crate) fn new(member: Member) -> Seated {
        Seated {
            member,
            lagging: None,
            is_catching_up: false,
            withheld_count: 0,
            owes_answer: false,
            step1: None,
            step1_deferred: None,
            asked: false,
            uncounted_answers: 0,
            gapped: false,
            wrote_read_only: false,
            owes_step2: true,
            status_acked: Bytes::from_static(&[0]),
            status_waits_since: None,
            status_parked: None,
            has_chat_open: false,
        }
    }

    /// Whether what is relayed now reaches it by a resync instead.
    pub(crate) fn is_behind(&self) -> bool {
        self.lagging.is_some() || self.is_catching_up
    }

    /// The outbox is over its bound: frames are withheld until the room hears that it has drained. The resync begins
    /// at the least that the member is known to have.
    pub(crate) fn lag(&mut self, since: &StateVector, drained: &mut Drained) {
        match &mut self.lagging {
            Some(known) => *known = known.meet(since),
            None => {
                self.lagging = Some(since.clone());
                self.member
                    .outbox
                    .tell_when_drained(drained.sender(), self.member.id);
            }
        }
    }

    /// Acknowledges or refuses one update message where the dialect can say so.
    pub(crate) fn send_status(&self, applied: bool) {
        if let Some(frame) = self.member.voice.status(applied) {
            self.member.outbox.send_always(frame);
        }
    }

    /// Answers a status request.
    pub(crate) fn confirm_status(&mut self, payload: Bytes) {
        if let Some(frame) = self.member.voice.confirmation(&payload) {
            self.member.outbox.send_always(frame);
        }
        self.status_acked = payload;
        self.status_waits_since = None;
    }
}
