//! Sessions of real yjs clients: all they send passes the gate, and the document that comes of it is theirs.

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, Doc, Outcome, Update};
use serde_json::Value;

use crate::random::{Random, rounds};
use crate::session::{described, text_of};
use crate::yjs::{node, prefixed};

/// What clients sent in one session, and the document at its end as JSON.
struct Session {
    sent: Vec<Update>,
    description: String,
}

fn sessions(seed: u64, count: u64) -> Vec<Session> {
    let written = node(
        "sessions.mjs",
        &["make", &seed.to_string(), &count.to_string()],
        Vec::new(),
    );
    let mut rest = written.as_slice();
    let mut sessions = Vec::new();
    while !rest.is_empty() {
        let bytes = |rest: &mut &[u8]| {
            let count = number(rest);
            let (bytes, behind) = rest.split_at(count);
            *rest = behind;
            Bytes::copy_from_slice(bytes)
        };
        let count = number(&mut rest);
        let sent = (0..count)
            .map(|_| {
                let bytes = bytes(&mut rest);
                Update::check(bytes.clone()).unwrap_or_else(|refusal| panic!("{refusal}: {bytes:02x?}"))
            })
            .collect();
        let description = String::from_utf8(bytes(&mut rest).to_vec()).expect("text");
        sessions.push(Session { sent, description });
    }
    sessions
}

fn number(rest: &mut &[u8]) -> usize {
    let (number, behind) = rest.split_first_chunk().expect("a number");
    *rest = behind;
    u32::from_le_bytes(*number) as usize
}

/// Numbers as JavaScript has them: 1 and 1.0 are one.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(list) => list.iter().map(normal).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), normal(value)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn what_browsers_send_becomes_their_document() {
    const SEED: u64 = 1;
    let sessions = sessions(SEED, rounds("ROOMTONE_YJS_ROUNDS", 250));
    let mut asked = Vec::new();
    for (index, session) in sessions.iter().enumerate() {
        let name = format!("session {}", SEED + index as u64);
        let mut random = Random::new(index as u64);
        let mut row = session.sent.clone();
        // Every second one as a bad network would bring it.
        if index % 2 == 1 {
            row.extend((0..5).map(|_| random.pick(&session.sent).clone()));
            random.shuffle(&mut row);
        }
        let (mut doc, mut mirror) = (Doc::new(), Doc::new());
        while !row.is_empty() {
            let turn = row.drain(..(1 + random.below(6) as usize).min(row.len()));
            let turn: Vec<_> = turn.map(|update| (ConnectionId(1), update)).collect();
            let turn = doc
                .apply(&turn)
                .unwrap_or_else(|broken| panic!("{name}: {broken}"));
            if let Some(update) = turn.update {
                let turn = mirror
                    .apply(&[(ConnectionId(2), update)])
                    .expect("it was broadcast");
                assert_eq!(turn.outcomes, [Outcome::New], "{name}");
            }
            assert_eq!(doc.state_vector(), mirror.state_vector(), "{name}");
        }
        assert_eq!(doc.pending_bytes(), 0, "{name}");
        let snapshot = doc.snapshot().expect("a snapshot");
        let copy = mirror.snapshot().expect("a snapshot");
        let expected: Value = serde_json::from_str(&session.description).expect("JSON");
        for bytes in [snapshot.bytes(), copy.bytes()] {
            assert_eq!(expected["text"], text_of(bytes, "t").as_str(), "{name}");
            let (map, array) = described(bytes);
            let mut in_map = normal(&expected["map"]);
            // A subdocument and a BigInt: the engines write them differently as JSON.
            let mut ours = normal(&map);
            for value in [&mut in_map, &mut ours] {
                let value = value.as_object_mut().expect("a map");
                value.remove("sub");
                value.remove("big");
            }
            assert_eq!(ours, in_map, "{name}");
            assert_eq!(normal(&array), normal(&expected["array"]), "{name}");
            prefixed(&mut asked, bytes);
            prefixed(&mut asked, session.description.as_bytes());
        }
    }
    let answers = String::from_utf8(node("sessions.mjs", &["check"], asked)).expect("text");
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), 2 * sessions.len());
    for (index, answer) in answers.iter().enumerate() {
        assert!(
            answer.is_empty(),
            "session {} is another one in yjs: {answer}",
            SEED + index as u64 / 2
        );
    }
}
