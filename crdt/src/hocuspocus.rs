//! The Hocuspocus dialect: many documents on one socket, an address in front of every frame.

use bytes::Bytes;

use crate::lib0::{Reader, Writer};
use crate::message::{self, BadFrame, Message};

/// Separates the document name from the session id in an address (provider 4 with `sessionAwareness`).
const SESSION_SEPARATOR: char = '\0';

/// Where a frame belongs: exactly as the provider wrote it, because that is what it looks for in our answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    raw: String,
}

impl Address {
    /// The address as it was sent.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The document's name: all of it, or what stands before the session.
    pub fn document(&self) -> &str {
        self.raw.split(SESSION_SEPARATOR).next().unwrap_or_default()
    }
}

/// A frame from a client.
#[derive(Clone, Debug)]
pub enum Frame {
    /// About one document.
    Document {
        /// Which.
        address: Address,
        /// What.
        message: Message,
    },
    /// An answer to a ping: the only frame without an address.
    Pong,
}

/// Reads a frame from a client.
///
/// # Errors
/// [`BadFrame`].
pub fn decode(frame: Bytes) -> Result<Frame, BadFrame> {
    match frame.as_ref() {
        [] => return Err(BadFrame::Empty),
        [10] => return Ok(Frame::Pong),
        _ => {}
    }
    let mut reader = Reader::new(&frame);
    let raw = reader.var_string()?;
    if raw.is_empty() {
        return Err(BadFrame::Address("an address without a document name"));
    }
    let address = Address { raw: raw.to_owned() };
    let message = match reader.var_uint()? {
        // SyncReply is a sync message that wants no answer; clients do not send it, and nothing is gained by
        // treating it differently.
        0 | 4 => message::sync(&frame, &mut reader)?,
        1 => message::awareness(&frame, &mut reader)?,
        2 => match reader.var_uint()? {
            // Provider 4 puts its version behind the token.
            0 => Message::Token(reader.var_string()?.to_owned()),
            kind => return Err(BadFrame::UnknownType(kind)),
        },
        3 => Message::QueryAwareness,
        5 => Message::Stateless(reader.var_string()?.to_owned()),
        6 => return Err(BadFrame::Forbidden("BroadcastStateless")),
        7 => Message::Detach,
        9 | 10 => Message::Pong,
        kind => return Err(BadFrame::UnknownType(kind)),
    };
    Ok(Frame::Document { address, message })
}

/// A body (see [`crate::encode`]) with the address in front.
pub fn addressed(address: &str, body: &[u8]) -> Bytes {
    let mut writer = Writer::with_capacity(address.len() + body.len() + 4);
    writer.var_string(address).raw(body);
    Bytes::from(writer.into_bytes())
}

/// The token was good.
pub fn authenticated(address: &str, read_only: bool) -> Bytes {
    frame(address, |writer| {
        writer
            .var_uint(2)
            .var_uint(2)
            .var_string(if read_only { "readonly" } else { "read-write" });
    })
}

/// The token was not good. The socket stays; the client may try another one.
pub fn permission_denied(address: &str, reason: &str) -> Bytes {
    frame(address, |writer| {
        writer.var_uint(2).var_uint(1).var_string(reason);
    })
}

/// One update message was applied and is durable, or was refused.
pub fn sync_status(address: &str, applied: bool) -> Bytes {
    frame(address, |writer| {
        writer.var_uint(8).var_uint(u64::from(applied));
    })
}

/// Something from another client of the room.
pub fn stateless(address: &str, payload: &str) -> Bytes {
    frame(address, |writer| {
        writer.var_uint(5).var_string(payload);
    })
}

/// The client is put out of this document and keeps the socket.
pub fn close(address: &str, reason: &str) -> Bytes {
    frame(address, |writer| {
        writer.var_uint(7).var_string(reason);
    })
}

fn frame(address: &str, body: impl FnOnce(&mut Writer)) -> Bytes {
    let mut writer = Writer::with_capacity(address.len() + 32);
    writer.var_string(address);
    body(&mut writer);
    Bytes::from(writer.into_bytes())
}
