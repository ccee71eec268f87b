//! Real updates with bytes changed: nothing that passes the gate makes the document panic.

use bytes::Bytes;
use roomtone_crdt::{Broken, ConnectionId, Doc, Update};

use crate::random::{Random, rounds};
use crate::session::session;
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

/// Applies what passes the gate to a document that has something in it.
fn attack(base: &[Update], attacks: &[Vec<u8>]) -> u64 {
    let mut doc = Doc::load(base.iter().cloned()).expect("a session");
    let mut passed = 0;
    let mut since: Vec<&[u8]> = Vec::new();
    for bytes in attacks {
        let Ok(update) = Update::check(Bytes::from(bytes.clone())) else {
            continue;
        };
        passed += 1;
        since.push(bytes);
        let applied = doc
            .apply(&[(ConnectionId(1), update)])
            .and_then(|_| doc.snapshot());
        match applied {
            Ok(_) => {}
            Err(Broken::Refused(_)) => {
                doc = Doc::load(base.iter().cloned()).expect("a session");
                since.clear();
            }
            Err(broken) => panic!("{broken} by the last of {since:02x?}"),
        }
    }
    passed
}

#[test]
fn mutated_updates_never_break_the_engine() {
    let rounds = rounds("ROOMTONE_MUTATION_ROUNDS", 200_000);
    let sessions: Vec<Vec<Vec<u8>>> = (0..10).map(|seed| session(seed, 3, 40)).collect();
    let mut passed = 0;
    for seed in 0..rounds / 200 {
        let mut random = Random::new(seed);
        let session = random.pick(&sessions);
        let base: Vec<Update> = session[..20]
            .iter()
            .map(|bytes| Update::check(Bytes::from(bytes.clone())).expect("a client's"))
            .collect();
        let attacks: Vec<Vec<u8>> = (0..200)
            .map(|_| {
                let update = random.pick(session).clone();
                mutated(&mut random, &update)
            })
            .collect();
        passed += attack(&base, &attacks);
    }
    assert!(
        passed > rounds / 50,
        "{passed} of {rounds} passed: too few to say anything"
    );
}

#[test]
fn hostile_updates_never_break_the_engine() {
    let rounds = rounds("ROOMTONE_MUTATION_ROUNDS", 200_000);
    for seed in 0..rounds / 50 {
        attack(&[], &hostile(seed + 77_000_000, 40));
    }
}
