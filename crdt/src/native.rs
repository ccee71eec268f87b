//! The native dialect, `roomtone.v1`: many rooms on one socket, messages that can be skipped, edits that are numbered.
//!
//! `docs/PROTOCOL.md` holds the rules NA1 to NA11 and CH1 to CH5, and `docs/vectors/native.json` frames that both languages read.

use bytes::Bytes;

use crate::gate::{Refusal, Rule};
use crate::lib0::{Reader, Writer};
use crate::limits::FRAME_MESSAGES_COUNT_MAX;
use crate::message::{BadFrame, Message};
use crate::presence::AwarenessUpdate;
use crate::state_vector::StateVector;
use crate::update::Update;

/// The one version there is.
pub const VERSION: u64 = 1;
/// Capability: the client reads [`deflated_diff`].
pub const CAN_INFLATE: u64 = 1;
/// Bytes of a ping. More: refused.
pub const PING_BYTES_MAX: usize = 125;
/// Largest number of a channel. Beyond: refused.
const CHANNEL_MAX: u64 = (1 << 31) - 1;
/// Bytes of an event's name and payload together. More: refused.
pub const EVENT_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a call of the chat. More: refused.
pub const CHAT_CALL_BYTES_MAX: usize = 64 * 1024;

/// The number of a room on one socket, as its client chose it. Never 0: that is the connection.
pub type Channel = u32;

mod kind {
    pub(super) const HELLO: u64 = 0;
    pub(super) const WELCOME: u64 = 1;
    pub(super) const TOKEN: u64 = 2;
    pub(super) const RENEW: u64 = 3;
    pub(super) const PING: u64 = 4;
    pub(super) const PONG: u64 = 5;
    pub(super) const GO_AWAY: u64 = 6;
    pub(super) const CLOSED: u64 = 7;
    pub(super) const JOIN: u64 = 16;
    pub(super) const JOINED: u64 = 17;
    pub(super) const LEAVE: u64 = 18;
    pub(super) const LEFT: u64 = 19;
    pub(super) const ROLE: u64 = 20;
    pub(super) const STATE_VECTOR: u64 = 32;
    pub(super) const DIFF: u64 = 33;
    pub(super) const UPDATE: u64 = 34;
    pub(super) const EDIT: u64 = 35;
    pub(super) const SAVED: u64 = 36;
    pub(super) const REFUSED: u64 = 37;
    pub(super) const DEFLATED_DIFF: u64 = 38;
    pub(super) const AWARENESS: u64 = 48;
    pub(super) const EVENT: u64 = 49;
    pub(super) const CHAT_CALL: u64 = 64;
    pub(super) const CHAT_ANSWER: u64 = 65;
    pub(super) const CHAT_CHANGE: u64 = 66;
}

/// What a client says.
#[derive(Clone, Debug)]
pub enum Said {
    /// The first message of a socket.
    Hello(Hello),
    /// A token for all rooms that brought none of their own.
    Token(String),
    /// To be sent back.
    Ping(Bytes),
    /// An answer to a ping of ours.
    Pong,
    /// The client wants a room.
    Join(Channel, Join),
    /// It leaves one.
    Leave(Channel),
    /// Something about a document. `seq` is to be confirmed once this and everything before it is durable.
    Document {
        /// Which room.
        channel: Channel,
        /// What.
        message: Message,
        /// The number of an edit or a diff.
        seq: Option<u64>,
    },
    /// Something for the others in the room, past the document.
    Event {
        /// Which room.
        channel: Channel,
        /// What happened.
        name: String,
        /// JSON, as far as the sender keeps to its word; text for us.
        payload: String,
    },
    /// Something for the chat of a room.
    Chat {
        /// Which room.
        channel: Channel,
        /// The number under which it is to be answered.
        call: u64,
        /// JSON, unchecked.
        request: String,
    },
}

/// See [`Said::Hello`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The version that the client speaks.
    pub version: u64,
    /// What it can do beyond it.
    pub capabilities: u64,
    /// What it calls itself, for logs.
    pub client: String,
    /// Empty: none.
    pub token: String,
}

/// See [`Said::Join`].
#[derive(Clone, Debug)]
pub struct Join {
    /// The document's name.
    pub name: String,
    /// The epoch that the client's copy belongs to; 0 where it knows none.
    pub epoch: u64,
    /// Empty: that of the connection.
    pub token: String,
    /// What the client has.
    pub state_vector: StateVector,
}

/// Reads a frame from a client. What is of an unknown type is skipped (NA2).
///
/// # Errors
/// [`BadFrame`].
pub fn decode(frame: &Bytes) -> Result<Vec<Said>, BadFrame> {
    if frame.is_empty() {
        return Err(BadFrame::Empty);
    }
    let mut reader = Reader::new(frame);
    let mut said = Vec::with_capacity(1);
    let mut count = 0;
    while !reader.is_done() {
        if count >= FRAME_MESSAGES_COUNT_MAX {
            return Err(BadFrame::Crowded);
        }
        count += 1;
        let channel = reader.var_uint()?;
        let kind = reader.var_uint()?;
        let body = reader.var_bytes()?;
        if channel > CHANNEL_MAX {
            return Err(BadFrame::Address("a channel is at most 2^31 - 1"));
        }
        if let Some(message) = message(frame, channel as u32, kind, body)? {
            said.push(message);
        }
    }
    Ok(said)
}

fn message(frame: &Bytes, channel: u32, kind: u64, body: &[u8]) -> Result<Option<Said>, BadFrame> {
    let mut reader = Reader::new(body);
    let is_of_connection = matches!(kind, kind::HELLO | kind::TOKEN | kind::PING | kind::PONG);
    let is_of_room = matches!(
        kind,
        kind::JOIN
            | kind::LEAVE
            | kind::STATE_VECTOR
            | kind::DIFF
            | kind::EDIT
            | kind::AWARENESS
            | kind::EVENT
            | kind::CHAT_CALL
    );
    if is_of_connection && channel != 0 {
        return Err(BadFrame::Address("it belongs on channel 0"));
    }
    if is_of_room && channel == 0 {
        return Err(BadFrame::Address("channel 0 is no room"));
    }
    let document = |message, seq| Said::Document {
        channel,
        message,
        seq,
    };
    Ok(Some(match kind {
        kind::HELLO => Said::Hello(Hello {
            version: reader.var_uint()?,
            capabilities: reader.var_uint()?,
            client: reader.var_string()?.to_owned(),
            token: reader.var_string()?.to_owned(),
        }),
        kind::TOKEN => Said::Token(reader.var_string()?.to_owned()),
        kind::PING if body.len() > PING_BYTES_MAX => {
            return Err(BadFrame::Refused(reader.refuse(Rule::Count)));
        }
        kind::PING => Said::Ping(Bytes::copy_from_slice(body)),
        kind::PONG => Said::Pong,
        kind::JOIN => Said::Join(
            channel,
            Join {
                name: reader.var_string()?.to_owned(),
                epoch: reader.var_uint()?,
                token: reader.var_string()?.to_owned(),
                state_vector: StateVector::decode(reader.var_bytes()?)?,
            },
        ),
        kind::LEAVE => Said::Leave(channel),
        kind::STATE_VECTOR => document(Message::Step1(StateVector::decode(body)?), None),
        kind::DIFF | kind::EDIT => {
            let seq = reader.var_uint()?;
            let bytes = frame.slice_ref(&body[reader.offset()..]);
            let message = match Update::check(bytes) {
                Ok(update) if kind == kind::DIFF => Message::Step2(update),
                Ok(update) => Message::Update(update),
                Err(Refusal { rule: Rule::Skip, .. }) => Message::Gapped,
                Err(refusal) => return Err(refusal.into()),
            };
            document(message, Some(seq))
        }
        kind::AWARENESS => document(
            Message::Awareness(AwarenessUpdate::decode(frame.slice_ref(body))?),
            None,
        ),
        kind::EVENT if body.len() > EVENT_BYTES_MAX => {
            return Err(BadFrame::Refused(reader.refuse(Rule::Count)));
        }
        kind::EVENT => Said::Event {
            channel,
            name: reader.var_string()?.to_owned(),
            payload: reader.var_string()?.to_owned(),
        },
        kind::CHAT_CALL if body.len() > CHAT_CALL_BYTES_MAX => {
            return Err(BadFrame::Refused(reader.refuse(Rule::Count)));
        }
        kind::CHAT_CALL => Said::Chat {
            channel,
            call: reader.var_uint()?,
            request: reader.var_string()?.to_owned(),
        },
        _ => return Ok(None),
    }))
}

/// A body of [`crate::encode`], for a channel.
pub fn addressed(channel: Channel, body: &[u8]) -> Bytes {
    let (kind, rest) = match body {
        [0, 0, rest @ ..] => (kind::STATE_VECTOR, rest),
        [0, 1, rest @ ..] => (kind::DIFF, rest),
        [0, _, rest @ ..] => (kind::UPDATE, rest),
        [_, rest @ ..] => (kind::AWARENESS, rest),
        [] => (kind::AWARENESS, body),
    };
    let mut writer = Writer::with_capacity(body.len() + 8);
    writer.var_uint(channel.into()).var_uint(kind).raw(rest);
    Bytes::from(writer.into_bytes())
}

/// The answer to [`Said::Hello`].
#[derive(Clone, Debug)]
pub struct Welcome<'a> {
    /// What both can do.
    pub capabilities: u64,
    /// What this socket is called in our logs.
    pub session: &'a str,
    /// Our time of day, in milliseconds since 1970.
    pub time_ms: u64,
    /// Longest frame that we take, in bytes.
    pub frame_bytes_max: u64,
    /// Rooms that one socket may carry.
    pub rooms_count_max: u64,
    /// Silence after which the client shall give the socket up, in milliseconds.
    pub silence_ms: u64,
}

/// See [`Welcome`].
pub fn welcome(welcome: &Welcome<'_>) -> Bytes {
    frame(0, kind::WELCOME, |writer| {
        writer
            .var_uint(VERSION)
            .var_uint(welcome.capabilities)
            .var_string(welcome.session)
            .var_uint(welcome.time_ms)
            .var_uint(welcome.frame_bytes_max)
            .var_uint(welcome.rooms_count_max)
            .var_uint(welcome.silence_ms);
    })
}

/// The token ends soon.
pub fn renew(left_ms: u64) -> Bytes {
    frame(0, kind::RENEW, |writer| {
        writer.var_uint(left_ms);
    })
}

/// Asks for a sign of life, where there is no WebSocket to do so.
pub fn ping(payload: &[u8]) -> Bytes {
    frame(0, kind::PING, |writer| {
        writer.raw(payload);
    })
}

/// The session ends, where there is no WebSocket to close.
pub fn closed(code: u16, reason: &str) -> Bytes {
    frame(0, kind::CLOSED, |writer| {
        writer.var_uint(code.into()).var_string(reason);
    })
}

/// The answer to [`Said::Ping`].
pub fn pong(payload: &[u8]) -> Bytes {
    frame(0, kind::PONG, |writer| {
        writer.raw(payload);
    })
}

/// A close follows; come back after this delay.
pub fn go_away(delay_ms: u64, reason: &str) -> Bytes {
    frame(0, kind::GO_AWAY, |writer| {
        writer.var_uint(delay_ms).var_string(reason);
    })
}

/// The client is in the room.
pub fn joined(channel: Channel, epoch: u64, role: &str, user: &str) -> Bytes {
    frame(channel, kind::JOINED, |writer| {
        writer.var_uint(epoch).var_string(role).var_string(user);
    })
}

/// The client is not in the room, or not any more. `epoch` is the document's where it matters, else 0.
pub fn left(channel: Channel, code: u16, reason: &str, epoch: u64) -> Bytes {
    frame(channel, kind::LEFT, |writer| {
        writer.var_uint(code.into()).var_string(reason).var_uint(epoch);
    })
}

/// What the client may do now.
pub fn role(channel: Channel, role: &str) -> Bytes {
    frame(channel, kind::ROLE, |writer| {
        writer.var_string(role);
    })
}

/// What a client wants to hear back about edit `seq`: the payload of [`Message::SyncStatus`], and of [`saved`].
pub fn saved_payload(seq: u64) -> Bytes {
    let mut writer = Writer::with_capacity(9);
    writer.var_uint(seq);
    Bytes::from(writer.into_bytes())
}

/// Everything up to a number is durable.
pub fn saved(channel: Channel, payload: &[u8]) -> Bytes {
    frame(channel, kind::SAVED, |writer| {
        writer.raw(payload);
    })
}

/// What the client writes is not taken.
pub fn refused(channel: Channel, reason: &str) -> Bytes {
    frame(channel, kind::REFUSED, |writer| {
        writer.var_string(reason);
    })
}

/// The channel and the update of a frame of ours that holds one diff and nothing else.
pub fn as_diff(frame: &[u8]) -> Option<(Channel, &[u8])> {
    let mut reader = Reader::new(frame);
    let channel = reader.var_uint().ok()?;
    if reader.var_uint().ok()? != kind::DIFF {
        return None;
    }
    let diff = reader.var_bytes().ok()?;
    reader
        .is_done()
        .then_some((Channel::try_from(channel).ok()?, diff))
}

/// A diff as raw deflate.
pub fn deflated_diff(channel: Channel, deflated: &[u8]) -> Bytes {
    frame(channel, kind::DEFLATED_DIFF, |writer| {
        writer.raw(deflated);
    })
}

/// The body of an event as others hear it; see [`event`].
pub fn event_body(user: &str, name: &str, payload: &str) -> Bytes {
    let mut writer = Writer::with_capacity(user.len() + name.len() + payload.len() + 12);
    writer.var_string(user).var_string(name).var_string(payload);
    Bytes::from(writer.into_bytes())
}

/// Whether bytes from another node are the body of an event.
pub fn is_event_body(body: &[u8]) -> bool {
    let mut reader = Reader::new(body);
    let has_three = (0..3).all(|_| reader.var_string().is_ok());
    has_three && reader.is_done() && body.len() <= 2 * EVENT_BYTES_MAX
}

/// Something that another client of the room said past the document.
pub fn event(channel: Channel, body: &[u8]) -> Bytes {
    frame(channel, kind::EVENT, |writer| {
        writer.raw(body);
    })
}

/// The answer to [`Said::Chat`].
pub fn chat_answer(channel: Channel, call: u64, answer: &str) -> Bytes {
    frame(channel, kind::CHAT_ANSWER, |writer| {
        writer.var_uint(call).var_string(answer);
    })
}

/// Something has changed in the chat of a room.
pub fn chat_change(channel: Channel, change: &str) -> Bytes {
    frame(channel, kind::CHAT_CHANGE, |writer| {
        writer.var_string(change);
    })
}

fn frame(channel: Channel, kind: u64, body: impl FnOnce(&mut Writer)) -> Bytes {
    let mut inner = Writer::with_capacity(64);
    body(&mut inner);
    let inner = inner.into_bytes();
    let mut writer = Writer::with_capacity(inner.len() + 16);
    writer.var_uint(channel.into()).var_uint(kind).var_bytes(&inner);
    Bytes::from(writer.into_bytes())
}
