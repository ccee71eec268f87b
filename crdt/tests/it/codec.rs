//! Frames of the dialects: what clients send is understood, what we send is what they expect, garbage is refused.

use bytes::Bytes;
use proptest::prelude::*;
use roomtone_crdt::hocuspocus::{self, Frame};
use roomtone_crdt::{
    BadFrame, Message, Reader, Rule, StateVector, Update, Writer, encode, ysweet, ywebsocket,
};

const PROTOCOL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PROTOCOL.md"));

/// The bytes that docs/PROTOCOL.md writes down for a message.
fn written_down(message: &str) -> Bytes {
    let row = PROTOCOL
        .lines()
        .find(|line| line.starts_with(&format!("| {message} |")))
        .unwrap_or_else(|| panic!("docs/PROTOCOL.md has no example of: {message}"));
    let hex = row.split('`').nth_back(1).expect("bytes at the end of the row");
    hex.split(' ')
        .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"))
        .collect()
}

fn one(frame: Bytes) -> Message {
    let mut messages = ywebsocket::decode(frame).expect("a good frame");
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

/// A message of Hocuspocus document `d`.
fn about_d(body: &[u8]) -> Result<Message, BadFrame> {
    match hocuspocus::decode(hocuspocus::addressed("d", body))? {
        Frame::Document { address, message } => {
            assert_eq!((address.raw(), address.document()), ("d", "d"));
            Ok(message)
        }
        Frame::Pong => panic!("it has an address"),
    }
}

#[test]
fn every_example_of_the_document_is_read_and_written() {
    let step1 = written_down("Step1 with an empty state vector");
    assert_eq!(encode::step1(&StateVector::default()), step1);
    assert!(matches!(one(step1), Message::Step1(since) if since.is_empty()));

    let step2 = written_down("Step2 with an empty update");
    assert_eq!(encode::step2(&Update::empty()), step2);
    assert!(matches!(one(step2), Message::Step2(update) if update.is_empty()));

    let nobody = written_down("awareness with nobody in it");
    assert_eq!(encode::awareness(&[0]), nobody);
    assert!(matches!(one(nobody.clone()), Message::Awareness(update) if update.is_empty()));

    let addressed = written_down("the same to Hocuspocus document `d`");
    assert_eq!(hocuspocus::addressed("d", &nobody), addressed);
    assert!(matches!(about_d(&addressed[2..]), Ok(Message::Awareness(update)) if update.is_empty()));

    let applied = written_down("Hocuspocus SyncStatus(applied) for `d`");
    assert_eq!(hocuspocus::sync_status("d", true), applied);

    let status = written_down("y-sweet status request for version 5");
    assert_eq!(ysweet::sync_status(&[5]), status);
    let read = ysweet::decode(status).expect("a good frame");
    assert!(matches!(read.as_slice(), [Message::SyncStatus(payload)] if payload.as_ref() == [5]));
    let examples = PROTOCOL.split("Examples, as bytes:").nth(1).expect("a table");
    let rows = examples
        .trim_start()
        .lines()
        .take_while(|line| line.starts_with('|'))
        .count();
    assert_eq!(
        rows - 2,
        6,
        "docs/PROTOCOL.md has an example that this test does not know"
    );
}

#[test]
fn sync_messages_round_trip() {
    let since = StateVector::from_pairs(vec![(1, 5), (1 << 52, 3), (2, 0)]);
    assert!(matches!(one(encode::step1(&since)), Message::Step1(read) if read == since));
    let update = Update::check(Bytes::from_static(&[0, 1, 1, 1, 5, 1])).expect("a deletion");
    assert!(matches!(one(encode::step2(&update)), Message::Step2(read) if read == update));
    assert!(matches!(one(encode::update(&update)), Message::Update(read) if read == update));
    assert!(matches!(about_d(&encode::update(&update)), Ok(Message::Update(read)) if read == update));
}

#[test]
fn ps4_several_messages_in_one_frame_are_understood() {
    let step1 = encode::step1(&StateVector::default());
    let frame = [&step1[..], &encode::awareness(&[0]), &step1].concat();
    let messages = ywebsocket::decode(Bytes::from(frame)).expect("three");
    assert!(matches!(
        messages.as_slice(),
        [Message::Step1(_), Message::Awareness(_), Message::Step1(_)]
    ));
    let crowd = step1.repeat(1_025);
    assert!(matches!(
        ywebsocket::decode(Bytes::from(crowd)),
        Err(BadFrame::Crowded)
    ));
    assert!(ywebsocket::decode(Bytes::from(step1.repeat(1_024))).is_ok());
}

#[test]
fn ps7_an_update_with_a_gap_is_told_apart() {
    // One section of client 1: a gap of five.
    let gapped = [1, 1, 1, 0, 10, 5, 0];
    let mut frame = Writer::new();
    frame.var_uint(0).var_uint(2).var_bytes(&gapped);
    assert!(matches!(one(Bytes::from(frame.into_bytes())), Message::Gapped));
}

#[test]
fn types_that_a_dialect_does_not_have_are_refused() {
    for kind in [2u8, 4, 5, 6, 7, 8, 9, 10, 100, 102] {
        let refused = ywebsocket::decode(Bytes::copy_from_slice(&[kind, 0]));
        assert!(matches!(refused, Err(BadFrame::UnknownType(_))), "{kind}");
    }
    assert!(matches!(
        ysweet::decode(Bytes::from_static(&[103, 0])),
        Err(BadFrame::UnknownType(103))
    ));
    assert!(matches!(about_d(&[6, 1, 97]), Err(BadFrame::Forbidden(_))));
    for kind in [8u8, 11, 101, 102] {
        assert!(
            matches!(about_d(&[kind, 0]), Err(BadFrame::UnknownType(_))),
            "{kind}"
        );
    }
    assert!(matches!(about_d(&[2, 1, 0]), Err(BadFrame::UnknownType(1))));
    assert!(matches!(about_d(&[0, 3, 0]), Err(BadFrame::UnknownType(3))));
    for decode in [ywebsocket::decode, ysweet::decode] {
        assert!(matches!(decode(Bytes::new()), Err(BadFrame::Empty)));
    }
    assert!(matches!(hocuspocus::decode(Bytes::new()), Err(BadFrame::Empty)));
    assert!(matches!(
        hocuspocus::decode(Bytes::from_static(&[0, 0])),
        Err(BadFrame::Address(_))
    ));
}

#[test]
fn a_presence_query_may_have_a_payload() {
    assert!(matches!(one(Bytes::from_static(&[3])), Message::QueryAwareness));
    assert!(matches!(
        one(Bytes::from_static(&[3, 255, 255])),
        Message::QueryAwareness
    ));
    assert!(matches!(about_d(&[3]), Ok(Message::QueryAwareness)));
}

#[test]
fn hocuspocus_messages_are_read() {
    let body = |fill: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::new();
        fill(&mut writer);
        writer.into_bytes()
    };
    let token = body(&|writer| {
        writer
            .var_uint(2)
            .var_uint(0)
            .var_string("secret")
            .var_string("4.5.0");
    });
    assert!(matches!(about_d(&token), Ok(Message::Token(token)) if token == "secret"));
    let stateless = body(&|writer| {
        writer.var_uint(5).var_string("{}");
    });
    assert!(matches!(about_d(&stateless), Ok(Message::Stateless(payload)) if payload == "{}"));
    assert_eq!(
        hocuspocus::stateless("d", "{}"),
        hocuspocus::addressed("d", &stateless)
    );
    assert!(matches!(about_d(&[7]), Ok(Message::Detach)));
    // SyncReply is read as Sync.
    assert!(matches!(about_d(&[4, 1, 2, 0, 0]), Ok(Message::Step2(update)) if update.is_empty()));
    assert!(matches!(
        hocuspocus::decode(Bytes::from_static(&[10])),
        Ok(Frame::Pong)
    ));
    let address = hocuspocus::addressed("d\0session", &[7]);
    let Ok(Frame::Document { address, .. }) = hocuspocus::decode(address) else {
        panic!("a good frame")
    };
    assert_eq!((address.raw(), address.document()), ("d\0session", "d"));
}

#[test]
fn hocuspocus_answers_are_what_providers_read() {
    let read = |frame: Bytes| {
        let mut reader = Reader::new(&frame);
        assert_eq!(reader.var_string(), Ok("d"));
        frame.slice(reader.offset()..)
    };
    assert_eq!(
        read(hocuspocus::authenticated("d", true)).as_ref(),
        b"\x02\x02\x08readonly"
    );
    assert_eq!(
        read(hocuspocus::authenticated("d", false)).as_ref(),
        b"\x02\x02\x0aread-write"
    );
    assert_eq!(
        read(hocuspocus::permission_denied("d", "no")).as_ref(),
        b"\x02\x01\x02no"
    );
    assert_eq!(read(hocuspocus::sync_status("d", false)).as_ref(), [8, 0]);
    assert_eq!(read(hocuspocus::close("d", "bye")).as_ref(), b"\x07\x03bye");
    assert_eq!(ywebsocket::permission_denied("no").as_ref(), b"\x02\x00\x02no");
}

#[test]
fn state_vectors_are_sorted_and_merged() {
    let decoded = StateVector::decode(&[3, 9, 4, 2, 7, 9, 6]).expect("a client twice");
    assert_eq!(decoded, StateVector::from_pairs(vec![(2, 7), (9, 6)]));
    assert_eq!(StateVector::decode(&decoded.encode()), Ok(decoded.clone()));
    assert!(decoded.covers(&StateVector::from_pairs(vec![(2, 7)])));
    assert!(!decoded.covers(&StateVector::from_pairs(vec![(3, 1)])));
    let too_far = StateVector::decode(&[1, 1, 0x80, 0x80, 0x80, 0x80, 0x08]);
    assert_eq!(too_far.expect_err("2^31").rule, Rule::Clock);
}

fn nothing_panics(bytes: &[u8]) {
    let frame = Bytes::copy_from_slice(bytes);
    let _ = ywebsocket::decode(frame.clone());
    let _ = ysweet::decode(frame.clone());
    let _ = hocuspocus::decode(frame.clone());
    let _ = hocuspocus::decode(hocuspocus::addressed("d", bytes));
    let _ = StateVector::decode(bytes);
    let _ = Update::check(frame);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        nothing_panics(&bytes);
    }

    #[test]
    fn garbage_behind_a_good_beginning_is_refused_without_a_panic(
        kind in 0u8..11,
        step in 0u8..3,
        bytes in prop::collection::vec(prop_oneof![0u8..12, any::<u8>()], 0..100),
    ) {
        let mut frame = Writer::new();
        frame.u8(kind).u8(step).var_bytes(&bytes);
        nothing_panics(&frame.into_bytes());
        nothing_panics(&[&[kind, step][..], &bytes].concat());
    }

    #[test]
    fn numbers_and_strings_round_trip(number in 0u64..(1 << 53), text in "\\PC{0,40}") {
        let mut writer = Writer::new();
        writer.var_uint(number).var_string(&text);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.var_uint(), Ok(number));
        prop_assert_eq!(reader.var_string(), Ok(text.as_str()));
        prop_assert!(reader.is_done());
    }

    #[test]
    fn state_vectors_round_trip(pairs in prop::collection::vec((0u64..(1 << 53), 0u32..(1 << 31)), 0..50)) {
        let vector = StateVector::from_pairs(pairs.clone());
        prop_assert_eq!(StateVector::decode(&vector.encode()), Ok(vector.clone()));
        for (client, clock) in pairs {
            prop_assert!(vector.get(client) >= clock);
        }
    }
}
