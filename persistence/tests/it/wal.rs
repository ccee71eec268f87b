//! A write-ahead log that was cut off or damaged, as after a loss of power.

use roomtone_persistence::{SqliteStore, Store};

use crate::contract::{doc, logged, put, records};

/// Whatever is left of the write-ahead log, what is loaded is a beginning of what was appended.
#[tokio::test]
async fn a_cut_log_loses_its_end_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = SqliteStore::open(&path).await.unwrap();
    put(&store, &doc("a"), [0]).await;
    store.close().await;
    let store = SqliteStore::open(&path).await.unwrap();
    // A document that is new goes into the table at once.
    for n in 1..8 {
        put(&store, &doc(&n.to_string()), [n]).await;
    }
    let database = std::fs::read(&path).unwrap();
    let wal = std::fs::read(folder.path().join("a.db-wal")).unwrap();
    assert!(wal.len() > 30_000);

    let mut lengths = std::collections::BTreeSet::new();
    let cuts = (0..wal.len()).step_by(512).map(|end| wal[..end].to_vec());
    let flips = (0..wal.len()).step_by(509).map(|at| {
        let mut wal = wal.clone();
        wal[at] ^= 0x10;
        wal
    });
    for (n, wal) in cuts.chain(flips).chain([wal.clone()]).enumerate() {
        let copy = folder.path().join(format!("copy-{n}.db"));
        std::fs::write(&copy, &database).unwrap();
        std::fs::write(folder.path().join(format!("copy-{n}.db-wal")), &wal).unwrap();
        let store = SqliteStore::open(&copy).await.unwrap();
        assert_eq!(logged(&store.load(&doc("a")).await.unwrap().rows), records([0]));
        let mut found = Vec::new();
        for n in 1..8 {
            found.extend(logged(&store.load(&doc(&n.to_string())).await.unwrap().rows));
        }
        assert_eq!(found, records(1..found.len() as u64 + 1));
        lengths.insert(found.len());
        put(&store, &doc("a"), [99]).await;
        store.close().await;
    }
    assert_eq!(lengths, (0..=7).collect());
}
