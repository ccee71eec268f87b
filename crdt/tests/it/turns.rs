//! What a turn says of each update, what it hands on, and what waits for its past.

use std::time::{Duration, Instant};

use roomtone_crdt::limits::{PENDING_CONNECTION_BYTES_MAX, PENDING_DOC_BYTES_MAX, PENDING_DOC_COUNT_MAX};
use roomtone_crdt::{ConnectionId, Doc, Outcome, StateVector, Turn, Update};
use yrs::updates::decoder::Decode;

use crate::random::Random;
use crate::session::{session, text_of};
use crate::written::{Content, Parent, Written, checked, update};

const AUTHOR: ConnectionId = ConnectionId(1);

/// Text by a client from a clock on, behind another character or first.
fn text(client: u64, clock: u32, behind: Option<(u64, u32)>, text: &'static str) -> Update {
    let block = Written::Item {
        origin: behind,
        right_origin: None,
        parent: Parent::Root("t"),
        key: None,
        content: Content::Text(text),
    };
    checked(update(&[(client, clock, vec![block])], &[]))
}

fn deletion(client: u64, clock: u32, length: u32) -> Update {
    checked(update(&[], &[(client, clock, length)]))
}

fn turn(doc: &mut Doc, updates: &[Update]) -> Turn {
    let batch: Vec<(ConnectionId, Update)> = updates.iter().map(|update| (AUTHOR, update.clone())).collect();
    let turn = doc.apply(&batch).expect("nothing is broken");
    assert_eq!(
        &engine_state(doc),
        doc.state_vector(),
        "the copy of the state vector"
    );
    turn
}

/// What the engine has, as its own snapshot says.
fn engine_state(doc: &Doc) -> StateVector {
    let snapshot = doc.snapshot().expect("whole");
    let state = yrs::Update::decode_v1(snapshot.bytes())
        .expect("own bytes")
        .state_vector();
    StateVector::from_pairs(
        state
            .iter()
            .map(|(client, clock)| (client.get(), *clock))
            .collect(),
    )
}

fn read(doc: &Doc) -> String {
    text_of(doc.snapshot().expect("whole").bytes(), "t")
}

#[test]
fn what_became_of_each_update() {
    let mut doc = Doc::new();
    let hello = text(1, 0, None, "hello");
    let first = turn(&mut doc, &[hello.clone(), hello.clone(), Update::empty()]);
    assert_eq!(first.outcomes, [Outcome::New, Outcome::Nothing, Outcome::Nothing]);
    assert_eq!(
        first.update.as_ref(),
        Some(&hello),
        "alone and new from end to end, it goes out as it came"
    );
    assert_eq!(doc.version(), 1);

    let cut = deletion(1, 1, 2);
    assert_eq!(
        turn(&mut doc, &[cut.clone(), cut.clone()]).outcomes,
        [Outcome::New, Outcome::Nothing]
    );
    let again = turn(&mut doc, &[cut, deletion(1, 2, 1)]);
    assert_eq!(again.outcomes, [Outcome::Nothing, Outcome::Nothing]);
    assert!(again.update.is_none());
    assert_eq!(doc.version(), 2);
    // Half known, half new.
    assert_eq!(turn(&mut doc, &[deletion(1, 0, 2)]).outcomes, [Outcome::New]);
    assert_eq!(read(&doc), "lo");
    assert_eq!(doc.version(), 3);
}

#[test]
fn ps6_an_update_waits_for_its_past() {
    let mut doc = Doc::new();
    let (first, second, third) = (
        text(1, 0, None, "a"),
        text(1, 1, Some((1, 0)), "b"),
        text(2, 0, Some((1, 1)), "c"),
    );
    let early = doc
        .apply(&[(ConnectionId(3), third.clone()), (AUTHOR, deletion(2, 0, 1))])
        .expect("fine");
    assert_eq!(early.outcomes, [Outcome::Pending, Outcome::Pending]);
    assert!(early.update.is_none() && early.late.is_empty());
    assert_eq!((doc.version(), doc.state_vector().is_empty()), (0, true));
    assert!(
        doc.snapshot().expect("whole").is_empty(),
        "what waits is not sent to joiners"
    );
    assert_eq!(doc.pending_bytes_of(ConnectionId(3)), third.bytes().len());
    // It waits twice when it is sent twice; both are answered.
    assert_eq!(turn(&mut doc, &[second]).outcomes, [Outcome::Pending]);
    let arrived = turn(&mut doc, &[first]);
    assert_eq!(arrived.outcomes, [Outcome::New]);
    let late: Vec<_> = arrived
        .late
        .iter()
        .map(|late| (late.author, late.outcome))
        .collect();
    assert_eq!(late.len(), 3);
    assert!(late.contains(&(ConnectionId(3), Outcome::New)));
    assert!(late.iter().all(|(_, outcome)| *outcome == Outcome::New));
    assert_eq!(read(&doc), "ab");
    assert_eq!(doc.pending_bytes(), 0);
    let joiner = Doc::load(arrived.update).expect("all of it in one update");
    assert_eq!(joiner.state_vector(), doc.state_vector());
}

#[test]
fn ps6_what_only_waits_for_a_later_one_of_its_turn_did_not_wait() {
    let mut doc = Doc::new();
    let turn = turn(
        &mut doc,
        &[
            text(1, 1, Some((1, 0)), "b"),
            deletion(1, 1, 1),
            text(1, 0, None, "a"),
        ],
    );
    assert_eq!(turn.outcomes, [Outcome::New; 3]);
    assert!(turn.late.is_empty());
}

#[test]
fn ps6_what_waited_and_came_otherwise_is_late_and_nothing() {
    let mut doc = Doc::new();
    let second = text(1, 1, Some((1, 0)), "b");
    turn(&mut doc, std::slice::from_ref(&second));
    let both = turn(&mut doc, &[text(1, 0, None, "a"), second]);
    assert_eq!(both.outcomes, [Outcome::New, Outcome::New]);
    assert_eq!(
        both.late.iter().map(|late| late.outcome).collect::<Vec<_>>(),
        [Outcome::Nothing]
    );
}

/// An update that never fits, about so large.
fn waiting(index: u32, bytes: usize) -> Update {
    let text: &'static str = Box::leak("x".repeat(bytes - 20).into_boxed_str());
    self::text(5, 1_000 * (index + 1), Some((4, 9)), text)
}

#[test]
fn ps6_what_waits_is_bounded() {
    let mut doc = Doc::new();
    let mut kept = [0usize; 6];
    for index in 0..1_000 {
        let author = index as usize % 5 + 1;
        let update = waiting(index, 2_000);
        let turn = doc
            .apply(&[(ConnectionId(author as u64), update.clone())])
            .expect("fine");
        match turn.outcomes.as_slice() {
            [Outcome::Pending] => kept[author] += update.bytes().len(),
            [Outcome::PendingFull] => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(doc.pending_bytes_of(ConnectionId(author as u64)), kept[author]);
        assert_eq!(doc.pending_bytes(), kept.iter().sum::<usize>());
    }
    assert!(kept.iter().all(|bytes| *bytes <= PENDING_CONNECTION_BYTES_MAX));
    assert!(
        doc.pending_bytes() <= PENDING_DOC_BYTES_MAX && doc.pending_bytes() > PENDING_DOC_BYTES_MAX - 4_000
    );
    doc.forget_pending(ConnectionId(1));
    assert_eq!(doc.pending_bytes(), kept[2..].iter().sum::<usize>());

    let mut doc = Doc::new();
    let one: Vec<_> = (0..=PENDING_DOC_COUNT_MAX)
        .map(|index| (ConnectionId(1 + index as u64 % 9), waiting(index as u32, 21)))
        .collect();
    let outcomes = doc.apply(&one).expect("fine").outcomes;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == Outcome::PendingFull)
            .count(),
        1
    );
}

/// Each one waits for the one that came after it, and says that it needs much that is there.
#[test]
fn ps6_a_chain_of_waiting_updates_costs_no_square() {
    const LINKS: u32 = 4_000;
    let mut doc = Doc::new();
    let base: Vec<Update> = (100..140).map(|client| text(client, 0, None, "base")).collect();
    turn(&mut doc, &base);
    let link = |index: u32| {
        let block = Written::Item {
            origin: index.checked_sub(1).map(|before| (1_000 + u64::from(before), 0)),
            right_origin: None,
            parent: Parent::Root("t"),
            key: None,
            content: Content::Text("l"),
        };
        let deletes: Vec<(u64, u32, u32)> = (100..140).map(|client| (client, 0, 1)).collect();
        checked(update(&[(1_000 + u64::from(index), 0, vec![block])], &deletes))
    };
    for index in (1..LINKS).rev() {
        let author = ConnectionId(1 + u64::from(index) % 8);
        assert_eq!(
            doc.apply(&[(author, link(index))]).expect("fine").outcomes,
            [Outcome::Pending]
        );
    }
    let start = Instant::now();
    let arrived = doc.apply(&[(AUTHOR, link(0))]).expect("fine");
    assert_eq!(arrived.late.len() as u32, LINKS - 1);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// A log of many visits, each by a new client that builds on the last one: what a year of a room looks like.
#[test]
fn a_log_of_many_visits_loads_without_a_square() {
    let mut log = Vec::new();
    let mut last = None;
    for visit in 0..500u64 {
        for clock in 0..40 {
            log.push(text(1_000 + visit, clock, last, "v"));
            last = Some((1_000 + visit, clock));
        }
    }
    let start = Instant::now();
    let doc = Doc::load(log.iter().cloned()).expect("a log");
    assert_eq!((doc.pending_bytes(), read(&doc).len()), (0, log.len()));
    Random::new(5).shuffle(&mut log);
    assert_eq!(
        Doc::load(log).expect("in any order").state_vector(),
        doc.state_vector()
    );
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn blocks_that_only_seem_to_be_known_are_not_handed_on() {
    let mut doc = Doc::new();
    let mut log = vec![text(1, 0, None, "a"), text(1, 1, Some((1, 0)), "b")];
    log.iter()
        .for_each(|update| drop(turn(&mut doc, std::slice::from_ref(update))));
    // The same clocks, other text, and a deletion, so that it is news.
    let block = Written::Item {
        origin: None,
        right_origin: None,
        parent: Parent::Root("t"),
        key: None,
        content: Content::Text("XY"),
    };
    let forged = turn(&mut doc, &[checked(update(&[(1, 0, vec![block])], &[(1, 0, 1)]))]);
    assert_eq!(forged.outcomes, [Outcome::New]);
    let handed_on = forged.update.expect("a deletion");
    assert_eq!(handed_on.extent().structs, [], "only the deletion");
    log.push(handed_on);
    log.reverse();
    assert_eq!(read(&Doc::load(log).expect("a log")), "b");
    assert_eq!(read(&doc), "b");
}

#[test]
fn news_is_exact() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let updates: Vec<Update> = session(seed, 3, 40).into_iter().map(checked).collect();
        let mut doc = Doc::new();
        let mut mirror = Doc::new();
        let mut order = updates.clone();
        order.extend(
            updates
                .iter()
                .filter(|_| random.chance(4))
                .cloned()
                .collect::<Vec<_>>(),
        );
        random.shuffle(&mut order);
        for update in order {
            let is_news = doc.is_news(&update).expect("an answer");
            let before = (doc.snapshot().expect("whole"), doc.version());
            let turn = turn(&mut doc, std::slice::from_ref(&update));
            match turn.outcomes.as_slice() {
                [Outcome::New] => assert!(is_news),
                [Outcome::Nothing] => {
                    assert!(!is_news && turn.update.is_none());
                    assert_eq!(doc.version(), before.1);
                    // Nothing means nothing: what it was says all that it is.
                    assert_eq!(text_of(before.0.bytes(), "t"), read(&doc));
                }
                [Outcome::Pending] => assert!(is_news && turn.update.is_none()),
                other => panic!("{other:?}"),
            }
            if let Some(update) = turn.update {
                let batch = [(ConnectionId(2), update)];
                assert_eq!(mirror.apply(&batch).expect("fine").outcomes, [Outcome::New]);
            }
            assert_eq!(mirror.state_vector(), doc.state_vector());
            let (theirs, ours) = (mirror.snapshot().expect("whole"), doc.snapshot().expect("whole"));
            assert_eq!(text_of(theirs.bytes(), "t"), text_of(ours.bytes(), "t"));
            assert!(!doc.is_news(&theirs).expect("whole") && !mirror.is_news(&ours).expect("whole"));
        }
        assert_eq!(doc.pending_bytes(), 0);
    }
}

/// What goes in because its list was deleted before goes in again: a log is read in its own order. Deletions last, it
/// could not be loaded any more.
#[test]
fn a_log_is_read_in_the_order_in_which_it_was_accepted() {
    let item = |origin, right_origin, parent, content| Written::Item {
        origin,
        right_origin,
        parent,
        key: None,
        content,
    };
    let list = vec![
        item(None, None, Parent::Root("a"), Content::Type(0)),
        item(None, None, Parent::Item(1, 0), Content::Text("child")),
    ];
    let between = item(Some((2, 0)), Some((1, 1)), Parent::Root("a"), Content::Text("x"));
    let log = [
        checked(update(&[(1, 0, list)], &[])),
        deletion(1, 0, 1),
        checked(update(&[(2, 0, vec![Written::Collected(5)])], &[])),
        checked(update(&[(3, 0, vec![between])], &[])),
    ];
    let mut doc = Doc::new();
    let mut accepted = Vec::new();
    for update in &log {
        accepted.extend(turn(&mut doc, std::slice::from_ref(update)).update);
    }
    let copy = Doc::load(accepted).expect("what was accepted can be loaded");
    assert_eq!(copy.state_vector(), doc.state_vector());
}
