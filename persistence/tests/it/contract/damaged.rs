//! What a database whose rows were changed by somebody else still promises.

use roomtone_persistence::{Damaged, Generation, RowId, Store, StoreError};

use super::{batch, compact_all, doc, done, logged, merge, put, put_row, records};

/// A database that tests can reach behind the back of its store.
pub(crate) trait Ground {
    type Store: Store;

    /// Changes rows, at least one of them. Bytes are written as in SQLite: `x'00'`.
    async fn vandalise(&self, statement: &str);

    /// Opens the database again, after the store was closed.
    async fn open_again(&self) -> Self::Store;
}

/// Makes one test of each promise. `$fresh` is an async function that returns an empty store and its [`Ground`].
macro_rules! damage_suite {
    ($fresh:path) => {
        mod damaged {
            damage_suite!(@tests $fresh,
                a_bad_snapshot_is_replaced_by_the_one_before_and_the_archive,
                without_any_snapshot_the_archive_holds_everything,
                a_damaged_row_is_left_in_place_and_named,
                a_damaged_document_row_is_never_an_empty_document,
            );
        }
    };
    (@tests $fresh:path, $($promise:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                crate::contract::damaged::$promise($fresh).await;
            }
        )*
    };
}

pub(crate) async fn a_bad_snapshot_is_replaced_by_the_one_before_and_the_archive<G: Ground>(
    fresh: impl AsyncFn() -> (G::Store, G),
) {
    let (store, ground) = fresh().await;
    let a = doc("a");
    put(&store, &a, 0..2).await;
    assert_eq!(compact_all(&store, &a, "one").await, done(1));
    put(&store, &a, 2..4).await;
    assert_eq!(compact_all(&store, &a, "two").await, done(2));
    put(&store, &a, 4..6).await;
    ground
        .vandalise("UPDATE snapshots SET state = x'00' WHERE generation = 2")
        .await;

    let stored = store.load(&a).await.unwrap();
    assert_eq!(stored.snapshot.as_ref().unwrap().update, "one");
    assert_eq!(logged(&stored.recovered), records(2..4));
    assert_eq!(logged(&stored.rows), records(4..6));
    assert_eq!(
        stored.damage.iter().map(|damage| damage.what).collect::<Vec<_>>(),
        [Damaged::Snapshot(Generation(2))]
    );
    assert_eq!(stored.updates().count(), 5);

    // The next merge heals it: it keeps the intact base as its fallback, and the damaged one for inspection.
    assert_eq!(store.compact(&a, merge(&stored, "three")).await.unwrap(), done(3));
    assert_eq!(store.load(&a).await.unwrap().damage, []);
    ground
        .vandalise("UPDATE snapshots SET state = x'00' WHERE generation = 3")
        .await;
    let stored = store.load(&a).await.unwrap();
    assert_eq!(stored.snapshot.as_ref().unwrap().update, "one");
    assert_eq!(logged(&stored.recovered), records(2..6));
    assert_eq!(stored.damage.len(), 2);
}

pub(crate) async fn without_any_snapshot_the_archive_holds_everything<G: Ground>(
    fresh: impl AsyncFn() -> (G::Store, G),
) {
    let (store, ground) = fresh().await;
    let a = doc("a");
    for n in 0..4 {
        put(&store, &a, [n]).await;
        assert_eq!(compact_all(&store, &a, "x").await, done(n + 1));
    }
    put(&store, &a, [4]).await;
    ground.vandalise("DELETE FROM snapshots").await;
    let stored = store.load(&a).await.unwrap();
    assert_eq!((stored.snapshot.clone(), stored.damage.len()), (None, 1));
    assert_eq!(
        [logged(&stored.recovered), logged(&stored.rows)].concat(),
        records(0..5)
    );
    ground
        .vandalise("UPDATE archive SET rows = x'00' WHERE segment = 2")
        .await;
    let stored = store.load(&a).await.unwrap();
    assert_eq!(logged(&stored.recovered), records([0, 2, 3]));
    assert_eq!(stored.damage.last().unwrap().what, Damaged::Segment(2));
    assert_eq!(store.history(&a, None, 10).await.unwrap().damage.len(), 1);
}

pub(crate) async fn a_damaged_row_is_left_in_place_and_named<G: Ground>(
    fresh: impl AsyncFn() -> (G::Store, G),
) {
    for (statement, reason) in [
        ("UPDATE log SET records = x'0100' WHERE id = 2", "checksum"),
        ("UPDATE log SET crc32 = crc32 + 1 WHERE id = 2", "checksum"),
        ("UPDATE log SET epoch = 7 WHERE id = 2", "checksum"),
        ("UPDATE log SET id = 20 WHERE id = 2", ""),
    ] {
        let (store, ground) = fresh().await;
        for n in 0..3 {
            put_row(&store, &doc("a"), [n]).await;
        }
        ground.vandalise(statement).await;
        let stored = store.load(&doc("a")).await.unwrap();
        if reason.is_empty() {
            // A row may move: merging does not depend on the order.
            assert_eq!((stored.rows.len(), stored.damage.len()), (3, 0));
            continue;
        }
        assert_eq!(logged(&stored.rows), records([0, 2]), "{statement}");
        assert!(
            stored.damage[0].to_string().contains(reason),
            "{}",
            stored.damage[0]
        );
        let page = store.history(&doc("a"), None, 10).await.unwrap();
        assert_eq!((page.records, page.damage.len()), (records([0, 2]), 1));
        // Compaction of the others leaves it where it is; to merge it is refused.
        let mut wrong = merge(&stored, "x");
        wrong.rows.push(RowId(2));
        assert!(matches!(
            store.compact(&doc("a"), wrong).await,
            Err(StoreError::Corrupt(_))
        ));
        assert_eq!(
            store.compact(&doc("a"), merge(&stored, "x")).await.unwrap(),
            done(1)
        );
        assert_eq!(store.load(&doc("a")).await.unwrap().damage.len(), 1);
    }
}

pub(crate) async fn a_damaged_document_row_is_never_an_empty_document<G: Ground>(
    fresh: impl AsyncFn() -> (G::Store, G),
) {
    for column in ["epoch", "generation", "created_ms", "crc32"] {
        let (store, ground) = fresh().await;
        put(&store, &doc("a"), [0]).await;
        store.close().await;
        ground
            .vandalise(&format!("UPDATE documents SET {column} = {column} + 1"))
            .await;
        let store = ground.open_again().await;
        assert!(
            matches!(store.load(&doc("a")).await, Err(StoreError::Corrupt(_))),
            "{column}"
        );
        assert!(
            matches!(
                store.append(&[batch(&doc("a"), [1])]).await,
                Err(StoreError::Corrupt(_))
            ),
            "{column}"
        );
        put(&store, &doc("b"), [0]).await;
    }
}
