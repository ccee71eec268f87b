//! Compactions that the store cannot do at the moment.

use std::sync::Arc;
use std::time::Duration;

use roomtone_persistence::{Batch, Epoch, FaultyStore, MemoryStore, Record, Store};
use roomtone_server::compactor::{Compactor, Measured};

use crate::peer::PATIENCE;
use crate::world::doc_id;
use crate::yjs;

/// Nobody asks a second time: a room that sleeps has no further trigger.
#[tokio::test]
async fn a_compaction_that_failed_is_done_when_the_store_is_back() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let faults = store.faults();
    let batch = Batch {
        doc: doc_id("d"),
        epoch: Epoch::FIRST,
        records: vec![Record {
            user: None,
            client: 7,
            time_ms: 1,
            update: yjs::insert(7, 0, "x").bytes().clone(),
        }],
    };
    let _ = store.append(&[batch]).await.expect("it is stored");
    faults.fail_appends(true);
    let compactor = Compactor::start(store.clone());
    let measured = Measured::default();
    compactor.due(&doc_id("d"), &measured);
    // Once at once, and once more by itself.
    let tried = async {
        while faults.loads() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, tried)
        .await
        .expect("it is tried again");
    faults.fail_appends(false);
    let done = async {
        while measured.load(std::sync::atomic::Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("it is done");
    let stored = store.load(&doc_id("d")).await.expect("it is read");
    assert!(stored.snapshot.is_some() && stored.rows.is_empty());
}
