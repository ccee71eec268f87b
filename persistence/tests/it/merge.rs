//! The compaction that knows the engine.

use bytes::Bytes;
use roomtone_persistence::{
    Batch, CompactReport, Compacted, Compaction, DocId, Epoch, FaultyStore, Generation, MemoryStore, Record,
    SqliteStore, Store, compact,
};
use yrs::updates::decoder::Decode;
use yrs::{GetString, ReadTxn, StateVector, Text, Transact};

use crate::contract::{doc, history};

/// Somebody who types.
struct Writer {
    doc: yrs::Doc,
    seen: StateVector,
}

impl Writer {
    fn new(client: u64) -> Writer {
        Writer {
            doc: yrs::Doc::with_client_id(client),
            seen: StateVector::default(),
        }
    }

    /// Deletes everything, and returns the update.
    fn clears(&mut self) -> Bytes {
        let content = self.doc.get_or_insert_text("content");
        let mut transaction = self.doc.transact_mut();
        let length = content.len(&transaction);
        content.remove_range(&mut transaction, 0, length);
        transaction.encode_state_as_update_v1(&self.seen).into()
    }

    /// Types at the end, and returns the update.
    fn types(&mut self, text: &str) -> Bytes {
        let content = self.doc.get_or_insert_text("content");
        let mut transaction = self.doc.transact_mut();
        let length = content.len(&transaction);
        content.insert(&mut transaction, length, text);
        let update = transaction.encode_state_as_update_v1(&self.seen);
        self.seen = transaction.state_vector();
        update.into()
    }
}

async fn put(store: &dyn Store, doc: &DocId, updates: &[Bytes]) {
    let record = |update: &Bytes| Record {
        user: None,
        client: 1,
        time_ms: 1,
        update: update.clone(),
    };
    let epoch = store.load(doc).await.unwrap().epoch;
    let batch = Batch {
        doc: doc.clone(),
        epoch,
        records: updates.iter().map(record).collect(),
    };
    let _ = store.append(&[batch]).await.unwrap();
}

/// The text of what is stored, sorted by writer.
async fn text(store: &dyn Store, doc: &DocId) -> String {
    let engine = yrs::Doc::new();
    let content = engine.get_or_insert_text("content");
    for update in store.load(doc).await.unwrap().updates() {
        let Ok(update) = yrs::Update::decode_v1(update) else {
            continue;
        };
        engine.transact_mut().apply_update(update).unwrap();
    }
    content.get_string(&engine.transact())
}

fn done(report: CompactReport) -> (u64, usize, usize) {
    match report {
        CompactReport::Done {
            generation,
            rows,
            rows_left,
            snapshot_bytes,
        } => {
            assert!(snapshot_bytes > 2);
            (generation.0, rows, rows_left)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_compaction_changes_nothing_that_can_be_seen() {
    let (store, a) = (MemoryStore::new(), doc("a"));
    assert_eq!(compact(&store, &a).await.unwrap(), CompactReport::Nothing);
    let mut writer = Writer::new(1);
    for round in 1..4 {
        put(&store, &a, &[writer.types("hello "), writer.types("world ")]).await;
        put(&store, &a, &[writer.types("again ")]).await;
        assert_eq!(done(compact(&store, &a).await.unwrap()), (round, 2, 0));
        assert_eq!(compact(&store, &a).await.unwrap(), CompactReport::Nothing);
        assert_eq!(
            text(&store, &a).await,
            "hello world again ".repeat(round as usize)
        );
    }
    let stored = store.load(&a).await.unwrap();
    assert_eq!((stored.rows.len(), stored.updates().count()), (0, 1));
    let vector = StateVector::decode_v1(&stored.snapshot.unwrap().state_vector).unwrap();
    assert_eq!(vector, writer.seen);
    assert_eq!(history(&store, &a, 4).await.len(), 9);
}

#[tokio::test]
async fn what_waits_for_others_is_not_merged() {
    let (store, a) = (MemoryStore::new(), doc("a"));
    let mut writer = Writer::new(1);
    let updates = [writer.types("one "), writer.types("two "), writer.types("three")];
    put(&store, &a, &[updates[0].clone()]).await;
    put(&store, &a, &[updates[2].clone()]).await;
    let before = store.load(&a).await.unwrap();
    assert!(matches!(
        compact(&store, &a).await.unwrap(),
        CompactReport::Pending { bytes: 1.. }
    ));
    assert_eq!(store.load(&a).await.unwrap(), before);
    put(&store, &a, &[updates[1].clone()]).await;
    assert_eq!(done(compact(&store, &a).await.unwrap()), (1, 3, 0));
    assert_eq!(text(&store, &a).await, "one two three");
}

#[tokio::test]
async fn a_deletion_that_waits_for_its_text_is_not_merged() {
    let (store, a) = (MemoryStore::new(), doc("a"));
    let mut writer = Writer::new(1);
    let typed = writer.types("gone");
    put(&store, &a, &[writer.clears()]).await;
    put(&store, &a, &[Writer::new(2).types("here")]).await;
    assert!(matches!(
        compact(&store, &a).await.unwrap(),
        CompactReport::Pending { bytes: 1.. }
    ));
    put(&store, &a, &[typed]).await;
    assert_eq!(done(compact(&store, &a).await.unwrap()), (1, 3, 0));
    assert_eq!(text(&store, &a).await, "here");
}

#[tokio::test]
async fn a_row_that_the_engine_refuses_stays() {
    let (store, a) = (MemoryStore::new(), doc("a"));
    let mut writer = Writer::new(1);
    put(&store, &a, &[writer.types("one ")]).await;
    let mut other = Writer::new(2);
    put(
        &store,
        &a,
        &[other.types("in bad company"), Bytes::from_static(b"\xff\xff\xff")],
    )
    .await;
    put(&store, &a, &[writer.types("two")]).await;
    assert_eq!(done(compact(&store, &a).await.unwrap()), (1, 2, 1));
    let stored = store.load(&a).await.unwrap();
    assert_eq!(stored.rows.len(), 1);
    assert_eq!(stored.rows[0].records.len(), 2);
    let found = text(&store, &a).await;
    assert!(
        found.contains("one two") && found.contains("in bad company"),
        "{found}"
    );
    assert_eq!(compact(&store, &a).await.unwrap(), CompactReport::Nothing);
}

#[tokio::test]
async fn of_compactions_side_by_side_one_wins_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
    let a = doc("a");
    let (mut first, mut second) = (Writer::new(1), Writer::new(2));
    for round in 1..=10 {
        put(&store, &a, &[first.types("a")]).await;
        let update = second.types("b");
        let (one, two, ()) = tokio::join!(
            compact(&store, &a),
            compact(&store, &a),
            put(&store, &a, std::slice::from_ref(&update))
        );
        for report in [one.unwrap(), two.unwrap()] {
            let is_expected = match report {
                CompactReport::Done { .. } | CompactReport::Stale | CompactReport::Nothing => true,
                CompactReport::Pending { .. } | CompactReport::Damaged => false,
            };
            assert!(is_expected, "{report:?}");
        }
        let found = text(&store, &a).await;
        assert_eq!(found.matches('a').count(), round);
        assert_eq!(found.matches('b').count(), round);
    }
    assert_eq!(history(&store, &a, 3).await.len(), 20);
}

#[tokio::test]
async fn a_document_that_is_deleted_meanwhile_stays_deleted() {
    let (store, a) = (MemoryStore::new(), doc("a"));
    put(&store, &a, &[Writer::new(1).types("old")]).await;
    let stored = store.load(&a).await.unwrap();
    let merge = Compaction {
        epoch: stored.epoch,
        newest: Generation::NONE,
        base: Generation::NONE,
        rows: vec![stored.rows[0].id],
        update: stored.rows[0].records[0].update.clone(),
        state_vector: Bytes::new(),
    };
    assert_eq!(store.delete(&a).await.unwrap(), Epoch(2));
    put(&store, &a, &[Writer::new(2).types("new")]).await;
    assert_eq!(store.compact(&a, merge).await.unwrap(), Compacted::Stale);
    assert_eq!(done(compact(&store, &a).await.unwrap()), (1, 1, 0));
    assert_eq!(text(&store, &a).await, "new");
}

#[tokio::test]
async fn a_store_that_is_down_changes_nothing() {
    let (store, a) = (FaultyStore::new(MemoryStore::new()), doc("a"));
    put(&store, &a, &[Writer::new(1).types("text")]).await;
    store.faults().fail_appends(true);
    assert!(compact(&store, &a).await.is_err());
    store.faults().fail_appends(false);
    store.faults().fail_loads(true);
    assert!(compact(&store, &a).await.is_err());
    store.faults().fail_loads(false);
    assert_eq!(text(&store, &a).await, "text");
    assert_eq!(done(compact(&store, &a).await.unwrap()), (1, 1, 0));
}

#[tokio::test]
async fn a_damaged_snapshot_is_healed_and_a_damaged_archive_is_not_made_final() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let a = doc("a");
    let mut writer = Writer::new(1);
    for round in 1..4 {
        put(&store, &a, &[writer.types("x")]).await;
        assert_eq!(done(compact(&store, &a).await.unwrap()), (round, 1, 0));
    }
    let vandalise = async |statement: &'static str| {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    };
    vandalise("UPDATE snapshots SET state = x'0000' WHERE generation = 3").await;
    assert_eq!(text(&store, &a).await, "xxx");
    assert_eq!(done(compact(&store, &a).await.unwrap()), (4, 0, 0));
    assert_eq!(store.load(&a).await.unwrap().damage, []);
    assert_eq!(text(&store, &a).await, "xxx");
    vandalise("UPDATE snapshots SET state = x'0000'").await;
    vandalise("UPDATE archive SET rows = x'0000' WHERE segment = 3").await;
    assert_eq!(text(&store, &a).await, "xx");
    assert_eq!(compact(&store, &a).await.unwrap(), CompactReport::Damaged);
}
