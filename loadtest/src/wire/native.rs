//! The client's side of `roomtone.v1` (docs/PROTOCOL.md), for one room, which it calls channel 1.

use bytes::Bytes;
use roomtone_crdt::{Reader, Refusal, StateVector, Writer, native};

use super::Heard;

/// What the WebSocket asks for.
pub(super) const SUBPROTOCOL: &str = "roomtone.v1";

const CHANNEL: u64 = 1;

const HELLO: u64 = 0;
const JOIN: u64 = 16;
const LEFT: u64 = 19;
const STATE_VECTOR: u64 = 32;
const DIFF: u64 = 33;
const UPDATE: u64 = 34;
const EDIT: u64 = 35;
const SAVED: u64 = 36;
const REFUSED: u64 = 37;
const AWARENESS: u64 = 48;

/// Hello and the join in one frame, as the SDK says them.
pub(super) fn opening(room: &str, token: Option<&str>, have: &StateVector) -> Bytes {
    let mut frame = message(0, HELLO, |body| {
        body.var_uint(native::VERSION)
            .var_uint(0)
            .var_string("roomtone-loadtest")
            .var_string(token.unwrap_or_default());
    });
    frame.extend(message(CHANNEL, JOIN, |body| {
        body.var_string(room)
            .var_uint(0)
            .var_string("")
            .var_bytes(&have.encode());
    }));
    Bytes::from(frame)
}

/// The answer to the server's state vector, with its number.
pub(super) fn diff(seq: u64, update: &[u8]) -> Bytes {
    numbered(DIFF, seq, update)
}

/// An edit, with its number.
pub(super) fn edit(seq: u64, update: &[u8]) -> Bytes {
    numbered(EDIT, seq, update)
}

/// Presence.
pub(super) fn awareness(payload: &[u8]) -> Bytes {
    let frame = message(CHANNEL, AWARENESS, |body| {
        body.raw(payload);
    });
    Bytes::from(frame)
}

/// Reads a server's frame. What is of an unknown type is skipped (NA2).
pub(super) fn read(frame: &Bytes) -> Result<Vec<Heard>, Refusal> {
    let mut reader = Reader::new(frame);
    let mut heard = Vec::with_capacity(1);
    while !reader.is_done() {
        reader.var_uint()?;
        let kind = reader.var_uint()?;
        let body = frame.slice_ref(reader.var_bytes()?);
        let mut inner = Reader::new(&body);
        heard.push(match kind {
            STATE_VECTOR => Heard::Step1(body),
            DIFF => Heard::Step2(body),
            UPDATE => Heard::Update(body),
            AWARENESS => Heard::Awareness(body),
            SAVED => Heard::Saved(inner.var_uint()?),
            REFUSED => Heard::Denied(inner.var_string()?.to_owned()),
            LEFT => {
                let code = inner.var_uint()?;
                Heard::Denied(format!("{code} {}", inner.var_string()?))
            }
            _ => Heard::Other,
        });
    }
    Ok(heard)
}

fn numbered(kind: u64, seq: u64, update: &[u8]) -> Bytes {
    let frame = message(CHANNEL, kind, |body| {
        body.var_uint(seq).raw(update);
    });
    Bytes::from(frame)
}

fn message(channel: u64, kind: u64, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut body = Writer::new();
    write(&mut body);
    let mut writer = Writer::new();
    writer
        .var_uint(channel)
        .var_uint(kind)
        .var_bytes(&body.into_bytes());
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples that the server and the SDK are held to.
    fn example(name: &str) -> Bytes {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/vectors/native.json");
        let text = std::fs::read_to_string(file).expect("the vectors");
        let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let all = vectors["good"].as_array().expect("a list");
        let one = all.iter().find(|one| one["name"] == name).expect(name);
        let hex = one["hex"].as_str().expect("hex");
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    #[test]
    fn it_says_what_the_examples_say() {
        let update = &example("diff of the server")[3..];
        assert_eq!(edit(200, update), example("edit 200"));
        assert_eq!(
            diff(1, &[0, 0]),
            example("diff of a client that has nothing, first of its channel")
        );
        assert_eq!(
            awareness(b"\x01\x0a\x01\x02{}"),
            example("awareness of client 10")
        );
        let opened = opening("note", None, &StateVector::default());
        assert!(opened.ends_with(&example("join of a room that is new to the client")));
    }

    #[test]
    fn it_hears_what_the_examples_say() {
        let read = |name| read(&example(name)).expect(name);
        let update = Bytes::from_static(b"\x01\x01\x07\0\x04\x01\x04note\x02hi\0");
        assert_eq!(read("diff of the server"), [Heard::Step2(update.clone())]);
        assert_eq!(read("update"), [Heard::Update(update)]);
        assert_eq!(read("saved up to 200"), [Heard::Saved(200)]);
        assert_eq!(
            read("what is not known is skipped"),
            [Heard::Other, Heard::Saved(5)]
        );
        assert_eq!(read("refused"), [Heard::Denied("this token is read-only".into())]);
        assert!(
            matches!(&read("left: the document was replaced")[..], [Heard::Denied(why)] if why.starts_with("4409 "))
        );
        assert_eq!(read("joined"), [Heard::Other]);
    }
}
