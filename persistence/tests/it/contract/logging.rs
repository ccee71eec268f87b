//! Promises of append and load.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use roomtone_persistence::{Appended, Batch, DocId, Epoch, Record, Store, Stored};

use super::{batch, doc, logged, put, put_row, record, records};

pub(crate) async fn an_unknown_document_is_empty_and_stays_unknown(store: &dyn Store) {
    assert_eq!(store.load(&doc("a")).await.unwrap(), Stored::empty(Epoch::FIRST));
    assert!(!store.exists(&doc("a")).await.unwrap());
    assert_eq!(store.list("default", None, 10).await.unwrap(), []);
}

pub(crate) async fn what_is_appended_is_loaded_in_order(store: &dyn Store) {
    let a = doc("a");
    put_row(store, &a, 0..3).await;
    put_row(store, &a, 3..4).await;
    put_row(store, &a, 4..100).await;
    let stored = store.load(&a).await.unwrap();
    assert_eq!(stored.rows.len(), 3);
    assert!(stored.rows.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(logged(&stored.rows), records(0..100));
    assert_eq!(stored.updates().cloned().collect::<Vec<_>>().len(), 100);
    assert_eq!(
        (stored.epoch, stored.snapshot, stored.damage),
        (Epoch::FIRST, None, vec![])
    );
    assert!(store.exists(&a).await.unwrap());
}

pub(crate) async fn attribution_comes_back_as_it_went(store: &dyn Store) {
    let edge = |user: Option<&str>, client, time_ms, update: &'static [u8]| Record {
        user: user.map(Arc::from),
        client,
        time_ms,
        update: Bytes::from_static(update),
    };
    let records = vec![
        edge(None, 0, 0, b""),
        edge(Some(""), 1, 1, b"\0"),
        edge(Some("日本語 ' \" % \0"), u64::MAX, u64::MAX, b"\xff\xfe"),
        edge(Some("x"), (1 << 53) - 1, 1_760_000_000_000, b"x"),
    ];
    let batch = Batch {
        doc: doc("a"),
        epoch: Epoch::FIRST,
        records: records.clone(),
    };
    let _ = store.append(&[batch]).await.unwrap();
    assert_eq!(logged(&store.load(&doc("a")).await.unwrap().rows), records);
    assert_eq!(super::history(store, &doc("a"), 1).await, records);
}

pub(crate) async fn one_append_serves_many_documents(store: &dyn Store) {
    let docs: Vec<DocId> = (0..150)
        .map(|n| DocId::new(["x", "y"][n % 2], &format!("{}", n / 2)).unwrap())
        .collect();
    // The same document may come more than once, and its batches keep their order.
    for round in 0..2 {
        let mut batches: Vec<Batch> = docs.iter().map(|doc| batch(doc, [round])).collect();
        batches.extend(docs.iter().map(|doc| batch(doc, [round + 10, round + 20])));
        assert_eq!(store.append(&batches).await.unwrap(), vec![Appended::Stored; 300]);
    }
    for doc in &docs {
        let stored = store.load(doc).await.unwrap();
        assert_eq!(logged(&stored.rows), records([0, 10, 20, 1, 11, 21]), "{doc}");
    }
}

pub(crate) async fn an_empty_append_writes_nothing(store: &dyn Store) {
    assert_eq!(store.append(&[]).await.unwrap(), []);
    assert_eq!(
        store.append(&[batch(&doc("a"), [])]).await.unwrap(),
        [Appended::Stored]
    );
    assert!(!store.exists(&doc("a")).await.unwrap());
}

pub(crate) async fn a_repeated_append_is_kept_twice(store: &dyn Store) {
    put(store, &doc("a"), 0..2).await;
    put(store, &doc("a"), 0..2).await;
    assert_eq!(
        logged(&store.load(&doc("a")).await.unwrap().rows),
        records([0, 1, 0, 1])
    );
}

pub(crate) async fn large_updates_come_back(store: &dyn Store) {
    let large = |bytes: usize, fill: u8| Record {
        update: vec![fill; bytes].into(),
        ..record(1)
    };
    let all = vec![
        large(20 << 20, 1),
        record(2),
        large(3 << 20, 3),
        large(7 << 20, 4),
        record(5),
    ];
    let batch = Batch {
        doc: doc("a"),
        epoch: Epoch::FIRST,
        records: all.clone(),
    };
    assert_eq!(store.append(&[batch]).await.unwrap(), [Appended::Stored]);
    assert!(logged(&store.load(&doc("a")).await.unwrap().rows) == all);
    assert_eq!(
        super::compact_all(store, &doc("a"), "large").await,
        super::done(1)
    );
    assert!(super::history(store, &doc("a"), 100).await == all);
}

pub(crate) async fn appends_run_side_by_side(store: &dyn Store) {
    let (a, b) = (doc("a"), doc("b"));
    let one = |n: u64| {
        let batches = [batch(&a, [n]), batch(&b, [n + 1000])];
        async move { store.append(&batches).await.unwrap() }
    };
    let all = async { tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5), one(6), one(7)) };
    let (_, seen) = tokio::join!(all, async { store.load(&a).await.unwrap().rows.len() });
    assert!(seen <= 8);
    let numbers = |stored: Stored| -> BTreeSet<u64> {
        logged(&stored.rows)
            .iter()
            .map(|record| record.client / 1_000_003)
            .collect()
    };
    assert_eq!(numbers(store.load(&a).await.unwrap()), (0..8).collect());
    assert_eq!(numbers(store.load(&b).await.unwrap()), (1000..1008).collect());
}

pub(crate) async fn names_are_opaque(store: &dyn Store) {
    let names = [
        "a",
        "A",
        "á",
        "a\u{301}",
        "a/b",
        "/",
        "..",
        "../../etc/passwd",
        "%",
        "%2f",
        "_",
        "' OR 1=1 --",
        "'; DROP TABLE documents; --",
        "\"",
        "\\",
        "?1",
        "$1",
        ":name",
        " ",
        "a ",
        "名前",
        "🦀",
        "\u{202e}x",
        "NULL",
        "1",
    ];
    let long = "ä".repeat(256);
    let names: Vec<&str> = names.into_iter().chain([long.as_str()]).collect();
    let docs: Vec<DocId> = names
        .iter()
        .flat_map(|name| {
            [
                DocId::new("default", name).unwrap(),
                DocId::new("o'brien", name).unwrap(),
            ]
        })
        .collect();
    for (n, doc) in (0..).zip(&docs) {
        put(store, doc, [n]).await;
    }
    for (n, doc) in (0..).zip(&docs) {
        assert_eq!(
            logged(&store.load(doc).await.unwrap().rows),
            records([n]),
            "{doc:?}"
        );
    }
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let listed = store.list("o'brien", None, 100).await.unwrap();
    assert_eq!(
        listed.iter().map(|info| info.doc.name()).collect::<Vec<_>>(),
        sorted
    );
}

pub(crate) async fn health_is_found_out_by_writing(store: &dyn Store) {
    store.health().await.unwrap();
    store.health().await.unwrap();
}
