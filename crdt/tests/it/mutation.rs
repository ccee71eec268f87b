//! Real updates with bytes changed: nothing that passes the gate makes the document panic.

use bytes::Bytes;
use roomtone_crdt::{Broken, ConnectionId, Doc, Update};

use crate::random::{Random, rounds};
use crate::session::{session, text_of};
use crate::written::hostile;

/// An update with something wrong.
pub(crate) fn mutated(random: &mut Random, update: &[u8]) -> Vec<u8> {
    let mut bytes = update.to_vec();
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(6) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = bytes[at].wrapping_add(1),
            3 => drop(bytes.remove(at)),
            4 => bytes.insert(at, random.next() as u8),
            _ => {
                let from = random.below(bytes.len() as u64) as usize;
                bytes[at] = bytes[from];
            }
        }
    }
    bytes
}

/// How many attacks passed the gate, and how many of these the document refused.
#[derive(Default)]
struct Counts {
    passed: u64,
    refused: u64,
}

/// What was accepted once is accepted again: else nobody could open that room any more.
fn reloaded(stored: &[Update], since: &[&[u8]]) -> Doc {
    Doc::load(stored.iter().cloned()).unwrap_or_else(|broken| panic!("{broken} by {since:02x?}"))
}

/// Applies what passes the gate to a document that has something in it, and asks it everything afterwards.
fn attack(base: &[Update], attacks: &[Vec<u8>], counts: &mut Counts) {
    let mut doc = reloaded(base, &[]);
    let half = doc.state_vector().clone();
    let mut since: Vec<&[u8]> = Vec::new();
    // What a store has of it: the log, and a snapshot of some moment with the log since.
    let mut log: Vec<Update> = base.to_vec();
    let mut compacted: Vec<Update> = base.to_vec();
    for (index, bytes) in attacks.iter().enumerate() {
        let Ok(update) = Update::check(Bytes::from(bytes.clone())) else {
            continue;
        };
        counts.passed += 1;
        since.push(bytes);
        let is_news = doc.is_news(&update);
        let applied = is_news.and_then(|_| doc.apply(&[(ConnectionId(1), update)]));
        // What a document took in, it can always hand out again: the errors that follow are not expected.
        let applied = applied.map(|turn| {
            let snapshot = doc.snapshot().expect("a document serves what it has");
            doc.diff(&half).expect("a document serves what it has");
            if let Some(update) = turn.update {
                log.push(update.clone());
                compacted.push(update.clone());
                assert!(
                    !doc.is_news(&update).expect("an answer"),
                    "by the last of {since:02x?}"
                );
            }
            if index == attacks.len() / 2 {
                compacted = vec![snapshot.clone()];
            }
            if counts.passed.is_multiple_of(8) {
                text_of(snapshot.bytes(), "t");
                let copy = Doc::load([snapshot]).expect("what was written can be loaded");
                assert_eq!(
                    copy.state_vector(),
                    doc.state_vector(),
                    "by the last of {since:02x?}"
                );
            }
        });
        match applied {
            Ok(()) => {}
            Err(Broken::Refused(_)) => {
                counts.refused += 1;
                let since = since.split_off(0);
                doc = reloaded(&log, &since);
                reloaded(&compacted, &since);
            }
            Err(broken) => panic!("{broken} by the last of {since:02x?}"),
        }
    }
    for stored in [&log, &compacted] {
        let copy = reloaded(stored, &since);
        assert_eq!(copy.state_vector(), doc.state_vector(), "by {since:02x?}");
    }
}

#[test]
fn mutated_updates_never_break_the_engine() {
    let rounds = rounds("ROOMTONE_FUZZ_ROUNDS", 200_000);
    let sessions: Vec<Vec<Vec<u8>>> = (0..10).map(|seed| session(seed, 3, 40)).collect();
    let mut counts = Counts::default();
    for seed in 0..rounds / 200 {
        let mut random = Random::new(seed);
        let session = random.pick(&sessions);
        // Every fourth document is empty.
        let filled = if seed % 4 == 0 { 0 } else { 20 };
        let base: Vec<Update> = session[..filled]
            .iter()
            .map(|bytes| Update::check(Bytes::from(bytes.clone())).expect("a client's"))
            .collect();
        let attacks: Vec<Vec<u8>> = (0..200)
            .map(|_| {
                let update = random.pick(session).clone();
                mutated(&mut random, &update)
            })
            .collect();
        attack(&base, &attacks, &mut counts);
    }
    let Counts { passed, refused } = counts;
    println!("{rounds} mutated, {passed} passed the gate, {refused} of these refused by the document");
    assert!(
        passed > rounds / 50,
        "{passed} of {rounds} passed: too few to say anything"
    );
}

#[test]
fn hostile_updates_never_break_the_engine() {
    let rounds = rounds("ROOMTONE_FUZZ_ROUNDS", 200_000);
    let mut counts = Counts::default();
    for seed in 0..rounds / 50 {
        attack(&[], &hostile(seed + 77_000_000, 40), &mut counts);
    }
    let Counts { passed, refused } = counts;
    println!("{passed} passed the gate, {refused} of these refused by the document");
}
