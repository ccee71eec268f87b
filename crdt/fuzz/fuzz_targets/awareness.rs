//! Awareness updates of several connections that come and go: whatever they say, the room's own update can be read.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use roomtone_crdt::{Awareness, AwarenessUpdate, ConnectionId, Stamp};

fuzz_target!(|frames: Vec<(u8, Vec<u8>)>| {
    let stamp = Stamp {
        id: "u".to_owned(),
        name: Some("name".to_owned()),
    };
    let mut awareness = Awareness::new();
    for (what, bytes) in frames {
        let connection = ConnectionId(u64::from(what % 4));
        match what / 4 % 8 {
            0 => awareness.join(connection),
            1 => drop(awareness.leave(connection)),
            kind => {
                let Ok(update) = AwarenessUpdate::decode(Bytes::from(bytes)) else {
                    continue;
                };
                let stamp = (kind % 2 == 0).then_some(&stamp);
                let received = awareness.receive(connection, stamp, &update);
                let all = AwarenessUpdate::decode(awareness.encode(&received.changed));
                assert!(all.is_ok_and(|all| all.len() == received.changed.len()));
            }
        }
        let all = AwarenessUpdate::decode(awareness.encode_all());
        assert!(all.is_ok_and(|all| all.len() == awareness.len()));
    }
});
