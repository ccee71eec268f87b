//! The y-websocket dialect: the socket is the document, a frame is a message (clients before v4 read only the first).

use bytes::Bytes;

use crate::lib0::{Reader, Writer};
use crate::limits::FRAME_MESSAGES_COUNT_MAX;
use crate::message::{self, BadFrame, Message};

/// Reads a frame from a client.
///
/// # Errors
/// [`BadFrame`].
pub fn decode(frame: Bytes) -> Result<Vec<Message>, BadFrame> {
    decode_with(frame, |_, _, kind| Err(BadFrame::UnknownType(kind)))
}

/// As [`decode`], with a reader for types that only a relative of this dialect knows.
pub(crate) fn decode_with(
    frame: Bytes,
    other: impl Fn(&Bytes, &mut Reader<'_>, u64) -> Result<Message, BadFrame>,
) -> Result<Vec<Message>, BadFrame> {
    if frame.is_empty() {
        return Err(BadFrame::Empty);
    }
    let mut reader = Reader::new(&frame);
    let mut messages = Vec::with_capacity(1);
    while !reader.is_done() {
        if messages.len() >= FRAME_MESSAGES_COUNT_MAX {
            return Err(BadFrame::Crowded);
        }
        messages.push(match reader.var_uint()? {
            0 => message::sync(&frame, &mut reader)?,
            1 => message::awareness(&frame, &mut reader)?,
            3 => {
                // y-sweet's client appends a payload that nobody reads: whatever follows belongs to it.
                messages.push(Message::QueryAwareness);
                return Ok(messages);
            }
            kind => other(&frame, &mut reader, kind)?,
        });
    }
    Ok(messages)
}

/// Says that something is not allowed. Clients log it.
pub fn permission_denied(reason: &str) -> Bytes {
    let mut writer = Writer::with_capacity(reason.len() + 4);
    writer.var_uint(2).var_uint(0).var_string(reason);
    Bytes::from(writer.into_bytes())
}
