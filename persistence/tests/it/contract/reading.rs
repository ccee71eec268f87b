//! Promises of history, listings and quarantine.

use bytes::Bytes;
use roomtone_persistence::limits::QUARANTINE_PER_DOC_MAX;
use roomtone_persistence::{DocId, Record, Store};

use super::{compact_all, doc, done, history, logged, put, record, records};

pub(crate) async fn history_is_read_in_pages(store: &dyn Store) {
    let a = doc("a");
    put(store, &a, 0..10).await;
    put(store, &a, 10..200).await;
    let page = store.history(&a, None, 15).await.unwrap();
    assert_eq!(page.records, records(0..15));
    let page = store.history(&a, page.next, 185).await.unwrap();
    assert_eq!((page.records, page.next), (records(15..200), None));
    let page = store.history(&a, None, 0).await.unwrap();
    assert_eq!((page.records, page.next), (vec![], None));
}

pub(crate) async fn a_compaction_between_two_pages_repeats_and_skips_nothing(store: &dyn Store) {
    let a = doc("a");
    put(store, &a, 0..5).await;
    put(store, &a, 5..10).await;
    let first = store.history(&a, None, 7).await.unwrap();
    assert_eq!(compact_all(store, &a, "x").await, done(1));
    put(store, &a, 10..12).await;
    let second = store.history(&a, first.next, 4).await.unwrap();
    assert_eq!(compact_all(store, &a, "y").await, done(2));
    let third = store.history(&a, second.next, 100).await.unwrap();
    assert_eq!(third.next, None);
    assert_eq!(
        [first.records, second.records, third.records].concat(),
        records(0..12)
    );
}

pub(crate) async fn history_of_an_unknown_document_is_empty(store: &dyn Store) {
    let page = store.history(&doc("a"), None, 10).await.unwrap();
    assert_eq!((page.records, page.next, page.damage), (vec![], None, vec![]));
}

pub(crate) async fn listings_are_read_in_pages(store: &dyn Store) {
    for name in ["b", "a", "d", "c", "aa"] {
        put(store, &doc(name), [0]).await;
        put(
            store,
            &DocId::new("other", &format!("{name}-other")).unwrap(),
            [0],
        )
        .await;
    }
    store.delete(&doc("c")).await.unwrap();
    let names = async |after: Option<&str>, limit| -> Vec<String> {
        let page = store.list("default", after, limit).await.unwrap();
        assert!(page.iter().all(|info| info.created_ms > 1_600_000_000_000));
        page.iter().map(|info| info.doc.name().to_owned()).collect()
    };
    assert_eq!(names(None, 10).await, ["a", "aa", "b", "d"]);
    assert_eq!(names(None, 2).await, ["a", "aa"]);
    assert_eq!(names(Some("aa"), 2).await, ["b", "d"]);
    assert_eq!(names(Some("d"), 2).await, [""; 0]);
    assert_eq!(store.list("nobody", None, 10).await.unwrap(), []);
}

pub(crate) async fn a_quarantined_update_is_kept_and_never_comes_back(store: &dyn Store) {
    let (a, b) = (doc("a"), doc("b"));
    let anonymous = Record {
        user: None,
        client: u64::MAX,
        ..record(100)
    };
    store
        .quarantine(&a, &anonymous, "before anything was written")
        .await
        .unwrap();
    assert!(!store.exists(&a).await.unwrap());
    put(store, &a, 0..3).await;
    put(store, &b, 0..3).await;
    store.quarantine(&a, &record(1), "it's \"broken\"").await.unwrap();
    store.quarantine(&a, &record(1), "again").await.unwrap();
    let kept = store.quarantined(&a).await.unwrap();
    assert_eq!(
        kept.iter().map(|kept| kept.record.clone()).collect::<Vec<_>>(),
        [anonymous, record(1)]
    );
    assert_eq!(kept[1].reason, "it's \"broken\"");
    for n in 1..3 {
        assert_eq!(
            logged(&store.load(&a).await.unwrap().rows),
            if n == 1 { records([0, 2]) } else { vec![] }
        );
        assert_eq!(history(store, &a, 1).await, records([0, 2]));
        assert_eq!(compact_all(store, &a, "x").await, done(n));
    }
    assert_eq!(logged(&store.load(&b).await.unwrap().rows), records(0..3));
    assert_eq!(store.quarantined(&b).await.unwrap(), []);
    store.delete(&a).await.unwrap();
    assert_eq!(store.quarantined(&a).await.unwrap(), []);
}

pub(crate) async fn quarantine_is_bounded(store: &dyn Store) {
    let all = QUARANTINE_PER_DOC_MAX as u64 + 5;
    for n in 0..all {
        let update = Bytes::from(n.to_le_bytes().to_vec());
        store
            .quarantine(&doc("a"), &Record { update, ..record(n) }, &"é".repeat(2_000))
            .await
            .unwrap();
    }
    assert_eq!(
        store.quarantined(&doc("a")).await.unwrap().len(),
        QUARANTINE_PER_DOC_MAX
    );
}
