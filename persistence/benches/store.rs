//! What a commit and a cold load cost. `cargo bench -p roomtone-persistence`; set TMPDIR to the disk in question.

use std::hint::black_box;
use std::path::Path;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use roomtone_persistence::{Batch, Compaction, DocId, Epoch, Generation, Record, SqliteStore, Store};
use tokio::runtime::Runtime;

fn record(n: u64, bytes: usize) -> Record {
    let update: Vec<u8> = (0..bytes as u64)
        .map(|at| (n.wrapping_mul(31) ^ at.wrapping_mul(at)) as u8)
        .collect();
    Record {
        user: Some("user-0123456789".into()),
        client: n,
        time_ms: 1_760_000_000_000,
        update: update.into(),
    }
}

fn batches(docs: usize, records: u64) -> Vec<Batch> {
    let batch = |n| Batch {
        doc: DocId::in_default_tenant(&format!("document-{n}")).expect("a good name"),
        epoch: Epoch::FIRST,
        records: (0..records).map(|n| record(n, 200)).collect(),
    };
    (0..docs).map(batch).collect()
}

/// The floor under every commit: as many bytes as one small row takes in the write-ahead log, and one fdatasync.
fn plain_file(criterion: &mut Criterion, folder: &Path) {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = std::fs::File::create(folder.join("plain")).expect("a writable folder");
    file.write_all(&vec![0; 1 << 20])
        .and_then(|()| file.sync_all())
        .expect("a writable file");
    let page = vec![1; 4 * 4096];
    criterion.bench_function("floor/write 16 KiB and fdatasync", |bencher| {
        bencher.iter(|| {
            file.seek(SeekFrom::Start(0)).expect("a file");
            file.write_all(&page)
                .and_then(|()| file.sync_data())
                .expect("a writable file");
        });
    });
}

fn commits(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    plain_file(criterion, folder.path());
    let runtime = Runtime::new().expect("a runtime");
    let store = runtime
        .block_on(SqliteStore::open(&folder.path().join("bench.db")))
        .expect("a new database");
    let mut group = criterion.benchmark_group("append");
    for (docs, records) in [(1, 1), (1, 100), (100, 10), (1000, 1)] {
        let batches = batches(docs, records);
        group.throughput(Throughput::Elements(docs as u64 * records));
        group.bench_function(format!("{docs} documents x {records}"), |bencher| {
            bencher
                .to_async(&runtime)
                .iter(|| async { store.append(&batches).await.expect("a working disk") });
        });
    }
    group.finish();
    runtime.block_on(store.close());
}

fn loads(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::new().expect("a runtime");
    let store = runtime
        .block_on(SqliteStore::open(&folder.path().join("bench.db")))
        .expect("a new database");
    let mut group = criterion.benchmark_group("load");
    for (bytes, rows) in [(0, 1), (0, 1000), (900_000, 5)] {
        let doc = DocId::in_default_tenant(&format!("document-{bytes}-{rows}")).expect("a good name");
        runtime.block_on(prepare(&store, &doc, bytes, rows));
        group.bench_function(format!("snapshot of {bytes} bytes and {rows} rows"), |bencher| {
            bencher
                .to_async(&runtime)
                .iter(|| async { black_box(store.load(&doc).await.expect("stored above")) });
        });
    }
    let unknown = DocId::in_default_tenant("unknown").expect("a good name");
    group.bench_function("unknown document", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { black_box(store.load(&unknown).await.expect("empty")) });
    });
    group.finish();
    runtime.block_on(store.close());
}

async fn prepare(store: &SqliteStore, doc: &DocId, bytes: usize, rows: u64) {
    let append = async |n| {
        let batch = Batch {
            doc: doc.clone(),
            epoch: Epoch::FIRST,
            records: vec![record(n, 200)],
        };
        let _ = store.append(&[batch]).await.expect("a working disk");
    };
    if bytes > 0 {
        append(0).await;
        let stored = store.load(doc).await.expect("stored above");
        let merge = Compaction {
            epoch: stored.epoch,
            newest: Generation::NONE,
            base: Generation::NONE,
            rows: stored.rows.iter().map(|row| row.id).collect(),
            update: record(1, bytes).update,
            state_vector: Bytes::from_static(b"\0"),
        };
        let _ = store.compact(doc, merge).await.expect("a working disk");
    }
    for n in 0..rows {
        append(n).await;
    }
}

criterion_group!(benches, commits, loads);
criterion_main!(benches);
