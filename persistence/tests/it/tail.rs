//! A tail of the log that was cut off, damaged or taken elsewhere, as after a loss of power.

use std::fs;
use std::path::{Path, PathBuf};

use roomtone_persistence::{Epoch, Record, SqliteStore, Store};
use tempfile::TempDir;

use crate::contract::{doc, logged, put, records};

/// The files of a process that ended without a word, and the bytes of its tail.
struct Left {
    folder: TempDir,
    database: PathBuf,
    tail: Vec<u8>,
}

impl Left {
    /// How much of the tail was written to.
    fn used(&self) -> usize {
        self.tail.iter().rposition(|byte| *byte != 0).unwrap() + 1
    }
}

const APPENDS_COUNT: u64 = 8;

/// One record in the table, the others in the tail.
async fn left() -> Left {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("a.db");
    let store = SqliteStore::open(&database).await.unwrap();
    put(&store, &doc("a"), [0]).await;
    // The table alone is in the file then, and nothing in the write-ahead log.
    store.close().await;
    let store = SqliteStore::open(&database).await.unwrap();
    assert!(store.exists(&doc("a")).await.unwrap());
    // The first append after a start looks the document up, and goes into the table.
    put(&store, &doc("a"), [1]).await;
    for n in 2..APPENDS_COUNT {
        put(&store, &doc("a"), [n]).await;
    }
    let tail = fs::read(with(&database, "-tail1")).unwrap();
    let copy = folder.path().join("copy.db");
    for suffix in ["", "-wal"] {
        fs::copy(with(&database, suffix), with(&copy, suffix)).unwrap();
    }
    Left {
        folder,
        database: copy,
        tail,
    }
}

impl Left {
    /// A start with this tail, and what is found then.
    async fn open(&self, number: usize, tail: &[u8]) -> Vec<Record> {
        let copy = self.folder.path().join(number.to_string());
        fs::create_dir(&copy).unwrap();
        for suffix in ["", "-wal"] {
            fs::copy(with(&self.database, suffix), with(&copy.join("a.db"), suffix)).unwrap();
        }
        fs::write(copy.join("a.db-tail1"), tail).unwrap();
        let store = SqliteStore::open(&copy.join("a.db")).await.unwrap();
        let found = logged(&store.load(&doc("a")).await.unwrap().rows);
        put(&store, &doc("a"), [99]).await;
        let again = logged(&store.load(&doc("a")).await.unwrap().rows);
        assert_eq!(again[..found.len()], found);
        assert_eq!(again.len(), found.len() + 1);
        store.close().await;
        found
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}

#[tokio::test]
async fn a_cut_tail_loses_its_end_and_nothing_else() {
    let left = left().await;
    let used = left.used();
    let mut lengths = std::collections::BTreeSet::new();
    for (number, end) in (0..=used).step_by(7).chain([used]).enumerate() {
        let mut cut = left.tail[..end].to_vec();
        if number % 2 == 0 {
            // The file keeps its size: it was filled with zeros before.
            cut.resize(left.tail.len(), 0);
        }
        let found = left.open(number, &cut).await;
        assert_eq!(found, records(0..found.len() as u64), "cut at {end} of {used}");
        lengths.insert(found.len() as u64);
    }
    assert_eq!(lengths, (2..=APPENDS_COUNT).collect());
}

#[tokio::test]
async fn a_damaged_tail_loses_what_is_damaged_and_nothing_else() {
    let left = left().await;
    let used = left.used();
    for (number, at) in (0..used).step_by(5).enumerate() {
        let mut damaged = left.tail.clone();
        damaged[at] ^= [0x01, 0xff, 0x80, 0x10][number % 4];
        let found = left.open(number, &damaged).await;
        let all = records(0..APPENDS_COUNT);
        assert!(found.iter().all(|record| all.contains(record)), "byte {at}");
        assert_eq!(found.len() as u64, APPENDS_COUNT - 1, "byte {at} of {used}");
        let kept = left.folder.path().join(format!("{number}/a.db-tail1.damaged"));
        // Of a damage at the end nobody can tell that anything was there.
        assert!(kept.exists() || !found.contains(&all[APPENDS_COUNT as usize - 1]));
    }
}

/// Whoever puts an older database back beside a newer tail, or the tail of another database, gets what fits.
#[tokio::test]
async fn a_tail_of_another_database_is_passed_over() {
    let (left, other) = (left().await, left().await);
    let found = left.open(0, &other.tail).await;
    assert_eq!(found, records(0..2));
}

/// A store with four records, the last three of them in the tail, and the bytes of that.
async fn four_appends() -> (SqliteStore, TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("a.db");
    let store = SqliteStore::open(&database).await.unwrap();
    for n in 0..4 {
        put(&store, &doc("a"), [n]).await;
    }
    let tail = fs::read(with(&database, "-tail1")).unwrap();
    (store, folder, tail)
}

/// A process that ends in the middle of a fold leaves both: the rows are there once.
#[tokio::test]
async fn a_tail_that_was_folded_is_not_folded_again() {
    let (store, folder, tail) = four_appends().await;
    let database = folder.path().join("a.db");
    store.close().await;
    fs::write(with(&database, "-tail1"), tail).unwrap();
    let store = SqliteStore::open(&database).await.unwrap();
    assert_eq!(logged(&store.load(&doc("a")).await.unwrap().rows), records(0..4));
}

/// What was acknowledged before a deletion is deleted, and does not come back with the next start.
#[tokio::test]
async fn what_a_deleted_document_left_in_the_tail_is_gone() {
    let (store, folder, tail) = four_appends().await;
    let database = folder.path().join("a.db");
    assert_eq!(store.delete(&doc("a")).await.unwrap(), Epoch(2));
    let empty = store.load(&doc("a")).await.unwrap();
    assert_eq!((empty.rows.len(), empty.damage.len()), (0, 0));
    store.close().await;
    fs::write(with(&database, "-tail1"), tail).unwrap();
    let store = SqliteStore::open(&database).await.unwrap();
    let empty = store.load(&doc("a")).await.unwrap();
    assert_eq!((empty.rows.len(), empty.damage.len()), (0, 0));
}

/// Both files take turns many times while several write, read and compact at once, and nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(SqliteStore::open(&folder.path().join("a.db")).await.unwrap());
    let writers = ["a", "b", "c"].map(|name| {
        let store = store.clone();
        tokio::spawn(async move {
            let doc = doc(name);
            for n in 0..400u64 {
                let mut batch = crate::contract::batch(&doc, [n]);
                batch.records[0].update = vec![n as u8; 3_000].into();
                let _ = store.append(&[batch]).await.unwrap();
                if n % 97 == 0 {
                    assert_eq!(store.load(&doc).await.unwrap().updates().count() as u64, n + 1);
                }
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    for name in ["a", "b", "c"] {
        let found = crate::contract::history(&*store, &doc(name), 1_000).await;
        let times: Vec<u8> = found.iter().map(|record| record.update[0]).collect();
        assert_eq!(times, (0..400u64).map(|n| n as u8).collect::<Vec<_>>());
    }
}
