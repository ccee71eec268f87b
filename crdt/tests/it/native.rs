//! Frames of the native dialect, from the vectors that the SDK reads as well.

use bytes::Bytes;
use proptest::prelude::*;
use roomtone_crdt::native::{self, Said, Welcome};
use roomtone_crdt::{BadFrame, Message, StateVector, Update, encode};
use serde_json::Value;

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../docs/vectors/native.json"
));

fn bytes_of(hex: &str) -> Bytes {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn vectors(group: &str, from: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).expect("JSON");
    let all = vectors[group].as_array().expect("a list");
    let some: Vec<Value> = all
        .iter()
        .filter(|vector| vector["from"] == from)
        .cloned()
        .collect();
    assert!(!some.is_empty());
    some
}

/// What was read, as the vectors write it.
fn told(said: &Said) -> Value {
    match said {
        Said::Hello(hello) => serde_json::json!({
            "channel": 0, "type": "hello", "version": hello.version, "capabilities": hello.capabilities,
            "client": hello.client, "token": hello.token,
        }),
        Said::Token(token) => serde_json::json!({ "channel": 0, "type": "token", "token": token }),
        Said::Ping(payload) => {
            serde_json::json!({ "channel": 0, "type": "ping", "payload": hex_of(payload) })
        }
        Said::Pong => serde_json::json!({ "channel": 0, "type": "pong" }),
        Said::Join(channel, join) => serde_json::json!({
            "channel": channel, "type": "join", "name": join.name, "epoch": join.epoch, "token": join.token,
            "stateVector": hex_of(&join.state_vector.encode()),
        }),
        Said::Leave(channel) => serde_json::json!({ "channel": channel, "type": "leave" }),
        Said::Document {
            channel,
            message,
            seq,
        } => {
            let (kind, name, body) = match message {
                Message::Step1(have) => ("stateVector", "stateVector", hex_of(&have.encode())),
                Message::Step2(update) => ("diff", "update", hex_of(update.bytes())),
                Message::Update(update) => ("edit", "update", hex_of(update.bytes())),
                other => panic!("{other:?} is none of this dialect"),
            };
            let mut told = serde_json::json!({ "channel": channel, "type": kind, name: body });
            if let Some(seq) = seq {
                told["seq"] = (*seq).into();
            }
            told
        }
        Said::Event {
            channel,
            name,
            payload,
        } => serde_json::json!({ "channel": channel, "type": "event", "name": name, "payload": payload }),
        Said::Chat {
            channel,
            call,
            request,
        } => serde_json::json!({ "channel": channel, "type": "chatCall", "call": call, "request": request }),
    }
}

#[test]
fn every_frame_of_a_client_is_read_as_the_vectors_say() {
    for vector in vectors("good", "client") {
        let frame = bytes_of(vector["hex"].as_str().expect("hex"));
        let said = native::decode(&frame).unwrap_or_else(|bad| panic!("{}: {bad}", vector["name"]));
        let wanted = vector["messages"].as_array().expect("messages");
        assert_eq!(said.len(), wanted.len(), "{}", vector["name"]);
        for (said, wanted) in said.iter().zip(wanted) {
            if wanted["type"] == "awareness" {
                assert!(matches!(
                    said,
                    Said::Document {
                        message: Message::Awareness(_),
                        ..
                    }
                ));
            } else {
                assert_eq!(&told(said), wanted, "{}", vector["name"]);
            }
        }
    }
}

/// A message of ours, from what the vectors say that it holds.
fn written(message: &Value) -> Bytes {
    let number = |name: &str| message[name].as_u64().expect("a number");
    let text = |name: &str| message[name].as_str().expect("a text");
    let channel = number("channel") as u32;
    let update = |name: &str| Update::check(bytes_of(text(name))).expect("an update");
    match text("type") {
        "welcome" => native::welcome(&Welcome {
            capabilities: number("capabilities"),
            session: text("session"),
            time_ms: number("timeMs"),
            frame_bytes_max: number("frameBytesMax"),
            rooms_count_max: number("roomsMax"),
            silence_ms: number("silenceMs"),
        }),
        "renew" => native::renew(number("leftMs")),
        "pong" => native::pong(&bytes_of(text("payload"))),
        "closed" => native::closed(number("code") as u16, text("reason")),
        "ping" => native::ping(&bytes_of(text("payload"))),
        "goAway" => native::go_away(number("delayMs"), text("reason")),
        "joined" => native::joined(channel, number("epoch"), text("role"), text("user")),
        "left" => native::left(channel, number("code") as u16, text("reason"), number("epoch")),
        "role" => native::role(channel, text("role")),
        "stateVector" => {
            let have = StateVector::decode(&bytes_of(text("stateVector"))).expect("a state vector");
            native::addressed(channel, &encode::step1(&have))
        }
        "diff" => native::addressed(channel, &encode::step2(&update("update"))),
        "update" => native::addressed(channel, &encode::update(&update("update"))),
        "saved" => native::saved(channel, &native::saved_payload(number("seq"))),
        "refused" => native::refused(channel, text("reason")),
        "deflatedDiff" => native::deflated_diff(channel, &bytes_of(text("deflated"))),
        "awareness" => native::addressed(channel, &encode::awareness(&bytes_of(text("update")))),
        "event" => native::event(
            channel,
            &native::event_body(text("user"), text("name"), text("payload")),
        ),
        "chatAnswer" => native::chat_answer(channel, number("call"), text("answer")),
        "chatChange" => native::chat_change(channel, text("change")),
        other => panic!("{other} is no message of ours"),
    }
}

#[test]
fn every_frame_of_ours_is_written_as_the_vectors_say() {
    for vector in vectors("good", "server") {
        let messages = vector["messages"].as_array().expect("messages");
        let frame: Vec<u8> = messages
            .iter()
            .flat_map(|message| written(message).to_vec())
            .collect();
        let wanted = vector["hex"].as_str().expect("hex");
        if vector["name"] == "what is not known is skipped" {
            assert!(wanted.ends_with(&hex_of(&frame)));
        } else {
            assert_eq!(hex_of(&frame), wanted, "{}", vector["name"]);
        }
    }
}

#[test]
fn broken_frames_are_refused() {
    for vector in vectors("bad", "client") {
        let frame = bytes_of(vector["hex"].as_str().expect("hex"));
        assert!(native::decode(&frame).is_err(), "{}", vector["name"]);
    }
}

#[test]
fn bounds_hold() {
    let frame = |kind: u8, body: &[u8]| {
        let mut writer = roomtone_crdt::Writer::new();
        writer
            .var_uint(u64::from(kind >= 16))
            .var_uint(kind.into())
            .var_bytes(body);
        Bytes::from(writer.into_bytes())
    };
    assert!(native::decode(&frame(4, &[0; native::PING_BYTES_MAX])).is_ok());
    assert!(native::decode(&frame(4, &[0; native::PING_BYTES_MAX + 1])).is_err());
    let event = |bytes: usize| {
        let body = native::event_body("", &"n".repeat(10), &"p".repeat(bytes));
        native::decode(&frame(49, &body[1..]))
    };
    assert!(event(native::EVENT_BYTES_MAX - 20).is_ok());
    assert!(event(native::EVENT_BYTES_MAX).is_err());
    let chat = |bytes: usize| {
        let mut body = roomtone_crdt::Writer::new();
        body.var_uint(7).var_string(&"x".repeat(bytes));
        native::decode(&frame(64, &body.into_bytes()))
    };
    assert!(chat(native::CHAT_CALL_BYTES_MAX - 4).is_ok());
    assert!(chat(native::CHAT_CALL_BYTES_MAX).is_err());
    let leaves = frame(18, &[]).repeat(2_000);
    assert_eq!(
        native::decode(&Bytes::from(leaves)).expect_err("a crowd"),
        BadFrame::Crowded
    );
    assert!(native::is_event_body(&native::event_body("ada", "wave", "{}")));
    assert!(!native::is_event_body(&[1, 0xff, 0, 0]));
    assert!(!native::is_event_body(&[0, 0, 0, 0]));
}

#[test]
fn an_edit_with_gaps_inside_keeps_its_number() {
    // A struct, a Skip block, and no deletions.
    let gapped = bytes_of("01020700040104746578740161 0a0500".replace(' ', "").as_str());
    let mut body = vec![9];
    body.extend_from_slice(&gapped);
    let mut writer = roomtone_crdt::Writer::new();
    writer.var_uint(1).var_uint(35).var_bytes(&body);
    match native::decode(&Bytes::from(writer.into_bytes())).as_deref() {
        Ok(
            [
                Said::Document {
                    message: Message::Gapped,
                    seq: Some(9),
                    ..
                },
            ],
        ) => {}
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = native::decode(&Bytes::from(bytes));
    }

    #[test]
    fn one_wrong_byte_does_no_harm(which in any::<usize>(), at in any::<usize>(), byte in any::<u8>()) {
        let all = vectors("good", "client");
        let mut frame = bytes_of(all[which % all.len()]["hex"].as_str().expect("hex")).to_vec();
        let at = at % frame.len();
        frame[at] = byte;
        let _ = native::decode(&Bytes::from(frame));
    }
}
