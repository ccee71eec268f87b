//! What a group commit costs in CPU time, beside the bare disk. `cargo bench -p roomtone-persistence --bench commit`; set
//! TMPDIR to the disk in question. Reads /proc, so it runs on Linux alone.

#![allow(clippy::print_stdout)]

use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use roomtone_persistence::{Appended, Batch, DocId, Epoch, Record, SqliteStore, Store};

/// Open documents, as in the load `rooms`.
const DOCS_COUNT: u64 = 300;

/// Rows in the groups that are measured.
const GROUP_ROWS: [u64; 4] = [1, 3, 10, 50];

/// How long one row of the table is measured.
const MEASURED_MS: u64 = 1_500;

/// Time between commits of a paced load. A paced writer falls asleep after each, as that of a server does.
const PACE_MS: u64 = 2;

/// CPU time of the threads of this process, in nanoseconds.
fn cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

fn batch(epoch: Epoch, place: u64) -> Batch {
    let record = Record {
        user: Some("user-0123456789".into()),
        client: place,
        time_ms: 1_760_000_000_000,
        update: vec![place as u8; 40].into(),
    };
    Batch {
        doc: DocId::in_default_tenant(&format!("document-{}", place % DOCS_COUNT)).expect("a good name"),
        epoch,
        records: vec![record],
    }
}

/// Runs a step over and over, and prints what one of them costs.
async fn measure(name: &str, pace: Option<Duration>, mut step: impl AsyncFnMut(u64)) {
    if std::env::args()
        .skip(1)
        .any(|word| !word.starts_with('-') && !name.contains(&word))
    {
        return;
    }
    let mut ticks = pace.map(tokio::time::interval);
    let (begun, cpu) = (Instant::now(), cpu_ns());
    let mut count = 0;
    while begun.elapsed() < Duration::from_millis(MEASURED_MS) {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        step(count).await;
        count += 1;
    }
    let (took, cpu) = (begun.elapsed(), cpu_ns() - cpu);
    println!(
        "{name:<44} {:>7.1} us CPU {:>8.1} us each {:>7}",
        cpu as f64 / 1e3 / count as f64,
        took.as_micros() as f64 / count as f64,
        count,
    );
}

/// Empties the log, as compactions do in a server.
async fn begin_anew(store: &SqliteStore) -> Epoch {
    let mut epoch = Epoch::FIRST;
    for place in 0..DOCS_COUNT {
        epoch = store
            .delete(&batch(epoch, place).doc)
            .await
            .expect("a working disk");
        let _ = store
            .append(&[batch(epoch, place)])
            .await
            .expect("a working disk");
    }
    epoch
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut file = std::fs::File::create(folder.path().join("plain")).expect("a writable folder");
    file.write_all(&vec![0; 16 << 20])
        .and_then(|()| file.sync_all())
        .expect("a writable file");
    let store = SqliteStore::open(&folder.path().join("bench.db"))
        .await
        .expect("a new database");
    let page = vec![1; 4096];
    for pace in [None, Some(Duration::from_millis(PACE_MS))] {
        let paced = pace.map_or("back to back".to_owned(), |pace| {
            format!("every {} ms", pace.as_millis())
        });
        measure(
            &format!("nothing, {paced}"),
            pace.or(Some(Duration::from_millis(1))),
            async |_| {},
        )
        .await;
        measure(&format!("4 KiB and fdatasync, {paced}"), pace, async |count| {
            file.seek(SeekFrom::Start(count % 4096 * 4096))
                .and_then(|_| file.write_all(&page))
                .and_then(|()| file.sync_data())
                .expect("a writable file");
        })
        .await;
        for rows in GROUP_ROWS {
            let epoch = begin_anew(&store).await;
            measure(&format!("commit of {rows} rows, {paced}"), pace, async |count| {
                // Documents in no order, as people type.
                let group: Vec<Batch> = (0..rows)
                    .map(|row| batch(epoch, (count * rows + row) * 7919))
                    .collect();
                assert!(
                    store
                        .append(&group)
                        .await
                        .expect("a working disk")
                        .iter()
                        .all(|one| *one == Appended::Stored)
                );
            })
            .await;
        }
    }
    store.close().await;
}
