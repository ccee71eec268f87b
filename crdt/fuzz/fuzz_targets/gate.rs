//! Any bytes as an update and as a state vector: an answer, and nothing allocated that the bytes do not hold.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use roomtone_crdt::{StateVector, Update};

fuzz_target!(|data: &[u8]| {
    if let Ok(vector) = StateVector::decode(data) {
        assert_eq!(StateVector::decode(&vector.encode()), Ok(vector));
    }
    if let Ok(update) = Update::check(Bytes::copy_from_slice(data)) {
        let extent = update.extent();
        assert!(extent.structs.len() + extent.needs.len() + extent.deletes.len() <= data.len());
        assert!(
            extent
                .structs
                .iter()
                .chain(&extent.deletes)
                .all(|range| range.from < range.to)
        );
    }
});
