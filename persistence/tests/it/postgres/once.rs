//! Appends whose answers are lost, and that are stored once all the same.

use std::time::Duration;

use roomtone_persistence::limits::APPENDS_ANSWERED_COUNT_MAX;
use roomtone_persistence::{AppendId, Appended, Compacted, FaultyStore, PostgresStore, Store, StoreError};

use crate::contract::{batch, compact_all, doc, history, logged, put, records};

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_stored_once() {
    let (store, database) = super::fresh().await;
    let store = FaultyStore::new(store);
    let faults = store.faults();
    // An append of a new document and one of a known one go different ways.
    for n in 0..4 {
        let id = AppendId::fresh();
        let batches = [batch(&doc("a"), [n]), batch(&doc("b"), [n, n + 100])];
        faults.lose_answers(true);
        for _ in 0..3 {
            assert!(store.append_once(id, &batches).await.is_err());
        }
        faults.lose_answers(false);
        assert_eq!(
            store.append_once(id, &batches).await.unwrap(),
            [Appended::Stored; 2]
        );
    }
    assert_eq!(logged(&store.load(&doc("a")).await.unwrap().rows), records(0..4));
    assert_eq!(store.load(&doc("b")).await.unwrap().rows.len(), 4);
    assert_eq!(database.count("appends").await, 4);
}

#[tokio::test]
async fn appends_that_were_answered_are_forgotten() {
    let (store, database) = super::fresh().await;
    for n in 0..2 * APPENDS_ANSWERED_COUNT_MAX as u64 {
        put(&store, &doc("a"), [n]).await;
    }
    let kept = database.count("appends").await as usize;
    assert!(
        (APPENDS_ANSWERED_COUNT_MAX / 2..=APPENDS_ANSWERED_COUNT_MAX + 1).contains(&kept),
        "{kept}"
    );
    // What a run leaves behind goes a day later, when the next one begins.
    store.close().await;
    database
        .run("UPDATE appends SET committed_at = committed_at - interval '25 hours'")
        .await;
    let _ = database.open().await;
    assert_eq!(database.count("appends").await, 0);
}

#[tokio::test]
async fn the_answer_stays_the_same_whatever_happened_since() {
    let (store, database) = super::fresh().await;
    let other = database.open().await;
    let (a, b) = (doc("a"), doc("b"));
    put(&store, &a, [0]).await;
    other.delete(&b).await.unwrap();
    let id = AppendId::fresh();
    let batches = [batch(&a, [1]), batch(&b, [1])];
    let answer = [Appended::Stored, Appended::StaleEpoch];
    assert_eq!(store.append_once(id, &batches).await.unwrap(), answer);
    // Compacted away by another node: not stored again.
    assert!(matches!(compact_all(&other, &a, "x").await, Compacted::Done(_)));
    assert_eq!(store.append_once(id, &batches).await.unwrap(), answer);
    assert_eq!(history(&store, &a, 10).await, records(0..2));
    assert_eq!(store.load(&a).await.unwrap().rows, []);
    // Deleted by another node: it was stored all the same.
    other.delete(&a).await.unwrap();
    assert_eq!(store.append_once(id, &batches).await.unwrap(), answer);
    assert!(!store.exists(&a).await.unwrap());
    // Other batches under the same name are not acknowledged.
    let wrong = store.append_once(id, &[batch(&a, [2])]).await;
    assert!(matches!(wrong, Err(StoreError::Corrupt(_))), "{wrong:?}");
}

#[tokio::test]
async fn a_dropped_append_that_is_tried_again_is_stored_once() {
    let (store, _database) = super::fresh().await;
    for n in 0..60 {
        let id = AppendId::fresh();
        let batches = [batch(&doc("a"), [n]), batch(&doc(&format!("new {}", n / 2)), [n])];
        // Somewhere on the way to the server and back; the server may go on with it.
        let patience = Duration::from_micros(n * 97);
        let _ = tokio::time::timeout(patience, store.append_once(id, &batches)).await;
        assert_eq!(
            store.append_once(id, &batches).await.unwrap(),
            [Appended::Stored; 2]
        );
    }
    assert_eq!(logged(&store.load(&doc("a")).await.unwrap().rows), records(0..60));
    for n in 0..30 {
        let stored = store.load(&doc(&format!("new {n}"))).await.unwrap();
        assert_eq!(logged(&stored.rows), records([n * 2, n * 2 + 1]));
    }
}

/// The first attempt hangs in the server when the second one arrives.
#[tokio::test]
async fn a_second_attempt_waits_for_the_first() {
    let (store, database) = super::fresh().await;
    put(&store, &doc("a"), [0]).await;
    // Holds up whoever inserts.
    let mut other = database.server.connection(&database.name).await;
    let run = |statement: &'static str| sqlx::raw_sql(statement);
    run("BEGIN; LOCK TABLE log IN SHARE MODE")
        .execute(&mut other)
        .await
        .unwrap();
    let id = AppendId::fresh();
    let batches = [batch(&doc("a"), [1])];
    let attempt = || store.append_once(id, &batches);
    let (first, second, ()) = tokio::join!(attempt(), attempt(), async {
        database.until_waiting(2).await;
        run("ROLLBACK").execute(&mut other).await.unwrap();
    });
    assert_eq!(
        (first.unwrap(), second.unwrap()),
        (vec![Appended::Stored], vec![Appended::Stored])
    );
    assert_eq!(logged(&store.load(&doc("a")).await.unwrap().rows), records(0..2));
}

/// Two runs may use the same numbers: they count for themselves.
#[tokio::test]
async fn names_are_of_one_run() {
    let (store, database) = super::fresh().await;
    let other: PostgresStore = database.open().await;
    let id = AppendId::fresh();
    for store in [&store, &other] {
        let _ = store.append_once(id, &[batch(&doc("a"), [7])]).await.unwrap();
    }
    assert_eq!(store.load(&doc("a")).await.unwrap().rows.len(), 2);
}
