//! The contract, kept in a file, and what only a file can do.

use std::path::{Path, PathBuf};

use roomtone_persistence::{ChatQuery, Epoch, SqliteStore, Store, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;

use crate::contract::damaged::Ground;
use crate::contract::{batch, chatting, compact_all, doc, done, history, logged, put, records};

async fn fresh() -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (SqliteStore::open(&path(&folder)).await.unwrap(), folder)
}

contract_suite!(super::fresh);
damage_suite!(super::fresh);

impl Ground for TempDir {
    type Store = SqliteStore;

    async fn vandalise(&self, statement: &str) {
        vandalise(&path(self), statement).await;
    }

    async fn open_again(&self) -> SqliteStore {
        SqliteStore::open(&path(self)).await.unwrap()
    }
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("deep/er/roomtone.db")
}

/// Another connection to the same file, as a vandal would open it.
async fn vandal(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .connect()
        .await
        .unwrap()
}

/// Changes rows of a database behind the back of its store.
pub(crate) async fn vandalise(path: &Path, statement: &str) {
    let mut connection = vandal(path).await;
    let done = sqlx::query(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
    connection.close().await.unwrap();
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (store, folder) = fresh().await;
    let (a, b) = (doc("a"), doc("b"));
    put(&store, &a, 0..3).await;
    assert_eq!(compact_all(&store, &a, "snapshot").await, done(1));
    put(&store, &a, 3..5).await;
    store.delete(&b).await.unwrap();
    let posted = chatting::done(&store, &a, &chatting::user("ada"), &chatting::post("k", "hi")).await;
    let before = store.load(&a).await.unwrap();
    store.close().await;
    drop(store);
    let store = SqliteStore::open(&path(&folder)).await.unwrap();
    assert_eq!(store.load(&a).await.unwrap(), before);
    assert_eq!(store.load(&b).await.unwrap().epoch, Epoch(2));
    assert_eq!(history(&store, &a, 2).await, records(0..5));
    let chat = chatting::read(&store, &a, ChatQuery::Last, 10).await;
    assert_eq!(chat.messages, [posted]);
    store.check().await.unwrap();
}

#[tokio::test]
async fn what_was_appended_survives_without_a_close() {
    let (store, folder) = fresh().await;
    // The second and the third are in the tail.
    for n in 0..3 {
        put(&store, &doc("a"), [n]).await;
    }
    // What a killed process leaves behind: the files as they are.
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(path(&copy).parent().unwrap()).unwrap();
    for suffix in ["", "-wal", "-tail0", "-tail1"] {
        let file = |folder| format!("{}{suffix}", path(folder).display());
        let copied = std::fs::copy(file(&folder), file(&copy));
        assert!(copied.is_ok() || suffix == "-tail0", "{suffix}");
    }
    let copied = SqliteStore::open(&path(&copy)).await.unwrap();
    assert_eq!(logged(&copied.load(&doc("a")).await.unwrap().rows), records(0..3));
}

#[tokio::test]
async fn a_second_opener_is_told_so() {
    let (store, folder) = fresh().await;
    let refused = SqliteStore::open(&path(&folder)).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::InUse(text) if text.contains("another process")),
        "{refused}"
    );
    assert!(!refused.is_retryable());
    store.close().await;
    SqliteStore::open(&path(&folder)).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (store, folder) = fresh().await;
    store.close().await;
    let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                  VALUES (9999, 'from the future', TRUE, x'00', 0)";
    vandalise(&path(&folder), insert).await;
    let refused = SqliteStore::open(&path(&folder)).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Schema(text) if text.contains("newer")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_stuck_database_fails_and_heals() {
    let (store, folder) = fresh().await;
    put(&store, &doc("a"), [0]).await;
    let mut other = vandal(&path(&folder)).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    // What cannot wait in the tail.
    let refused = store.append(&[batch(&doc("b"), [0])]).await.unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    assert_eq!(store.load(&doc("a")).await.unwrap().rows.len(), 1);
    // What can, is on the disk; it is read when the table takes it.
    put(&store, &doc("a"), [1]).await;
    assert!(store.load(&doc("a")).await.unwrap_err().is_retryable());
    other.close().await.unwrap();
    put(&store, &doc("a"), [2]).await;
    assert_eq!(
        logged(&store.load(&doc("a")).await.unwrap().rows),
        records([0, 1, 2])
    );
}

#[tokio::test]
async fn a_dropped_append_happened_or_did_not() {
    let (store, _folder) = fresh().await;
    put(&store, &doc("a"), [0]).await;
    for polls in 0..40 {
        let (a, b) = (doc("a"), doc("b"));
        let batches = [batch(&a, [polls]), batch(&b, [polls])];
        let append = store.append(&batches);
        tokio::pin!(append);
        for _ in 0..polls {
            if poll_once(append.as_mut()).await {
                break;
            }
        }
    }
    put(&store, &doc("a"), [100]).await;
    let a = logged(&store.load(&doc("a")).await.unwrap().rows);
    let b = logged(&store.load(&doc("b")).await.unwrap().rows);
    assert_eq!(a[1..a.len() - 1], b[..]);
    assert_eq!(a.last().unwrap(), &records([100])[0]);
}

/// Polls once, lets other tasks and SQLite's thread run, and says whether it was ready.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    let ready =
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready()))
            .await;
    tokio::task::yield_now().await;
    ready
}

#[tokio::test]
async fn a_schema_that_breaks_at_run_time_is_an_error_every_time() {
    let (store, folder) = fresh().await;
    put(&store, &doc("a"), [0]).await;
    let mut connection = vandal(&path(&folder)).await;
    let statement = "PRAGMA writable_schema = ON; \
                     UPDATE sqlite_master SET sql = replace(sql, 'epoch INTEGER', 'epoch ' || CAST(x'ff' AS TEXT)); \
                     PRAGMA schema_version = 1000;";
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    for _ in 0..6 {
        assert!(matches!(store.load(&doc("a")).await, Err(StoreError::Corrupt(_))));
        assert!(matches!(
            store.append(&[batch(&doc("b"), [1])]).await,
            Err(StoreError::Corrupt(_))
        ));
        assert!(matches!(
            store.delete(&doc("a")).await,
            Err(StoreError::Corrupt(_))
        ));
        assert!(matches!(store.health().await, Err(StoreError::Corrupt(_))));
    }
    store.close().await;
    assert!(matches!(
        SqliteStore::open(&path(&folder)).await,
        Err(StoreError::Corrupt(_))
    ));
}
