//! A database file whose bytes changed.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use roomtone_persistence::{DocId, Record, SqliteStore, Store, StoreError, Stored};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::contract::{compact_all, doc, done, put};

/// A small database with something in every table, and what is in it.
struct Sample {
    folder: TempDir,
    bytes: Vec<u8>,
    stored: BTreeMap<DocId, (Stored, Vec<Record>)>,
}

async fn sample() -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    // Small pages: more of the bytes are structure, and all of them can be tried.
    let small = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .page_size(512);
    small
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    let (a, b, c) = (doc("a"), doc("b"), doc("c"));
    for n in 0..4 {
        put(&store, &a, n * 10..n * 10 + 3).await;
        put(&store, &b, n * 10..n * 10 + 6).await;
    }
    assert_eq!(compact_all(&store, &a, "one").await, done(1));
    put(&store, &a, 50..53).await;
    assert_eq!(compact_all(&store, &a, "two").await, done(2));
    put(&store, &a, 60..80).await;
    store
        .quarantine(&b, &crate::contract::record(3), "broke the engine")
        .await
        .unwrap();
    put(&store, &c, 0..2).await;
    store.delete(&c).await.unwrap();
    let mut stored = BTreeMap::new();
    for doc in [a, b, c] {
        let history = store.history(&doc, None, 1_000).await.unwrap().records;
        stored.insert(doc.clone(), (store.load(&doc).await.unwrap(), history));
    }
    store.close().await;
    let bytes = std::fs::read(&path).unwrap();
    assert!(
        bytes.len().is_multiple_of(512) && bytes.len() < 64 * 1024,
        "{}",
        bytes.len()
    );
    Sample {
        folder,
        bytes,
        stored,
    }
}

/// How a damaged file turned out.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    damaged: usize,
    intact: usize,
}

impl Sample {
    /// Opens a variant of the file. Whatever it answers, nothing may be missing that it does not speak of.
    async fn check(&self, bytes: &[u8], case: &str, tally: &mut Tally) {
        let path = self.folder.path().join("a.db");
        std::fs::write(&path, bytes).unwrap();
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(self.folder.path().join(format!("a.db{suffix}")));
        }
        match self.read(&path, case).await {
            Err(_) => tally.refused += 1,
            Ok(true) => tally.intact += 1,
            Ok(false) => tally.damaged += 1,
        }
    }

    async fn read(&self, path: &Path, case: &str) -> Result<bool, StoreError> {
        let store = SqliteStore::open(path).await?;
        let mut outcome = Ok(true);
        for (doc, (expected, history)) in &self.stored {
            match store.load(doc).await {
                Ok(found) => {
                    // Less is fine when something is named; bytes that were never written never are.
                    assert!(
                        found == *expected || !found.damage.is_empty(),
                        "{case}: {doc}: silent: {found:?}"
                    );
                    let known = all_updates(expected, history);
                    assert!(
                        found.updates().all(|update| known.contains(update)),
                        "{case}: {doc}: {found:?}"
                    );
                    if !found.damage.is_empty() {
                        outcome = Ok(false);
                    }
                }
                Err(error) => outcome = Err(error),
            }
            if let Ok(page) = store.history(doc, None, 1_000).await {
                assert!(
                    page.records == *history || !page.damage.is_empty(),
                    "{case}: {doc}: {page:?}"
                );
            }
        }
        store.close().await;
        outcome
    }
}

/// What may turn up: the content, the history behind it, the older snapshot, and what cannot be told to be in
/// quarantine any more.
fn all_updates(stored: &Stored, history: &[Record]) -> Vec<Bytes> {
    let others = [Bytes::from_static(b"one"), crate::contract::record(3).update];
    let archived = history.iter().map(|record| record.update.clone());
    stored.updates().cloned().chain(archived).chain(others).collect()
}

#[tokio::test]
async fn no_cut_loses_anything_in_silence() {
    let sample = sample().await;
    let mut tally = Tally::default();
    for end in (0..sample.bytes.len()).step_by(512) {
        sample
            .check(&sample.bytes[..end], &format!("cut at {end}"), &mut tally)
            .await;
    }
    assert_eq!(tally.refused, sample.bytes.len() / 512, "{tally:?}");
    sample.check(&sample.bytes, "whole", &mut tally).await;
    assert_eq!(tally.intact, 1);
}

/// Every byte of the file, in steps that ROOMTONE_DAMAGE_STEP sets: 1 tries all of them and takes minutes.
#[tokio::test]
async fn no_flipped_byte_loses_anything_in_silence() {
    let step = std::env::var("ROOMTONE_DAMAGE_STEP").map_or(29, |step| step.parse().unwrap());
    let sample = sample().await;
    let mut tally = Tally::default();
    for (n, at) in (0..sample.bytes.len()).step_by(step).enumerate() {
        let mut bytes = sample.bytes.clone();
        let flip = [0x01, 0xff, 0x80, 0x10][n % 4];
        bytes[at] ^= flip;
        sample
            .check(
                &bytes,
                &format!("byte {at} of {} with {flip:#x}", bytes.len()),
                &mut tally,
            )
            .await;
    }
    println!("{tally:?}");
    assert!(
        tally.refused > 0 && tally.damaged > 0 && tally.intact > 0,
        "{tally:?}"
    );
}
