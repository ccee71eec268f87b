//! The contract, kept in memory.

use roomtone_persistence::{FaultyStore, MemoryStore};

async fn fresh() -> (MemoryStore, ()) {
    (MemoryStore::new(), ())
}

contract_suite!(super::fresh);

/// A wrapper without faults is as good as what it wraps.
mod through_faults {
    use super::*;

    async fn fresh() -> (FaultyStore<MemoryStore>, ()) {
        (FaultyStore::new(MemoryStore::new()), ())
    }

    contract_suite!(super::fresh);
}
