//! Several nodes on one database, at the same time and on the same documents.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use roomtone_persistence::{Appended, Batch, Compacted, DocId, PostgresStore, Record, Store};

use super::Database;
use crate::contract::{batch, compact_all, doc, done, history, logged, merge, put, record, records};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn nodes_are_told_one_time_of_day() {
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let began = SystemTime::now();
    let told = [one.now().await, two.now().await, one.now().await].map(|time| time.unwrap().unwrap());
    assert!(told.is_sorted(), "{told:?}");
    // The database is on this machine; it tells whole milliseconds, the nearest.
    let off = Duration::from_millis(1);
    assert!(
        told[0] + off >= began && told[2] <= SystemTime::now() + off,
        "{told:?}"
    );
}

#[tokio::test]
async fn nodes_that_append_and_compact_lose_and_double_nothing() {
    const EACH: u64 = 120;
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let a = doc("a");
    let are_writing = AtomicBool::new(true);
    let write = async |store: &PostgresStore, first: u64| {
        for n in first..first + EACH {
            put(store, &a, [n]).await;
        }
    };
    let compact = async |store: &PostgresStore| {
        let mut count = 0;
        while are_writing.load(Ordering::Relaxed) {
            if let Compacted::Done(_) = compact_all(store, &a, "x").await {
                count += 1;
            }
        }
        count
    };
    let writers = async {
        tokio::join!(
            write(&one, 0),
            write(&one, 1_000),
            write(&two, 2_000),
            write(&two, 3_000)
        );
        are_writing.store(false, Ordering::Relaxed);
    };
    let ((), of_one, of_two) = tokio::time::timeout(PATIENCE, async {
        tokio::join!(writers, compact(&one), compact(&two))
    })
    .await
    .unwrap();
    // Who gets to it is a matter of chance: a lease keeps the other one away.
    assert!(of_one + of_two > 1, "{of_one} and {of_two} compactions");
    let expected = [0, 1_000, 2_000, 3_000].map(|first| records(first..first + EACH));
    for store in [&one, &two] {
        let found = sorted(history(store, &a, 1_000).await);
        assert_eq!(found, sorted(expected.concat()));
        let stored = store.load(&a).await.unwrap();
        assert_eq!((stored.damage, stored.generation.0), (vec![], of_one + of_two));
    }
}

fn sorted(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| record.client);
    records
}

/// A row with a lower id is committed after the compaction: it is still there.
#[tokio::test]
async fn a_row_that_was_committed_late_stays() {
    let (store, database) = super::fresh().await;
    let slow = PostgresStore::open(database.server.options(&database.name).node("slow"))
        .await
        .unwrap();
    let a = doc("a");
    put(&store, &a, [0]).await;
    let _ = slow.load(&a).await.unwrap();
    // The slow node has its row's id, and waits before its commit.
    database
        .run(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF current_setting('application_name') = 'roomtone slow' THEN PERFORM pg_advisory_xact_lock(7); END IF; \
             RETURN NULL; END $$; \
             CREATE TRIGGER wait AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION wait()",
        )
        .await;
    let mut gate = database.server.connection(&database.name).await;
    sqlx::raw_sql("SELECT pg_advisory_lock(7)")
        .execute(&mut gate)
        .await
        .unwrap();
    let late = async { put(&slow, &a, [1]).await };
    let others = async {
        database.until_waiting(1).await;
        // Neither an append nor a compaction waits for it.
        put(&store, &a, [2]).await;
        assert_eq!(compact_all(&store, &a, "0 2").await, done(1));
        assert_eq!(store.load(&a).await.unwrap().rows, []);
        sqlx::raw_sql("SELECT pg_advisory_unlock(7)")
            .execute(&mut gate)
            .await
            .unwrap();
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(late, others) })
        .await
        .unwrap();
    let stored = store.load(&a).await.unwrap();
    assert_eq!(logged(&stored.rows), records([1]));
    assert_eq!(sorted(history(&store, &a, 1).await), records(0..3));
    assert_eq!(compact_all(&store, &a, "0 1 2").await, done(2));
    assert_eq!(sorted(history(&store, &a, 10).await), records(0..3));
}

#[tokio::test]
async fn an_epoch_that_another_node_began_counts_at_once() {
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let (a, b) = (doc("a"), doc("b"));
    put(&one, &a, [0]).await;
    put(&one, &b, [0]).await;
    let epoch = two.delete(&a).await.unwrap();
    assert_eq!(
        one.append(&[batch(&a, [1]), batch(&b, [1])]).await.unwrap(),
        [Appended::StaleEpoch, Appended::Stored]
    );
    let anew = Batch {
        epoch,
        ..batch(&a, [2])
    };
    assert_eq!(one.append(&[anew]).await.unwrap(), [Appended::Stored]);
    assert_eq!(logged(&two.load(&a).await.unwrap().rows), records([2]));
}

#[tokio::test]
async fn what_is_appended_beside_deletions_is_stored_or_refused() {
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let a = doc("a");
    let are_deleting = AtomicBool::new(true);
    let delete = async {
        for _ in 0..25 {
            two.delete(&a).await.unwrap();
            tokio::task::yield_now().await;
        }
        are_deleting.store(false, Ordering::Relaxed);
    };
    let write = async |first: u64| {
        let mut acknowledged = Vec::new();
        let mut n = first;
        let mut epoch = one.load(&a).await.unwrap().epoch;
        while are_deleting.load(Ordering::Relaxed) || n < first + 20 {
            let one_batch = Batch {
                epoch,
                ..batch(&a, [n])
            };
            match one.append(&[one_batch]).await.unwrap()[0] {
                Appended::Stored => acknowledged.push((epoch, n)),
                Appended::StaleEpoch => epoch = one.load(&a).await.unwrap().epoch,
            }
            n += 1;
        }
        acknowledged
    };
    let (mut acknowledged, more, ()) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(write(0), write(100_000), delete) })
            .await
            .unwrap();
    acknowledged.extend(more);
    let stored = two.load(&a).await.unwrap();
    assert_eq!((stored.epoch.0, stored.damage), (26, vec![]));
    let of_epoch = acknowledged.iter().filter(|(epoch, _)| *epoch == stored.epoch);
    let expected: Vec<Record> = of_epoch.map(|(_, n)| record(*n)).collect();
    assert_eq!(sorted(logged(&stored.rows)), sorted(expected));
}

/// Groups that name the same new documents in different orders, from two nodes: nobody waits in a circle.
#[tokio::test]
async fn groups_of_the_same_documents_do_not_lock_each_other_out() {
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    for round in 0..8 {
        let docs: Vec<DocId> = (0..12).map(|n| doc(&format!("{round} {n}"))).collect();
        let there: Vec<Batch> = docs.iter().map(|doc| batch(doc, [0])).collect();
        let back: Vec<Batch> = docs.iter().rev().map(|doc| batch(doc, [1])).collect();
        for _ in 0..2 {
            let (first, second) = tokio::join!(one.append(&there), two.append(&back));
            assert_eq!(first.unwrap(), vec![Appended::Stored; 12]);
            assert_eq!(second.unwrap(), vec![Appended::Stored; 12]);
        }
        for doc in &docs {
            let rows = logged(&one.load(doc).await.unwrap().rows);
            assert_eq!(sorted(rows), records([0, 0, 1, 1]));
        }
    }
}

#[tokio::test]
async fn a_claim_on_a_compaction_is_of_one_node_until_it_ends() {
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let a = doc("a");
    put(&one, &a, 0..3).await;
    let (seen_by_one, seen_by_two) = (one.load(&a).await.unwrap(), two.load(&a).await.unwrap());
    assert!(one.claim_compaction(&a).await.unwrap());
    assert!(one.claim_compaction(&a).await.unwrap());
    assert!(!two.claim_compaction(&a).await.unwrap());
    let refused = two.compact(&a, merge(&seen_by_two, "two")).await.unwrap();
    assert_eq!(refused, Compacted::Stale);

    // A node that was paused too long: its claim has passed on, and with it the right to write.
    database
        .run("UPDATE leases SET ends_at = now() - interval '1 second'")
        .await;
    assert!(two.claim_compaction(&a).await.unwrap());
    let late = one.compact(&a, merge(&seen_by_one, "one")).await.unwrap();
    assert_eq!(late, Compacted::Stale);
    assert_eq!(
        two.compact(&a, merge(&seen_by_two, "two")).await.unwrap(),
        done(1)
    );
    assert_eq!(two.load(&a).await.unwrap().snapshot.unwrap().update, "two");

    // Done is done: the next one is free for all.
    assert_eq!(database.count("leases").await, 0);
    put(&one, &a, [3]).await;
    assert_eq!(compact_all(&one, &a, "one").await, done(2));
}

/// A claim whose time is up is still good when nobody has taken it over.
#[tokio::test]
async fn a_late_compaction_that_nobody_took_over_is_done() {
    let (store, database) = super::fresh().await;
    put(&store, &doc("a"), 0..3).await;
    assert!(store.claim_compaction(&doc("a")).await.unwrap());
    database
        .run("UPDATE leases SET ends_at = now() - interval '1 second'")
        .await;
    assert_eq!(compact_all(&store, &doc("a"), "x").await, done(1));
}
