//! The store that fails on request.

use std::time::Duration;

use roomtone_persistence::{ChatQuery, FaultyStore, MemoryStore, Store, StoreError};

use crate::contract::{batch, chatting, doc, logged, put, records};

fn faulty() -> FaultyStore<MemoryStore> {
    FaultyStore::new(MemoryStore::new())
}

#[tokio::test]
async fn appends_fail_until_they_are_healed() {
    let store = faulty();
    store.faults().fail_appends(true);
    let answer = store.append(&[batch(&doc("a"), [0])]).await;
    assert!(matches!(&answer, Err(error) if error.is_retryable()));
    assert!(matches!(store.health().await, Err(StoreError::Unavailable(_))));
    assert!(!store.exists(&doc("a")).await.unwrap());
    store.faults().fail_appends(false);
    put(&store, &doc("a"), [0]).await;
    store.health().await.unwrap();
    assert_eq!(store.faults().appends(), 2);
}

#[tokio::test]
async fn a_lost_answer_is_stored_all_the_same() {
    let store = faulty();
    store.faults().lose_answers(true);
    assert!(store.append(&[batch(&doc("a"), [0])]).await.is_err());
    store.faults().lose_answers(false);
    put(&store, &doc("a"), [0]).await;
    assert_eq!(
        logged(&store.load(&doc("a")).await.unwrap().rows),
        records([0, 0])
    );
}

#[tokio::test(start_paused = true)]
async fn loads_fail_and_wait() {
    let store = faulty();
    store.faults().fail_loads(true);
    store.faults().delay_loads(Duration::from_secs(60));
    let begun = tokio::time::Instant::now();
    assert!(store.load(&doc("a")).await.is_err());
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
    store.faults().delay_appends(Duration::from_secs(5));
    put(&store, &doc("a"), [0]).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(65));
    assert_eq!(store.faults().loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn chats_fail_wait_and_lose_answers_as_documents_do() {
    let store = faulty();
    let (a, ada) = (doc("a"), chatting::user("ada"));
    let chats = store.chats().unwrap();
    store.faults().fail_appends(true);
    let hi = chatting::post("k", "hi");
    assert!(chats.change(&a, &ada, &hi).await.is_err());
    assert!(chats.mark_read(&a, "ada", 1).await.is_err());
    store.faults().fail_appends(false);
    store.faults().lose_answers(true);
    assert!(chats.change(&a, &ada, &hi).await.is_err());
    store.faults().lose_answers(false);
    // It was stored, and is not stored again.
    store.faults().delay_appends(Duration::from_secs(5));
    store.faults().delay_loads(Duration::from_secs(60));
    let begun = tokio::time::Instant::now();
    assert_eq!(chatting::done(&store, &a, &ada, &hi).await.seq, 1);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!(chatting::read(&store, &a, ChatQuery::Last, 10).await.count, 1);
    assert_eq!(begun.elapsed(), Duration::from_secs(65));
    store.faults().fail_loads(true);
    assert!(chats.read(&a, ChatQuery::Last, 10, None).await.is_err());
    assert_eq!(store.faults().chat_changes(), 3);
}
