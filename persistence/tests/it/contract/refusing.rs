//! What is refused, and what a refusal leaves behind.

use roomtone_persistence::limits::UPDATE_BYTES_MAX;
use roomtone_persistence::{Appended, Batch, Epoch, Store, StoreError};

use super::{batch, doc, logged, put, record, records};

pub(crate) async fn an_update_that_is_too_large_stores_nothing(store: &dyn Store) {
    let mut large = batch(&doc("b"), [1]);
    large.records[0].update = vec![0; UPDATE_BYTES_MAX + 1].into();
    let answer = store
        .append(&[batch(&doc("a"), [0]), large, batch(&doc("c"), [2])])
        .await;
    assert_eq!(
        answer,
        Err(StoreError::TooLarge {
            bytes: UPDATE_BYTES_MAX + 1
        })
    );
    for name in ["a", "b", "c"] {
        assert!(!store.exists(&doc(name)).await.unwrap());
    }
}

pub(crate) async fn a_stale_batch_is_refused_alone(store: &dyn Store) {
    let (a, b) = (doc("a"), doc("b"));
    put(store, &a, [0]).await;
    put(store, &b, [0]).await;
    let epoch = store.delete(&a).await.unwrap();
    assert_eq!(epoch, Epoch(2));
    let stale = batch(&a, [1]);
    let fresh = Batch {
        epoch,
        ..batch(&a, [2])
    };
    let answer = store
        .append(&[stale.clone(), batch(&b, [1]), fresh, stale])
        .await
        .unwrap();
    let expected = [
        Appended::StaleEpoch,
        Appended::Stored,
        Appended::Stored,
        Appended::StaleEpoch,
    ];
    assert_eq!(answer, expected);
    let stored = store.load(&a).await.unwrap();
    assert_eq!((stored.epoch, logged(&stored.rows)), (epoch, records([2])));
    assert_eq!(logged(&store.load(&b).await.unwrap().rows), records([0, 1]));
}

pub(crate) async fn an_epoch_of_the_future_is_refused(store: &dyn Store) {
    let future = Batch {
        doc: doc("a"),
        epoch: Epoch(2),
        records: vec![record(1)],
    };
    assert_eq!(store.append(&[future]).await.unwrap(), [Appended::StaleEpoch]);
    assert!(!store.exists(&doc("a")).await.unwrap());
}

pub(crate) async fn a_closed_store_says_so(store: &dyn Store) {
    put(store, &doc("a"), [0]).await;
    store.close().await;
    store.close().await;
    assert_eq!(store.load(&doc("a")).await, Err(StoreError::Closed));
    assert_eq!(
        store.append(&[batch(&doc("a"), [1])]).await,
        Err(StoreError::Closed)
    );
    assert_eq!(store.health().await, Err(StoreError::Closed));
    assert!(!StoreError::Closed.is_retryable());
}
