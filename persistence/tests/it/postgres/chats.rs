//! Chats of several nodes on one database.

use std::time::Duration;

use roomtone_persistence::{ChatQuery, PostgresStore, Store, StoreError};

use super::Database;
use crate::contract::chatting::{assert_all_in_order, done, post, read, user};
use crate::contract::{doc, put};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn eight_who_post_at_once_on_two_nodes_lose_and_double_nothing() {
    const EACH: u64 = 20;
    let database = Database::new().await;
    let (one, two) = (database.open().await, database.open().await);
    let a = doc("a");
    // Nobody has made the document or its chat yet: that is raced for as well.
    let write = async |store: &PostgresStore, who: String| {
        for n in 0..EACH {
            done(store, &a, &user(&who), &post(&format!("{who}-{n}"), "x")).await;
        }
    };
    let edit = async |store: &PostgresStore, first: u64| {
        for n in first..first + EACH {
            put(store, &a, [n]).await;
        }
    };
    let all = async {
        tokio::join!(
            write(&one, "a".into()),
            write(&one, "b".into()),
            write(&one, "c".into()),
            write(&one, "d".into()),
            write(&two, "e".into()),
            write(&two, "f".into()),
            write(&two, "g".into()),
            write(&two, "h".into()),
            edit(&one, 0),
            edit(&two, 1_000),
        )
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    for store in [&one, &two] {
        assert_all_in_order(store, &a, 8 * EACH).await;
    }
    // The same message, tried on both nodes at once.
    let again = post("again-0", "x");
    let by = user("i");
    let (first, second) = tokio::join!(done(&one, &a, &by, &again), done(&two, &a, &by, &again));
    assert_eq!(first, second);
    assert_eq!(first.seq, 8 * EACH + 1);
}

/// Whoever follows changes by their numbers never sees one before those below it.
#[tokio::test]
async fn changes_become_visible_in_the_order_of_their_numbers() {
    let database = Database::new().await;
    let (one, two, three) = (
        database.open().await,
        database.open().await,
        database.open().await,
    );
    let a = doc("a");
    let write = async |store: &PostgresStore, who: &str| {
        for n in 0..30 {
            done(store, &a, &user(who), &post(&format!("{who}-{n}"), "x")).await;
        }
    };
    let follow = async {
        let mut seen = 0;
        while seen < 60 {
            let page = read(&three, &a, ChatQuery::After(seen), 200).await;
            for message in page.messages {
                assert_eq!(message.change, seen + 1);
                seen = message.change;
            }
        }
    };
    let all = async { tokio::join!(write(&one, "a"), write(&two, "b"), follow) };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
}

/// A message that takes long to write does not hold up edits of its document. A deletion waits for it, and takes it along.
#[tokio::test]
async fn edits_do_not_wait_for_a_chat_and_a_deletion_does() {
    let (store, database) = super::fresh().await;
    let a = doc("a");
    put(&store, &a, [0]).await;
    done(&store, &a, &user("ada"), &post("k-1", "x")).await;
    let mut blocker = database.server.connection(&database.name).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE chat_messages IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let store = std::sync::Arc::new(store);
    let posting = {
        let store = store.clone();
        tokio::spawn(async move { done(&*store, &doc("a"), &user("ada"), &post("k-2", "x")).await })
    };
    database.until_waiting(1).await;
    let edits = async {
        put(&*store, &a, [1]).await;
        put(&*store, &doc("b"), [1]).await;
    };
    tokio::time::timeout(Duration::from_secs(5), edits).await.unwrap();
    let deleting = {
        let store = store.clone();
        tokio::spawn(async move { store.delete(&doc("a")).await })
    };
    database.until_waiting(2).await;
    sqlx::raw_sql("COMMIT").execute(&mut blocker).await.unwrap();
    assert_eq!(posting.await.unwrap().seq, 2);
    deleting.await.unwrap().unwrap();
    assert_eq!(read(&*store, &a, ChatQuery::Last, 10).await.count, 0);
    assert_eq!(database.count("chat_messages").await, 0);
}

#[tokio::test]
async fn what_is_damaged_or_not_there_is_an_error_and_no_empty_chat() {
    let (store, database) = super::fresh().await;
    let a = doc("a");
    done(&store, &a, &user("ada"), &post("k-1", "x")).await;
    database.run("UPDATE chat_messages SET body = 'nonsense'").await;
    let chats = store.chats().unwrap();
    let damaged = chats.read(&a, ChatQuery::Last, 10, None).await;
    assert!(matches!(damaged, Err(StoreError::Corrupt(_))), "{damaged:?}");
    database
        .run("ALTER TABLE chat_messages RENAME TO elsewhere")
        .await;
    let missing = chats.read(&a, ChatQuery::Last, 10, None).await;
    assert!(matches!(missing, Err(StoreError::Schema(_))), "{missing:?}");
}
