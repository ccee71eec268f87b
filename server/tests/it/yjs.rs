//! Updates as a Yjs client would write them, byte by byte: the server's tests need no engine of their own.

use bytes::Bytes;
use roomtone_crdt::{AwarenessUpdate, Update, Writer};

/// The parent of everything that these clients write.
const ROOT: &str = "text";
/// A block with text in it.
const STRING: u8 = 4;
/// A block that names its left neighbour.
const HAS_ORIGIN: u8 = 0x80;

/// Text at a client's clock: its first edit begins the text, later ones follow its last character.
pub(crate) fn insert(client: u64, clock: u64, text: &str) -> Update {
    let mut writer = Writer::new();
    writer.var_uint(1).var_uint(1).var_uint(client).var_uint(clock);
    if clock == 0 {
        writer.u8(STRING).var_uint(1).var_string(ROOT);
    } else {
        writer
            .u8(STRING | HAS_ORIGIN)
            .var_uint(client)
            .var_uint(clock - 1);
    }
    writer.var_string(text).var_uint(0);
    check(writer)
}

/// Text of one client behind a character of another.
pub(crate) fn insert_after(client: u64, clock: u64, other: (u64, u64), text: &str) -> Update {
    let mut writer = Writer::new();
    writer.var_uint(1).var_uint(1).var_uint(client).var_uint(clock);
    writer.u8(STRING | HAS_ORIGIN).var_uint(other.0).var_uint(other.1);
    writer.var_string(text).var_uint(0);
    check(writer)
}

/// Deletes characters of a client.
pub(crate) fn delete(client: u64, clock: u64, length: u64) -> Update {
    let mut writer = Writer::new();
    writer.var_uint(0).var_uint(1).var_uint(client).var_uint(1);
    writer.var_uint(clock).var_uint(length);
    check(writer)
}

/// Passes the gate and breaks the engine: two blocks that stand behind each other.
pub(crate) fn poison(one: u64, other: u64) -> Update {
    let mut writer = Writer::new();
    writer.var_uint(2);
    for (client, behind) in [(one.max(other), one.min(other)), (one.min(other), one.max(other))] {
        writer.var_uint(1).var_uint(client).var_uint(0);
        writer.u8(STRING | HAS_ORIGIN).var_uint(behind).var_uint(0);
        writer.var_string("x");
    }
    writer.var_uint(0);
    check(writer)
}

/// An update with a hole inside, as a yjs client writes it that lacks something itself.
pub(crate) fn gapped(client: u64) -> Bytes {
    let mut writer = Writer::new();
    writer.var_uint(1).var_uint(3).var_uint(client).var_uint(0);
    writer.u8(STRING).var_uint(1).var_string(ROOT).var_string("a");
    writer.u8(10).var_uint(5);
    writer.u8(STRING | HAS_ORIGIN).var_uint(client).var_uint(0);
    writer.var_string("b").var_uint(0);
    Bytes::from(writer.into_bytes())
}

/// Presence of one client, as bytes. `state` is JSON, `null` for goodbye.
pub(crate) fn awareness_bytes(client: u64, clock: u64, state: &str) -> Bytes {
    let mut writer = Writer::new();
    writer
        .var_uint(1)
        .var_uint(client)
        .var_uint(clock)
        .var_string(state);
    Bytes::from(writer.into_bytes())
}

/// The same, decoded.
pub(crate) fn awareness(client: u64, clock: u64, state: &str) -> AwarenessUpdate {
    AwarenessUpdate::decode(awareness_bytes(client, clock, state)).expect("a legal awareness update")
}

fn check(writer: Writer) -> Update {
    Update::check(Bytes::from(writer.into_bytes())).expect("it passes the gate")
}

/// One collected block that claims this many clocks of a client.
pub(crate) fn collected(client: u64, clocks: u64) -> Update {
    let mut writer = Writer::new();
    writer.var_uint(1).var_uint(1).var_uint(client).var_uint(0);
    writer.u8(0).var_uint(clocks).var_uint(0);
    check(writer)
}
