//! Large snapshots in blobs, with several nodes on one database and one blob store.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use roomtone_persistence::{Appended, Compacted, Epoch, PostgresStore, Store, StoreError};
use tempfile::TempDir;

use super::Database;
use crate::blobs::property::{append, numbers, snapshot_of};
use crate::blobs::{in_files, objects_in};
use crate::contract::damaged::Ground;
use crate::contract::{compact_all, doc, done, put};

/// A database and the folder of its blobs.
struct Both {
    database: Database,
    folder: TempDir,
}

impl Both {
    async fn new() -> Both {
        Both {
            database: Database::new().await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn open(&self) -> PostgresStore {
        let options = self.database.server.options(&self.database.name);
        PostgresStore::open(options.blobs(in_files(self.folder.path())))
            .await
            .unwrap()
    }
}

async fn fresh() -> (PostgresStore, Both) {
    let both = Both::new().await;
    (both.open().await, both)
}

contract_suite!(super::fresh);
damage_suite!(super::fresh);

impl Ground for Both {
    type Store = PostgresStore;

    async fn vandalise(&self, statement: &str) {
        self.database.vandalise(statement).await;
    }

    async fn open_again(&self) -> PostgresStore {
        self.open().await
    }
}

#[tokio::test]
async fn a_database_with_blobs_is_not_opened_without_them() {
    let (store, both) = fresh().await;
    put(&store, &doc("a"), 0..2).await;
    assert_eq!(compact_all(&store, &doc("a"), "one").await, done(1));
    let options = both.database.server.options(&both.database.name);
    let refused = PostgresStore::open(options).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Misconfigured(text) if text.contains("--blobs")),
        "{refused}"
    );
}

/// Nobody is spared: blobs are condemned the moment that nothing refers to them, and while they are being put.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_compact_and_collect_lose_nothing() {
    const EACH: u64 = 150;
    let both = Both::new().await;
    let (one, two) = (both.open().await, both.open().await);
    let a = doc("a");
    let are_writing = AtomicBool::new(true);
    let (done_count, collected_count) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let stale_count = AtomicUsize::new(0);
    let is_enough = || done_count.load(Ordering::Relaxed) > 3 && collected_count.load(Ordering::Relaxed) > 3;
    let write = async |store: &PostgresStore, first: u64| {
        let mut numbers = first..;
        while numbers.start < first + EACH || !is_enough() {
            let number = numbers.next().unwrap();
            assert_eq!(
                append(store, &a, Epoch::FIRST, number).await.unwrap(),
                Appended::Stored
            );
        }
        first..numbers.start
    };
    let compact = async |store: &PostgresStore| {
        while are_writing.load(Ordering::Relaxed) {
            let stored = store.load(&a).await.unwrap();
            assert_eq!(stored.damage, []);
            if stored.rows.is_empty() {
                continue;
            }
            let count = match store.compact(&a, snapshot_of(&stored)).await.unwrap() {
                Compacted::Done(_) => &done_count,
                Compacted::Stale => &stale_count,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    // Now and then, so that some puts are overtaken and others are not.
    let collect = async |store: &PostgresStore, pause_ms: u64| {
        while are_writing.load(Ordering::Relaxed) {
            let count = store.collect_blobs(Duration::ZERO).await.unwrap();
            collected_count.fetch_add(count, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    };
    let read = async |store: &PostgresStore| {
        while are_writing.load(Ordering::Relaxed) {
            assert_eq!(store.load(&a).await.unwrap().damage, []);
        }
    };
    let writers = async {
        let written = tokio::join!(write(&one, 0), write(&two, 1_000_000));
        are_writing.store(false, Ordering::Relaxed);
        written
    };
    let ((first, second), ..) = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::join!(
            writers,
            compact(&one),
            compact(&two),
            collect(&one, 70),
            collect(&two, 110),
            read(&one)
        )
    })
    .await
    .unwrap();
    let expected: BTreeSet<u64> = first.chain(second).collect();
    for store in [&one, &two] {
        let stored = store.load(&a).await.unwrap();
        assert_eq!((stored.damage.len(), numbers(&stored)), (0, expected.clone()));
    }
    one.delete(&a).await.unwrap();
    two.collect_blobs(Duration::ZERO).await.unwrap();
    assert_eq!(both.database.count("blobs").await, 0);
    // One that was put after its row was forgotten. A grace period is for that.
    assert!(objects_in(&both.folder.path().join("blobs")).len() <= stale_count.into_inner());
}
