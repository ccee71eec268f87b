//! Promises of compaction.

use roomtone_persistence::{Compacted, Epoch, Generation, RowId, Store};

use super::{compact_all, doc, done, history, logged, merge, put, put_row, records};

pub(crate) async fn exactly_the_merged_rows_leave_the_log(store: &dyn Store) {
    let (a, b) = (doc("a"), doc("b"));
    put(store, &b, 0..5).await;
    put_row(store, &a, 0..2).await;
    put_row(store, &a, 2..4).await;
    put_row(store, &a, 4..6).await;
    let loaded = store.load(&a).await.unwrap();
    put(store, &a, 6..8).await;
    let mut first = merge(&loaded, "0 1 4 5");
    first.rows.remove(1);
    assert_eq!(store.compact(&a, first).await.unwrap(), done(1));
    let stored = store.load(&a).await.unwrap();
    assert_eq!(logged(&stored.rows), records([2, 3, 6, 7]));
    let snapshot = stored.snapshot.unwrap();
    assert_eq!(
        (&snapshot.update[..], &snapshot.state_vector[..]),
        (&b"0 1 4 5"[..], &b"vector of 0 1 4 5"[..])
    );
    assert_eq!(
        (snapshot.generation, stored.generation),
        (Generation(1), Generation(1))
    );
    assert_eq!((stored.damage, stored.recovered), (vec![], vec![]));
    assert_eq!(logged(&store.load(&b).await.unwrap().rows), records(0..5));
}

pub(crate) async fn the_second_of_two_compactions_is_refused(store: &dyn Store) {
    let a = doc("a");
    put(store, &a, 0..2).await;
    let loaded = store.load(&a).await.unwrap();
    put(store, &a, 2..4).await;
    assert_eq!(store.compact(&a, merge(&loaded, "first")).await.unwrap(), done(1));
    let before = store.load(&a).await.unwrap();
    assert_eq!(
        store.compact(&a, merge(&loaded, "second")).await.unwrap(),
        Compacted::Stale
    );
    let mut without_rows = merge(&loaded, "second");
    without_rows.rows.clear();
    assert_eq!(store.compact(&a, without_rows).await.unwrap(), Compacted::Stale);
    assert_eq!(store.load(&a).await.unwrap(), before);
}

pub(crate) async fn a_compaction_of_a_deleted_document_is_refused(store: &dyn Store) {
    let a = doc("a");
    put(store, &a, 0..2).await;
    let loaded = store.load(&a).await.unwrap();
    store.delete(&a).await.unwrap();
    assert_eq!(
        store.compact(&a, merge(&loaded, "x")).await.unwrap(),
        Compacted::Stale
    );
    let mut of_tombstone = merge(&loaded, "x");
    of_tombstone.epoch = Epoch(2);
    of_tombstone.rows.clear();
    assert_eq!(store.compact(&a, of_tombstone).await.unwrap(), Compacted::Stale);
    assert_eq!(store.load(&a).await.unwrap().snapshot, None);
}

pub(crate) async fn a_compaction_of_an_unknown_document_is_refused(store: &dyn Store) {
    let loaded = store.load(&doc("a")).await.unwrap();
    assert_eq!(
        store.compact(&doc("a"), merge(&loaded, "x")).await.unwrap(),
        Compacted::Stale
    );
    assert!(!store.exists(&doc("a")).await.unwrap());
}

pub(crate) async fn a_row_that_is_gone_refuses_the_compaction(store: &dyn Store) {
    let (a, b) = (doc("a"), doc("b"));
    put(store, &a, 0..2).await;
    put(store, &b, 0..2).await;
    let before = store.load(&a).await.unwrap();
    let of_b = store.load(&b).await.unwrap().rows[0].id;
    for stranger in [RowId(of_b.0 + 1_000), of_b, RowId(-1)] {
        let mut wrong = merge(&before, "x");
        wrong.rows.push(stranger);
        assert_eq!(store.compact(&a, wrong).await.unwrap(), Compacted::Stale);
    }
    assert_eq!(store.load(&a).await.unwrap(), before);
    assert_eq!(store.load(&b).await.unwrap().rows.len(), 1);
    let mut repeated = merge(&before, "x");
    repeated.rows.push(before.rows[0].id);
    assert_eq!(store.compact(&a, repeated).await.unwrap(), done(1));
}

pub(crate) async fn a_compaction_without_rows_writes_a_snapshot(store: &dyn Store) {
    let a = doc("a");
    put(store, &a, 0..2).await;
    assert_eq!(compact_all(store, &a, "one").await, done(1));
    assert_eq!(compact_all(store, &a, "two").await, done(2));
    assert_eq!(store.load(&a).await.unwrap().snapshot.unwrap().update, "two");
}

pub(crate) async fn generations_count_up(store: &dyn Store) {
    let a = doc("a");
    for generation in 1..6 {
        put(store, &a, [generation]).await;
        assert_eq!(compact_all(store, &a, "again").await, done(generation));
        let stored = store.load(&a).await.unwrap();
        assert_eq!((stored.generation, stored.rows), (Generation(generation), vec![]));
    }
    assert_eq!(history(store, &a, 2).await, records(1..6));
}

pub(crate) async fn history_survives_compaction(store: &dyn Store) {
    let a = doc("a");
    for round in 0..10 {
        for n in 0..7 {
            put(store, &a, (round * 21 + n * 3)..(round * 21 + n * 3 + 3)).await;
        }
        if round % 3 != 2 {
            assert!(matches!(compact_all(store, &a, "x").await, Compacted::Done(_)));
        }
        assert_eq!(history(store, &a, 1_000).await, records(0..(round + 1) * 21));
    }
    for page_size in [1, 2, 20, 21, 22, 209, 210, 211] {
        assert_eq!(
            history(store, &a, page_size).await,
            records(0..210),
            "pages of {page_size}"
        );
    }
}

pub(crate) async fn history_keeps_its_order_when_a_row_is_left_behind(store: &dyn Store) {
    let a = doc("a");
    for n in 0..6 {
        put_row(store, &a, [n * 2, n * 2 + 1]).await;
    }
    let mut first = merge(&store.load(&a).await.unwrap(), "all but two");
    let left = [first.rows.remove(4), first.rows.remove(1)];
    assert_eq!(store.compact(&a, first).await.unwrap(), done(1));
    for page_size in 1..14 {
        assert_eq!(
            history(store, &a, page_size).await,
            records(0..12),
            "pages of {page_size}"
        );
    }
    let mut second = merge(&store.load(&a).await.unwrap(), "one more");
    second.rows = vec![left[1]];
    assert_eq!(store.compact(&a, second).await.unwrap(), done(2));
    put(store, &a, 12..14).await;
    for page_size in 1..16 {
        assert_eq!(
            history(store, &a, page_size).await,
            records(0..14),
            "pages of {page_size}"
        );
    }
}
