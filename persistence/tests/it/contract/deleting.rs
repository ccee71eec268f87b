//! Promises of deletion.

use roomtone_persistence::{Appended, Batch, Epoch, Generation, Store, Stored};

use super::{batch, compact_all, doc, done, history, logged, put, records};

pub(crate) async fn deletion_leaves_only_the_epoch(store: &dyn Store) {
    let (a, b) = (doc("a"), doc("b"));
    put(store, &a, 0..2).await;
    put(store, &b, 0..2).await;
    assert_eq!(compact_all(store, &a, "x").await, done(1));
    put(store, &a, 2..4).await;
    assert_eq!(store.delete(&a).await.unwrap(), Epoch(2));
    assert_eq!(store.load(&a).await.unwrap(), Stored::empty(Epoch(2)));
    assert!(!store.exists(&a).await.unwrap());
    assert_eq!(history(store, &a, 10).await, []);
    assert_eq!(logged(&store.load(&b).await.unwrap().rows), records(0..2));
}

pub(crate) async fn an_unknown_document_can_be_deleted(store: &dyn Store) {
    assert_eq!(store.delete(&doc("a")).await.unwrap(), Epoch(2));
    assert_eq!(store.delete(&doc("a")).await.unwrap(), Epoch(3));
    assert!(!store.exists(&doc("a")).await.unwrap());
    assert_eq!(
        store.append(&[batch(&doc("a"), [0])]).await.unwrap(),
        [Appended::StaleEpoch]
    );
}

pub(crate) async fn a_deleted_document_can_be_written_anew(store: &dyn Store) {
    let a = doc("a");
    put(store, &a, 0..2).await;
    assert_eq!(compact_all(store, &a, "x").await, done(1));
    let epoch = store.delete(&a).await.unwrap();
    let anew = Batch {
        epoch,
        ..batch(&a, 5..7)
    };
    assert_eq!(store.append(&[anew]).await.unwrap(), [Appended::Stored]);
    assert!(store.exists(&a).await.unwrap());
    assert_eq!(store.list("default", None, 10).await.unwrap()[0].epoch, epoch);
    let stored = store.load(&a).await.unwrap();
    assert_eq!(
        (stored.generation, logged(&stored.rows)),
        (Generation::NONE, records(5..7))
    );
    assert_eq!(compact_all(store, &a, "y").await, done(1));
    assert_eq!(history(store, &a, 10).await, records(5..7));
    assert_eq!(store.delete(&a).await.unwrap(), Epoch(3));
}
