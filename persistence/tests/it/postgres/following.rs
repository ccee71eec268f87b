//! Hearing of what other nodes write through the log.

use std::time::{Duration, Instant};

use roomtone_persistence::limits::FOLLOW_POLL_MS;
use roomtone_persistence::{DocId, Followed, Follower, PostgresStore, Record, Store};

use super::Database;
use crate::contract::{compact_all, doc, done, put, records};

/// Looks until there is something.
async fn next(follower: &mut Follower<'_>) -> Vec<Followed> {
    loop {
        let followed = follower.next().await.unwrap();
        if !followed.is_empty() {
            return followed;
        }
    }
}

async fn watch(follower: &mut Follower<'_>, store: &PostgresStore, doc: &DocId) {
    follower.watch(doc, &store.load(doc).await.unwrap());
}

fn told(followed: Vec<Followed>, expected: &DocId) -> Vec<Record> {
    let mut records = Vec::new();
    for one in followed {
        match one {
            Followed::Row(doc, row) if doc == *expected => records.extend(row.records),
            other => panic!("{other:?}"),
        }
    }
    records
}

#[tokio::test]
async fn what_another_node_writes_is_told_once_and_ones_own_never() {
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let (a, b, new) = (doc("a"), doc("b"), doc("new"));
    put(&one, &a, [0]).await;
    put(&two, &a, [1]).await;
    let mut follower = two.follow();
    watch(&mut follower, &two, &a).await;
    watch(&mut follower, &two, &new).await;
    put(&one, &b, [5]).await;
    put(&two, &a, [2]).await;
    put(&one, &a, [3, 4]).await;
    assert_eq!(told(next(&mut follower).await, &a), records([3, 4]));
    put(&one, &new, [6]).await;
    assert_eq!(told(next(&mut follower).await, &new), records([6]));
    follower.forget(&new);
    put(&one, &new, [7]).await;
    put(&one, &a, [8]).await;
    assert_eq!(told(next(&mut follower).await, &a), records([8]));
    assert_eq!(follower.next().await.unwrap(), []);
}

#[tokio::test]
async fn an_announcement_is_faster_than_looking() {
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let a = doc("a");
    put(&one, &a, [0]).await;
    one.announce(true);
    let mut follower = two.follow();
    watch(&mut follower, &two, &a).await;
    assert_eq!(follower.next().await.unwrap(), []);
    let mut fastest = Duration::MAX;
    for n in 1..6 {
        // The listener is there by then, and has lost its connection once.
        if n == 3 {
            database
                .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
                .await;
            fastest = Duration::MAX;
        }
        let since = Instant::now();
        let (followed, ()) = tokio::join!(next(&mut follower), put(&one, &a, [n]));
        assert_eq!(told(followed, &a), records([n]));
        fastest = fastest.min(since.elapsed());
    }
    assert!(fastest < Duration::from_millis(FOLLOW_POLL_MS / 2), "{fastest:?}");
}

#[tokio::test]
async fn what_a_compaction_took_away_is_loaded() {
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let a = doc("a");
    put(&one, &a, [0]).await;
    let mut follower = two.follow();
    watch(&mut follower, &two, &a).await;
    put(&one, &a, [1]).await;
    assert_eq!(compact_all(&one, &a, "0 1").await, done(1));
    assert_eq!(next(&mut follower).await, [Followed::Reload(a.clone())]);
    watch(&mut follower, &two, &a).await;
    put(&one, &a, [2]).await;
    assert_eq!(told(next(&mut follower).await, &a), records([2]));
    one.delete(&a).await.unwrap();
    assert_eq!(next(&mut follower).await, [Followed::Reload(a)]);
}
