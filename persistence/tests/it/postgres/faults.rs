//! A server that is killed, paused, or not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use roomtone_persistence::{AppendId, Appended, PostgresStore, Record, Store, StoreError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Server;
use crate::contract::{batch, compact_all, doc, history, logged, put, records};

/// How long a store may take to come back once its server is there again.
const HEALED_SECONDS_MAX: u64 = 10;

/// Appends as the server's saver does: the same batch under the same name until there is an answer.
async fn insist(store: &PostgresStore, n: u64) -> u64 {
    let id = AppendId::fresh();
    let batches = [batch(&doc("a"), [n])];
    let mut failures = 0;
    loop {
        match store.append_once(id, &batches).await {
            Ok(appended) => {
                assert_eq!(appended, [Appended::Stored]);
                return failures;
            }
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                failures += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_and_doubles_nothing() {
    let mut server = Server::start();
    let name = server.database().await;
    let store = PostgresStore::open(server.options(&name)).await.unwrap();
    let (acknowledged, failures) = (AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let write = async {
        let mut n = 0;
        while !is_over.load(Ordering::SeqCst) {
            failures.fetch_add(insist(&store, n).await, Ordering::SeqCst);
            n += 1;
            acknowledged.store(n, Ordering::SeqCst);
        }
        n
    };
    let compact = async {
        while !is_over.load(Ordering::SeqCst) {
            if let Ok(stored) = store.load(&doc("a")).await {
                let _ = store
                    .compact(&doc("a"), crate::contract::merge(&stored, "x"))
                    .await;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    let harm = async {
        for _ in 0..3 {
            until_more(&acknowledged, 50).await;
            tokio::task::block_in_place(|| server.kill());
            let known = acknowledged.load(Ordering::SeqCst);
            tokio::task::block_in_place(|| server.start_again());
            let since = Instant::now();
            until_more(&acknowledged, 1).await;
            assert!(since.elapsed() < Duration::from_secs(HEALED_SECONDS_MAX));
            // What was acknowledged before is there, and in order.
            let found = history_in_the_end(&store).await;
            assert!(found.len() as u64 >= known, "{} of {known}", found.len());
            assert_eq!(found, records(0..found.len() as u64));
        }
        is_over.store(true, Ordering::SeqCst);
    };
    let (count, (), ()) = tokio::join!(write, compact, harm);
    assert!(count > 150 && failures.load(Ordering::SeqCst) > 0);
    assert_eq!(history(&store, &doc("a"), 10_000).await, records(0..count));
    assert_eq!(store.load(&doc("a")).await.unwrap().damage, []);
}

/// A call may still meet a connection that died with the server.
async fn history_in_the_end(store: &PostgresStore) -> Vec<Record> {
    loop {
        match store.history(&doc("a"), None, 10_000).await {
            Ok(page) => {
                assert_eq!((page.damage, page.next), (vec![], None));
                return page.records;
            }
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
}

async fn until_more(counter: &AtomicU64, more: u64) {
    let target = counter.load(Ordering::SeqCst) + more;
    while counter.load(Ordering::SeqCst) < target {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_acknowledges_nothing_and_then_everything_once() {
    let server = Server::start();
    let name = server.database().await;
    let store = PostgresStore::open(server.options(&name)).await.unwrap();
    put(&store, &doc("a"), [0]).await;
    server.pause();
    let id = AppendId::fresh();
    let batches = [batch(&doc("a"), [1])];
    // The first attempt is given up, as by a caller with a deadline of its own; the server has it all the same.
    let given_up = tokio::time::timeout(Duration::from_secs(1), store.append_once(id, &batches)).await;
    assert!(given_up.is_err());
    // New connections get no answer either, and say so in bounded time.
    let refused = store.append_once(id, &batches).await.unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    let again = async {
        while store.append_once(id, &batches).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let since = async {
        server.go_on();
        Instant::now()
    };
    let ((), since) = tokio::join!(again, since);
    assert!(since.elapsed() < Duration::from_secs(HEALED_SECONDS_MAX));
    put(&store, &doc("a"), [2]).await;
    assert_eq!(logged(&store.load(&doc("a")).await.unwrap().rows), records(0..3));
}

/// A call that waits for a paused server is answered when that goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_outlives_a_short_pause() {
    let server = Server::start();
    let name = server.database().await;
    let store = PostgresStore::open(server.options(&name)).await.unwrap();
    put(&store, &doc("a"), [0]).await;
    server.pause();
    let batches = [batch(&doc("a"), [1])];
    let calls = async { tokio::join!(store.append(&batches), store.health()) };
    let resume = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.go_on();
    };
    let ((appended, health), ()) = tokio::join!(calls, resume);
    assert_eq!(appended.unwrap(), [Appended::Stored]);
    health.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_unavailable_and_is_found_again() {
    let mut server = Server::start();
    let name = server.database().await;
    let store = PostgresStore::open(server.options(&name)).await.unwrap();
    put(&store, &doc("a"), 0..2).await;
    tokio::task::block_in_place(|| server.kill());
    for _ in 0..2 {
        let since = Instant::now();
        let load = store.load(&doc("a")).await.unwrap_err();
        let append = store.append(&[batch(&doc("a"), [9])]).await.unwrap_err();
        let opened = PostgresStore::open(server.options(&name)).await.unwrap_err();
        for error in [load, append, opened] {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
        assert!(since.elapsed() < Duration::from_secs(20));
    }
    tokio::task::block_in_place(|| server.start_again());
    let since = Instant::now();
    while store.health().await.is_err() {}
    assert!(since.elapsed() < Duration::from_secs(HEALED_SECONDS_MAX));
    assert_eq!(logged(&store.load(&doc("a")).await.unwrap().rows), records(0..2));
    assert_eq!(
        compact_all(&store, &doc("a"), "x").await,
        crate::contract::done(1)
    );
    // Closing does not wait for a server that is gone.
    tokio::task::block_in_place(|| server.kill());
    store.close().await;
    assert_eq!(store.health().await, Err(StoreError::Closed));
}

/// How long a dead connection may keep an append.
const DEAD_SECONDS_MAX: u64 = 20;

/// The way to a server, which can lose all that is under way without a word.
struct Path {
    port: u16,
    lost: Arc<watch::Sender<u64>>,
}

impl Path {
    async fn to(server: &Server) -> Path {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = server.port();
        let lost = Arc::new(watch::Sender::new(0));
        let losses = lost.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut loss = losses.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                        _ = loss.changed() => {}
                    }
                    // Both sides believe in it.
                    std::future::pending::<()>().await;
                });
            }
        });
        Path { port, lost }
    }

    /// Connections that are open are dead from now on; new ones get through.
    fn lose(&self) {
        self.lost.send_modify(|count| *count += 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_without_a_word_are_found_out() {
    let server = Server::start();
    let name = server.database().await;
    let path = Path::to(&server).await;
    let store = PostgresStore::open(server.options_over(path.port, &name))
        .await
        .unwrap();
    put(&store, &doc("a"), [0]).await;
    // One dies below a call, and one that lies idle.
    let (appended, ()) = tokio::join!(insist(&store, 1), async {
        path.lose();
    });
    path.lose();
    let since = Instant::now();
    insist(&store, 2).await;
    assert!(
        since.elapsed() < Duration::from_secs(DEAD_SECONDS_MAX),
        "{:?}, {appended}",
        since.elapsed()
    );
    assert_eq!(logged(&store.load(&doc("a")).await.unwrap().rows), records(0..3));
}
