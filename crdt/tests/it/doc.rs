//! What a document says of each update, keeps, and hands on.

use roomtone_crdt::limits::{PENDING_CONNECTION_BYTES_MAX, PENDING_DOC_BYTES_MAX, PENDING_DOC_COUNT_MAX};
use roomtone_crdt::{ConnectionId, Doc, Outcome, StateVector, Turn, Update, Writer};

use crate::session::text_of;
use crate::written::{Content, Parent, Written, checked, update};

const ANN: ConnectionId = ConnectionId(1);
const BOB: ConnectionId = ConnectionId(2);

/// Text of one client, behind what it typed before.
fn typed(client: u64, clock: u32, text: &'static str) -> Update {
    let origin = clock.checked_sub(1).map(|before| (client, before));
    let (parent, key) = (Parent::Root("t"), None);
    let content = Content::Text(text);
    let block = Written::Item {
        origin,
        right_origin: None,
        parent,
        key,
        content,
    };
    checked(update(&[(client, clock, vec![block])], &[]))
}

fn deleted(client: u64, clock: u32, length: u32) -> Update {
    checked(update(&[], &[(client, clock, length)]))
}

fn apply(doc: &mut Doc, author: ConnectionId, updates: &[Update]) -> Turn {
    let batch: Vec<(ConnectionId, Update)> = updates.iter().map(|update| (author, update.clone())).collect();
    doc.apply(&batch).expect("nothing hostile")
}

fn text(doc: &Doc) -> String {
    text_of(doc.snapshot().expect("a document").bytes(), "t")
}

#[test]
fn one_new_update_goes_out_as_it_came() {
    let mut doc = Doc::new();
    let update = typed(7, 0, "abc");
    let turn = apply(&mut doc, ANN, std::slice::from_ref(&update));
    assert_eq!(turn.outcomes, [Outcome::New]);
    let sent = turn.update.expect("news");
    assert_eq!(sent.bytes().as_ptr(), update.bytes().as_ptr(), "not even copied");
    assert_eq!((doc.version(), doc.state_vector().get(7)), (1, 3));
    let turn = apply(&mut doc, ANN, &[update, Update::empty()]);
    assert_eq!(turn.outcomes, [Outcome::Nothing, Outcome::Nothing]);
    assert!(turn.update.is_none());
    assert_eq!(doc.version(), 1);
}

#[test]
fn a_turn_goes_out_as_one_update_with_nothing_that_was_known() {
    let mut doc = Doc::new();
    apply(&mut doc, ANN, &[typed(7, 0, "abc")]);
    let turn = apply(
        &mut doc,
        ANN,
        &[
            typed(7, 0, "abc"),
            typed(8, 0, "x"),
            typed(7, 3, "def"),
            deleted(7, 0, 1),
        ],
    );
    assert_eq!(
        turn.outcomes,
        [Outcome::Nothing, Outcome::New, Outcome::New, Outcome::New]
    );
    let extent = turn.update.expect("news").extent().clone();
    let mut brought: Vec<(u64, u32, u32)> = extent
        .structs
        .iter()
        .map(|range| (range.client, range.from, range.to))
        .collect();
    brought.sort_unstable();
    assert_eq!(brought, [(7, 3, 6), (8, 0, 1)]);
    assert_eq!(extent.deletes.len(), 1);
}

#[test]
fn what_is_partly_known_brings_the_rest() {
    let mut doc = Doc::new();
    apply(&mut doc, ANN, &[typed(7, 0, "abc")]);
    let turn = apply(&mut doc, ANN, &[typed(7, 0, "abcdef")]);
    assert_eq!(turn.outcomes, [Outcome::New]);
    let extent = turn.update.expect("news").extent().clone();
    assert_eq!((extent.structs[0].from, extent.structs[0].to), (3, 6));
    assert_eq!(text(&doc), "abcdef");
}

#[test]
fn a_deletion_is_news_once() {
    let mut doc = Doc::new();
    apply(&mut doc, ANN, &[typed(7, 0, "abcdef")]);
    assert!(doc.is_news(&deleted(7, 1, 2)).expect("an answer"));
    let turn = apply(
        &mut doc,
        ANN,
        &[deleted(7, 1, 2), deleted(7, 2, 1), deleted(7, 2, 2)],
    );
    assert_eq!(turn.outcomes, [Outcome::New, Outcome::Nothing, Outcome::New]);
    assert_eq!(text(&doc), "aef");
    for known in [deleted(7, 1, 2), deleted(7, 1, 3), deleted(7, 3, 1)] {
        assert!(!doc.is_news(&known).expect("an answer"));
        let turn = apply(&mut doc, ANN, &[known]);
        assert_eq!(turn.outcomes, [Outcome::Nothing]);
        assert!(turn.update.is_none());
    }
    assert!(
        doc.is_news(&deleted(7, 3, 2)).expect("an answer"),
        "the last of it is new"
    );
    assert!(
        doc.is_news(&deleted(9, 0, 1)).expect("an answer"),
        "nobody knows it yet"
    );
    assert_eq!(doc.version(), 2);
}

#[test]
fn what_comes_too_early_waits_and_comes_late() {
    let mut doc = Doc::new();
    let turn = apply(&mut doc, BOB, &[typed(7, 3, "def"), deleted(7, 4, 1)]);
    assert_eq!(turn.outcomes, [Outcome::Pending, Outcome::Pending]);
    assert!(turn.update.is_none());
    assert!(doc.state_vector().is_empty());
    assert!(
        doc.snapshot().expect("a document").is_empty(),
        "joiners get nothing that waits"
    );
    assert_eq!(doc.pending_bytes(), doc.pending_bytes_of(BOB));

    let turn = apply(&mut doc, ANN, &[typed(7, 0, "abc")]);
    assert_eq!(turn.outcomes, [Outcome::New]);
    assert_eq!(turn.late.len(), 2);
    assert!(
        turn.late
            .iter()
            .all(|late| late.author == BOB && late.outcome == Outcome::New)
    );
    let sent = turn.update.expect("news");
    assert_eq!(
        (sent.extent().structs[0].from, sent.extent().structs[0].to),
        (0, 6)
    );
    assert_eq!(text(&doc), "abcdf");
    assert_eq!(doc.pending_bytes(), 0);
}

#[test]
fn within_a_turn_nothing_is_too_early() {
    let mut doc = Doc::new();
    let turn = apply(
        &mut doc,
        ANN,
        &[typed(7, 4, "e"), typed(7, 2, "cd"), typed(7, 0, "ab")],
    );
    assert_eq!(turn.outcomes, [Outcome::New; 3]);
    assert!(turn.late.is_empty());
    assert_eq!(text(&doc), "abcde");
}

/// An update of about so many bytes that waits for the first clock of its client.
fn large(client: u64, bytes: usize) -> Update {
    let mut writer = Writer::new();
    writer.var_uint(1).var_uint(1).var_uint(client).var_uint(1).u8(3);
    writer
        .var_uint(1)
        .var_string("t")
        .var_bytes(&vec![0; bytes])
        .var_uint(0);
    checked(writer.into_bytes())
}

#[test]
fn what_waits_is_bounded_by_connection_document_and_number() {
    let mut doc = Doc::new();
    let most = large(7, PENDING_CONNECTION_BYTES_MAX - 100);
    let turn = apply(&mut doc, ANN, &[most.clone(), large(8, 200), large(9, 10)]);
    assert_eq!(
        turn.outcomes,
        [Outcome::Pending, Outcome::PendingFull, Outcome::Pending]
    );
    let others = (PENDING_DOC_BYTES_MAX / PENDING_CONNECTION_BYTES_MAX) as u64 + 1;
    let outcomes: Vec<Outcome> = (10..10 + others)
        .flat_map(|author| apply(&mut doc, ConnectionId(author), std::slice::from_ref(&most)).outcomes)
        .collect();
    assert_eq!(outcomes.last(), Some(&Outcome::PendingFull));
    assert!(doc.pending_bytes() <= PENDING_DOC_BYTES_MAX);
    for author in (10..10 + others).map(ConnectionId).chain([ANN]) {
        doc.forget_pending(author);
    }
    assert_eq!(doc.pending_bytes(), 0);

    let many: Vec<Update> = (0..PENDING_DOC_COUNT_MAX as u64 + 1)
        .map(|client| large(client, 1))
        .collect();
    let outcomes = apply(&mut doc, ANN, &many).outcomes;
    assert!(
        outcomes[..PENDING_DOC_COUNT_MAX]
            .iter()
            .all(|outcome| *outcome == Outcome::Pending)
    );
    assert_eq!(outcomes[PENDING_DOC_COUNT_MAX], Outcome::PendingFull);
}

#[test]
fn what_is_loaded_may_be_in_any_order_and_more_than_may_wait() {
    let mut log: Vec<Update> = (0..20_000).map(|clock| typed(7, clock, "a")).collect();
    log.reverse();
    let doc = Doc::load(log).expect("a log");
    assert_eq!(doc.state_vector().get(7), 20_000);
    assert_eq!((doc.pending_bytes(), doc.version()), (0, 0));

    let doc = Doc::load((1..10_000).map(|clock| typed(7, clock, "a"))).expect("a log with a hole");
    assert!(doc.state_vector().is_empty());
    assert!(doc.pending_bytes() > 0);
}

#[test]
fn a_diff_of_nothing_is_an_update_too() {
    let doc = Doc::new();
    let diff = doc.diff(&StateVector::default()).expect("a diff");
    assert!(diff.is_empty());
    assert_eq!(diff.bytes().as_ref(), [0, 0]);
}

#[test]
fn deletions_have_one_fingerprint_whatever_way_they_came() {
    let fingerprint = |doc: &Doc| doc.deletions_fingerprint().expect("an answer");
    let (mut one, mut other) = (Doc::new(), Doc::new());
    let nothing = fingerprint(&one);
    for doc in [&mut one, &mut other] {
        apply(doc, ANN, &[typed(7, 0, "abcdef"), typed(9, 0, "gh")]);
    }
    assert_eq!(fingerprint(&one), nothing);
    apply(&mut one, ANN, &[deleted(7, 1, 3)]);
    assert_ne!(fingerprint(&one), nothing);
    apply(&mut other, ANN, &[deleted(7, 3, 1), deleted(7, 1, 1)]);
    assert_ne!(fingerprint(&one), fingerprint(&other));
    apply(&mut other, BOB, &[deleted(7, 2, 1)]);
    assert_eq!(fingerprint(&one), fingerprint(&other));
    let loaded = Doc::load([one.snapshot().expect("a document")]).expect("it loads");
    assert_eq!(fingerprint(&loaded), fingerprint(&one));
}
