//! One member of a room, and the dialect in which it is spoken to.

use std::sync::Arc;

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, Stamp, StateVector, encode, hocuspocus, ysweet, ywebsocket};
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
}

impl Voice {
    /// A body, addressed.
    pub fn frame(&self, body: &Bytes) -> Bytes {
        match self {
            Voice::YWebsocket | Voice::YSweet => body.clone(),
            Voice::Hocuspocus(address) => hocuspocus::addressed(address, body),
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
        }
    }

    /// The acknowledgement of one update message, where the dialect has one.
    pub fn status(&self, applied: bool) -> Option<Bytes> {
        match self {
            Voice::YWebsocket | Voice::YSweet => None,
            Voice::Hocuspocus(address) => Some(hocuspocus::sync_status(address, applied)),
        }
    }

    /// Whether the durable echo of its own updates is this dialect's acknowledgement.
    pub fn wants_echo(&self) -> bool {
        match self {
            Voice::YWebsocket => true,
            Voice::YSweet | Voice::Hocuspocus(_) => false,
        }
    }
}

/// Frames of one body for many members: encoded once for all that share an address.
pub(crate) struct Frames {
    body: Bytes,
    addressed: Option<(Arc<str>, Bytes)>,
}

impl Frames {
    pub(crate) fn new(body: Bytes) -> Frames {
        Frames {
            body,
            addressed: None,
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
    pub greeting: Option<Bytes>,
}

impl Member {
    /// Sends it away: with its socket, unless that carries other documents that are well.
    pub(crate) fn dismiss(&self, close: Close) {
        match &self.voice {
            Voice::Hocuspocus(address) if close.is_for_one_document() => self
                .outbox
                .send_always(hocuspocus::permission_denied(address, close.reason())),
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
    pub(crate) withheld_count: usize,
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
    /// y-sweet only: the last status that was durable, and since when a newer one waits.
    pub(crate) ysweet_acked: Bytes,
    pub(crate) ysweet_waits_since: Option<Instant>,
    /// y-sweet only: a status behind updates that are not part of the document yet, or have not come.
    pub(crate) ysweet_parked: Option<Bytes>,
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
            ysweet_acked: Bytes::from_static(&[0]),
            ysweet_waits_since: None,
            ysweet_parked: None,
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

    /// Answers a y-sweet status request.
    pub(crate) fn send_ysweet_status(&mut self, payload: Bytes) {
        self.member.outbox.send_always(ysweet::sync_status(&payload));
        self.ysweet_acked = payload;
        self.ysweet_waits_since = None;
    }
}
