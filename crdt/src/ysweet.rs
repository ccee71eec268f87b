//! The y-sweet dialect: y-websocket, and a status request that is sent back once everything before it is durable.

use bytes::Bytes;

use crate::lib0::{Reader, Writer};
use crate::message::{BadFrame, Message};
use crate::ywebsocket;

/// Type of status messages.
const SYNC_STATUS: u64 = 102;

/// Reads a frame from a client.
///
/// # Errors
/// [`BadFrame`].
pub fn decode(frame: Bytes) -> Result<Vec<Message>, BadFrame> {
    ywebsocket::decode_with(frame, |frame: &Bytes, reader: &mut Reader<'_>, kind| match kind {
        SYNC_STATUS => Ok(Message::SyncStatus(frame.slice_ref(reader.var_bytes()?))),
        kind => Err(BadFrame::UnknownType(kind)),
    })
}

/// A status, as the client sent it.
pub fn sync_status(payload: &[u8]) -> Bytes {
    let mut writer = Writer::with_capacity(payload.len() + 4);
    writer.var_uint(SYNC_STATUS).var_bytes(payload);
    Bytes::from(writer.into_bytes())
}
