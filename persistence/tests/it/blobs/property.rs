//! Compactions, collections and deletions that end anywhere: whatever is loaded is all that was written.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use roomtone_persistence::{
    Appended, Batch, Compacted, Compaction, DocId, Epoch, Generation, Store, StoreError, Stored,
};
use tempfile::TempDir;

use super::{objects_in, open};
use crate::contract::{doc, records};

/// Runs a call, and drops it at its n-th suspension: a crash there, as far as anybody can tell.
pub(crate) async fn crash_after<T>(suspensions: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut left = suspensions;
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A snapshot that says which records are in it, and is large.
pub(crate) fn snapshot_of(stored: &Stored) -> Compaction {
    let numbers: Vec<String> = numbers(stored).iter().map(u64::to_string).collect();
    Compaction {
        epoch: stored.epoch,
        newest: stored.generation,
        base: stored
            .snapshot
            .as_ref()
            .map_or(Generation::NONE, |snapshot| snapshot.generation),
        rows: stored.rows.iter().map(|row| row.id).collect(),
        update: numbers.join(" ").into(),
        state_vector: "vector".into(),
    }
}

/// The records that a document consists of.
pub(crate) fn numbers(stored: &Stored) -> BTreeSet<u64> {
    let number = |text: &str| text.parse::<u64>().unwrap();
    let rows = stored.recovered.iter().chain(&stored.rows);
    let logged = rows.flat_map(|row| &row.records).map(|record| {
        let text = std::str::from_utf8(&record.update).unwrap();
        number(text.strip_prefix("update ").unwrap())
    });
    let snapshot = stored.snapshot.iter().flat_map(|snapshot| {
        let text = std::str::from_utf8(&snapshot.update).unwrap();
        text.split(' ').map(number).collect::<Vec<_>>()
    });
    logged.chain(snapshot).collect()
}

/// Appends one record.
pub(crate) async fn append(
    store: &dyn Store,
    doc: &DocId,
    epoch: Epoch,
    number: u64,
) -> Result<Appended, StoreError> {
    let batch = Batch {
        doc: doc.clone(),
        epoch,
        records: records([number]),
    };
    Ok(store.append(&[batch]).await?[0])
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Append,
    /// Each with the suspension at which it ends.
    Compact(usize),
    Collect(usize),
    /// A compaction and a collection at the same time.
    Both(usize, usize),
    Delete(usize),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // A whole compaction takes some 20 suspensions.
    let end = || prop_oneof![0..30_usize, Just(usize::MAX)];
    let step = prop_oneof![
        3 => Just(Step::Append),
        4 => end().prop_map(Step::Compact),
        2 => end().prop_map(Step::Collect),
        3 => (end(), end()).prop_map(|(compact, collect)| Step::Both(compact, collect)),
        1 => end().prop_map(Step::Delete),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

async fn run(steps: Vec<Step>, folder: &TempDir) {
    let a = doc("a");
    let mut store = open(folder.path()).await;
    let (mut epoch, mut written) = (Epoch::FIRST, BTreeSet::new());
    // Puts of which nobody knows when they ended.
    let loose = Cell::new(0);
    for (number, step) in (0..).zip(steps) {
        let compact = async |end: usize| {
            let stored = store.load(&a).await.unwrap();
            if stored.rows.is_empty() && stored.snapshot.is_none() {
                return;
            }
            let compacted = crash_after(end, store.compact(&a, snapshot_of(&stored))).await;
            // One that is stale may have been put after its collection, as there is no grace.
            if !matches!(compacted.transpose().unwrap(), Some(Compacted::Done(_))) {
                loose.set(loose.get() + 1);
            }
        };
        let collect = async |end: usize| {
            if let Some(collected) = crash_after(end, store.collect_blobs(Duration::ZERO)).await {
                collected.unwrap();
            }
        };
        match step {
            Step::Append => {
                assert_eq!(append(&store, &a, epoch, number).await.unwrap(), Appended::Stored);
                written.insert(number);
            }
            Step::Compact(end) => compact(end).await,
            Step::Collect(end) => collect(end).await,
            Step::Both(first, second) => {
                tokio::join!(compact(first), collect(second));
            }
            Step::Delete(end) => {
                let _ = crash_after(end, store.delete(&a)).await;
                // A commit that was under way may still happen; this write waits for it.
                store.health().await.unwrap();
                let now = store.load(&a).await.unwrap().epoch;
                if now != epoch {
                    (epoch, written) = (now, BTreeSet::new());
                }
            }
            Step::Restart => {
                store.close().await;
                store = open(folder.path()).await;
            }
        }
        let stored = store.load(&a).await.unwrap();
        assert_eq!((&stored.damage[..], stored.epoch), (&[][..], epoch));
        assert_eq!(numbers(&stored), written);
    }
    // What a crash left behind is collected.
    store.delete(&a).await.unwrap();
    store.collect_blobs(Duration::ZERO).await.unwrap();
    // A put that was dropped ends by itself, on a thread of its own: perhaps only now. A grace period is for that.
    assert!(objects_in(&folder.path().join("blobs")).len() <= loose.get());
}

#[test]
fn wherever_it_ends_the_old_or_the_new_snapshot_is_loaded() {
    let config = Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    TestRunner::new(config)
        .run(&steps(), |steps| {
            let folder = tempfile::tempdir().unwrap();
            runtime.block_on(run(steps, &folder));
            Ok(())
        })
        .unwrap();
}
