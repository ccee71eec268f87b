//! Updates that pass the gate, in turns: the engine neither panics nor writes what the gate would refuse.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use roomtone_crdt::{Broken, ConnectionId, Doc, Update};

fuzz_target!(|turns: Vec<Vec<Vec<u8>>>| {
    let mut doc = Doc::new();
    let mut log: Vec<Update> = Vec::new();
    for turn in turns {
        let checked = turn
            .into_iter()
            .filter_map(|bytes| Update::check(Bytes::from(bytes)).ok());
        let batch: Vec<(ConnectionId, Update)> = checked.map(|update| (ConnectionId(1), update)).collect();
        match doc.apply(&batch) {
            Ok(turn) => log.extend(turn.update),
            Err(Broken::Refused(_)) => doc = Doc::load(log.iter().cloned()).expect("it was here before"),
            Err(broken) => panic!("{broken}"),
        }
    }
    let snapshot = doc.snapshot().expect("a document");
    let copy = Doc::load([snapshot]).expect("own bytes");
    assert_eq!(copy.state_vector(), doc.state_vector());
});
