//! What a client says about one document, whatever its dialect: decoded and checked.

use bytes::Bytes;

use crate::gate::{Refusal, Rule};
use crate::lib0::Reader;
use crate::presence::AwarenessUpdate;
use crate::state_vector::StateVector;
use crate::update::Update;

/// One message.
#[derive(Clone, Debug)]
pub enum Message {
    /// What the client has; it wants what it lacks.
    Step1(StateVector),
    /// What the server lacked when the client was asked.
    Step2(Update),
    /// An edit.
    Update(Update),
    /// An update with gaps inside: nothing of it is used, and the client is asked for what is whole.
    Gapped,
    /// Presence.
    Awareness(AwarenessUpdate),
    /// The client wants everyone's presence.
    QueryAwareness,
    /// Hocuspocus: a token, possibly empty.
    Token(String),
    /// Hocuspocus: something for the others in the room.
    Stateless(String),
    /// Native: something for the others in the room, as [`crate::native::event_body`] writes it.
    Event(Bytes),
    /// Hocuspocus: the client leaves this document and keeps the socket.
    Detach,
    /// Hocuspocus: an answer to a ping.
    Pong,
    /// y-sweet and native: to be sent back once everything before it is durable.
    SyncStatus(Bytes),
}

/// Why a frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// Its bytes break a rule.
    Refused(Refusal),
    /// It is of a type that does not exist in this dialect.
    UnknownType(u64),
    /// It is of a type that only servers use among themselves.
    Forbidden(&'static str),
    /// It is empty.
    Empty,
    /// It holds more messages than [`crate::limits::FRAME_MESSAGES_COUNT_MAX`].
    Crowded,
    /// Its address cannot be used.
    Address(&'static str),
}

impl BadFrame {
    /// The label in metrics and close reasons.
    pub fn as_str(self) -> &'static str {
        match self {
            BadFrame::Refused(refusal) => refusal.rule.as_str(),
            BadFrame::UnknownType(_) => "unknown_message_type",
            BadFrame::Forbidden(_) => "forbidden_message_type",
            BadFrame::Empty => "empty_frame",
            BadFrame::Crowded => "too_many_messages",
            BadFrame::Address(_) => "bad_address",
        }
    }
}

impl std::fmt::Display for BadFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadFrame::Refused(refusal) => refusal.fmt(f),
            BadFrame::UnknownType(kind) => write!(f, "unknown message type {kind}"),
            BadFrame::Forbidden(what) => write!(f, "{what} is a message between servers"),
            BadFrame::Empty => f.write_str("empty frame"),
            BadFrame::Crowded => f.write_str("too many messages in one frame"),
            BadFrame::Address(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for BadFrame {}

impl From<Refusal> for BadFrame {
    fn from(refusal: Refusal) -> BadFrame {
        BadFrame::Refused(refusal)
    }
}

/// Reads the body of a sync message: the same in every dialect.
pub(crate) fn sync(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Message, BadFrame> {
    match reader.var_uint()? {
        0 => Ok(Message::Step1(StateVector::decode(reader.var_bytes()?)?)),
        1 => update(frame, reader, Message::Step2),
        2 => update(frame, reader, Message::Update),
        kind => Err(BadFrame::UnknownType(kind)),
    }
}

fn update(
    frame: &Bytes,
    reader: &mut Reader<'_>,
    message: fn(Update) -> Message,
) -> Result<Message, BadFrame> {
    let bytes = frame.slice_ref(reader.var_bytes()?);
    match Update::check(bytes) {
        Ok(update) => Ok(message(update)),
        Err(Refusal { rule: Rule::Skip, .. }) => Ok(Message::Gapped),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Reads the body of an awareness message: the same in every dialect.
pub(crate) fn awareness(frame: &Bytes, reader: &mut Reader<'_>) -> Result<Message, BadFrame> {
    let bytes = frame.slice_ref(reader.var_bytes()?);
    Ok(Message::Awareness(AwarenessUpdate::decode(bytes)?))
}
