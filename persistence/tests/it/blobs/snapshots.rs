//! Snapshots in blobs, and what becomes of documents whose blobs are away, changed or gone.

use std::time::Duration;

use roomtone_persistence::{Compacted, Damaged, Generation, SqliteStore, Store, StoreError};

use super::s3::Server;
use super::{database, in_files, objects_in, open};
use crate::contract::{compact_all, doc, done, history, logged, merge, put, records};

#[tokio::test]
async fn only_large_snapshots_become_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = in_files(folder.path()).snapshots_from(10);
    let store = SqliteStore::open_with_blobs(&database(folder.path()), blobs)
        .await
        .unwrap();
    put(&store, &doc("a"), 0..2).await;
    put(&store, &doc("b"), 0..2).await;
    assert_eq!(compact_all(&store, &doc("a"), "nine byte").await, done(1));
    let at = folder.path().join("blobs");
    assert_eq!(objects_in(&at).len(), 0);
    assert_eq!(compact_all(&store, &doc("a"), "ten bytes!").await, done(2));
    assert_eq!(objects_in(&at).len(), 1);
    // The same bytes are kept once, and as long as somebody refers to them.
    assert_eq!(compact_all(&store, &doc("b"), "ten bytes!").await, done(1));
    assert_eq!(objects_in(&at).len(), 1);
    store.delete(&doc("b")).await.unwrap();
    assert_eq!(store.collect_blobs(Duration::ZERO).await.unwrap(), 0);
    let stored = store.load(&doc("a")).await.unwrap();
    assert_eq!(stored.snapshot.unwrap().update, "ten bytes!");
    store.delete(&doc("a")).await.unwrap();
    assert_eq!(store.collect_blobs(Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(store.collect_blobs(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(objects_in(&at).len(), 0);
}

#[tokio::test]
async fn what_is_replaced_is_collected_and_the_fallback_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let a = doc("a");
    for (generation, text) in (1..).zip(["one", "two", "three", "four"]) {
        put(&store, &a, [generation]).await;
        assert_eq!(compact_all(&store, &a, text).await, done(generation));
    }
    assert_eq!(objects_in(&folder.path().join("blobs")).len(), 4);
    assert_eq!(store.collect_blobs(Duration::ZERO).await.unwrap(), 2);
    assert_eq!(objects_in(&folder.path().join("blobs")).len(), 2);
    assert_eq!(store.load(&a).await.unwrap().snapshot.unwrap().update, "four");
    assert_eq!(history(&store, &a, 10).await, records(1..5));
}

#[tokio::test]
async fn a_lost_blob_is_replaced_by_the_one_before_and_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let a = doc("a");
    let at = folder.path().join("blobs");
    put(&store, &a, 0..2).await;
    assert_eq!(compact_all(&store, &a, "one").await, done(1));
    let first = objects_in(&at);
    put(&store, &a, 2..4).await;
    assert_eq!(compact_all(&store, &a, "two").await, done(2));
    put(&store, &a, 4..6).await;
    put(&store, &doc("b"), 0..2).await;
    assert_eq!(compact_all(&store, &doc("b"), "other").await, done(1));
    let second = objects_in(&at)
        .into_iter()
        .find(|path| std::fs::read(path).unwrap() == b"two")
        .unwrap();

    for harm in [Some(&b"tWo"[..]), Some(b"t"), None] {
        match harm {
            Some(bytes) => std::fs::write(&second, bytes).unwrap(),
            None => std::fs::remove_file(&second).unwrap(),
        }
        let stored = store.load(&a).await.unwrap();
        assert_eq!(stored.snapshot.as_ref().unwrap().update, "one");
        assert_eq!(logged(&stored.recovered), records(2..4));
        assert_eq!(logged(&stored.rows), records(4..6));
        let damage: Vec<_> = stored.damage.iter().map(|damage| damage.what).collect();
        assert_eq!(damage, [Damaged::Snapshot(Generation(2))]);
        let text = stored.damage[0].to_string();
        assert!(text.contains("sha256/"), "{text}");
        // It is of that document only.
        assert_eq!(store.load(&doc("b")).await.unwrap().damage, []);
    }
    std::fs::remove_file(&first[0]).unwrap();
    let stored = store.load(&a).await.unwrap();
    assert_eq!((stored.snapshot.as_ref(), stored.damage.len()), (None, 2));
    assert_eq!(logged(&stored.recovered), records(0..4));

    // The next merge heals it, also when it has the same bytes.
    assert_eq!(store.compact(&a, merge(&stored, "two")).await.unwrap(), done(3));
    let stored = store.load(&a).await.unwrap();
    assert_eq!(
        (stored.snapshot.unwrap().update, stored.damage),
        ("two".into(), vec![])
    );
    assert_eq!(history(&store, &a, 10).await, records(0..6));
}

#[tokio::test]
async fn while_the_blob_store_is_away_the_log_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start().await;
    let blobs = server.blobs().snapshots_from(4);
    let store = SqliteStore::open_with_blobs(&database(folder.path()), blobs)
        .await
        .unwrap();
    let (large, small) = (doc("large"), doc("small"));
    put(&store, &large, 0..2).await;
    put(&store, &small, 0..2).await;
    assert_eq!(compact_all(&store, &large, "large").await, done(1));
    let loaded = store.load(&large).await.unwrap();

    server.stop().await;
    put(&store, &large, 2..4).await;
    put(&store, &small, 2..4).await;
    assert_eq!(compact_all(&store, &small, "sml").await, done(1));
    assert_eq!(store.load(&small).await.unwrap().snapshot.unwrap().update, "sml");
    let refused = store.load(&large).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable(_)) && refused.is_retryable(),
        "{refused}"
    );
    let refused = store.compact(&large, merge(&loaded, "larger")).await.unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    assert_eq!(history(&store, &large, 10).await, records(0..4));
    store.delete(&doc("other")).await.unwrap();
    store.health().await.unwrap();

    server.start_again().await;
    let stored = store.load(&large).await.unwrap();
    assert_eq!(stored.snapshot.as_ref().unwrap().update, "large");
    assert_eq!(
        (logged(&stored.rows), &stored.damage[..]),
        (records(2..4), &[][..])
    );
    assert_eq!(compact_all(&store, &large, "larger").await, done(2));
}

#[tokio::test]
async fn a_database_with_blobs_is_not_opened_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    let store = SqliteStore::open(&path).await.unwrap();
    put(&store, &doc("a"), 0..2).await;
    assert_eq!(compact_all(&store, &doc("a"), "inside").await, done(1));
    store.close().await;
    // What is in the database stays there until the next merge.
    let store = open(folder.path()).await;
    assert_eq!(
        store.load(&doc("a")).await.unwrap().snapshot.unwrap().update,
        "inside"
    );
    put(&store, &doc("a"), 2..4).await;
    assert_eq!(compact_all(&store, &doc("a"), "outside").await, done(2));
    store.close().await;
    let refused = SqliteStore::open(&path).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Misconfigured(text) if text.contains("--blobs")),
        "{refused}"
    );
    let store = open(folder.path()).await;
    assert_eq!(
        store.load(&doc("a")).await.unwrap().snapshot.unwrap().update,
        "outside"
    );
}

/// Somebody collected the blob between its put and the commit: nothing refers to it.
#[tokio::test]
async fn a_snapshot_whose_blob_was_collected_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let a = doc("a");
    put(&store, &a, 0..2).await;
    let before = store.load(&a).await.unwrap();
    let merge = merge(&before, "snapshot");
    let blobs = folder.path().join("blobs");
    // Collects as soon as there is something to be collected.
    let collect = async {
        while objects_in(&blobs).is_empty() {
            tokio::task::yield_now().await;
        }
        store.collect_blobs(Duration::ZERO).await.unwrap()
    };
    let (compacted, collected) = tokio::join!(store.compact(&a, merge), collect);
    let stored = store.load(&a).await.unwrap();
    assert_eq!(stored.damage, []);
    match compacted.unwrap() {
        Compacted::Stale => assert_eq!((stored, collected), (before, 1)),
        Compacted::Done(_) => assert_eq!(
            (stored.snapshot.unwrap().update, collected),
            ("snapshot".into(), 0)
        ),
    }
}
