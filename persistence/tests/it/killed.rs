//! A process that is killed while it writes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use roomtone_persistence::{SqliteStore, Store};

use crate::contract::{batch, compact_all, doc, history, records};

const DATABASE: &str = "ROOMTONE_TEST_KILLED_DATABASE";

/// What an append returned for is there after kill -9, in order and once, whatever the process was doing.
#[tokio::test]
async fn what_was_reported_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut reported = 0;
    for patience in [1, 7, 40, 150] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "killed::the_process_that_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(DATABASE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut numbers = lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(|line| line.parse::<u64>().ok());
        reported = numbers.by_ref().nth(patience).unwrap();
        child.kill().unwrap();
        // What it had reported before the kill reached it.
        reported = numbers.last().unwrap_or(reported);
        child.wait().unwrap();

        let store = SqliteStore::open(&path).await.unwrap();
        let found = history(&store, &doc("a"), 1_000).await;
        assert!(found.len() as u64 > reported, "{} of {reported}", found.len());
        assert_eq!(found, records(0..found.len() as u64));
        assert_eq!(store.load(&doc("a")).await.unwrap().damage, []);
    }
    assert!(reported > 190);
}

/// Not a test: the other process of the one above. Appends and compacts without end, and says what is on the disk.
#[tokio::test]
#[ignore = "runs as a child of what_was_reported_survives_a_kill"]
async fn the_process_that_is_killed() {
    let Ok(path) = std::env::var(DATABASE) else { return };
    let store = SqliteStore::open(path.as_ref()).await.unwrap();
    let begin = history(&store, &doc("a"), 1_000).await.len() as u64;
    for n in begin.. {
        let _ = store.append(&[batch(&doc("a"), [n])]).await.unwrap();
        // Not println: the test harness would keep it.
        writeln!(std::io::stdout(), "{n}").unwrap();
        if n % 10 == 9 {
            let _ = compact_all(&store, &doc("a"), "snapshot").await;
        }
    }
}
