//! What the server says: bodies that are the same in every dialect. Hocuspocus puts an address in front.

use bytes::Bytes;

use crate::lib0::Writer;
use crate::state_vector::StateVector;
use crate::update::Update;

/// Type of sync messages.
const SYNC: u64 = 0;
/// Type of awareness messages.
const AWARENESS: u64 = 1;

/// What we have.
pub fn step1(have: &StateVector) -> Bytes {
    body(SYNC, Some(0), &have.encode())
}

/// What the client lacked.
pub fn step2(update: &Update) -> Bytes {
    body(SYNC, Some(1), update.bytes())
}

/// An edit.
pub fn update(update: &Update) -> Bytes {
    body(SYNC, Some(2), update.bytes())
}

/// Presence; the payload is an awareness update.
pub fn awareness(payload: &[u8]) -> Bytes {
    body(AWARENESS, None, payload)
}

fn body(kind: u64, step: Option<u64>, payload: &[u8]) -> Bytes {
    let mut writer = Writer::with_capacity(payload.len() + 8);
    writer.var_uint(kind);
    if let Some(step) = step {
        writer.var_uint(step);
    }
    writer.var_bytes(payload);
    Bytes::from(writer.into_bytes())
}
