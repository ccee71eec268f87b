//! What a room costs: one edit to everyone who is here, the way back to one socket, and a group commit on the disk.
//! `cargo bench -p roomtone-server`; set TMPDIR to the disk in question.

use std::sync::Arc;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use roomtone_crdt::{ConnectionId, Message, Update, Writer};
use roomtone_persistence::{DocId, Epoch, MemoryStore, Record, SqliteStore, Store};
use roomtone_server::auth::Role;
use roomtone_server::compactor::Compactor;
use roomtone_server::hub::{Context, Hub};
use roomtone_server::limits::Limits;
use roomtone_server::outbox::{Outbox, Queued};
use roomtone_server::room::{Greeting, Member, Seat, Voice};
use roomtone_server::saver::Saver;
use tokio::runtime::Runtime;

/// One character of one client, as yjs writes it.
fn keystroke(client: u64, clock: u64) -> Update {
    let mut writer = Writer::new();
    writer.var_uint(1).var_uint(1).var_uint(client).var_uint(clock);
    match clock.checked_sub(1) {
        None => writer.u8(4).var_uint(1).var_string("text"),
        Some(before) => writer.u8(0x84).var_uint(client).var_uint(before),
    };
    writer.var_string("x").var_uint(0);
    Update::check(Bytes::from(writer.into_bytes())).expect("a legal update")
}

fn doc(name: &str) -> DocId {
    DocId::in_default_tenant(name).expect("a legal name")
}

fn hub(store: Arc<dyn Store>) -> Hub {
    let limits = Arc::new(Limits::default());
    Hub::new(Context {
        store: store.clone(),
        saver: Saver::start(store.clone(), limits.backlog_bytes_max),
        compactor: Compactor::start(store),
        bus: None,
        limits,
    })
}

async fn join(hub: &Hub, voice: Voice) -> (Seat, Outbox) {
    let outbox = Outbox::new(64 * 1024 * 1024);
    let member = Member {
        id: hub.connection_id(),
        voice,
        outbox: outbox.clone(),
        role: Role::Editor,
        user: None,
        stamp: None,
        greeting: Greeting::None,
    };
    let seat = hub.join(&doc("bench"), member).await.expect("a seat");
    // The welcome: from here on there are only edits.
    let _ = outbox.take().await;
    (seat, outbox)
}

/// One keystroke, from the room's inbox to the outbox of the last member, its commit in memory between.
fn turn(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("room/edit to all");
    for members in [1_usize, 10, 200] {
        let mut clock = 0;
        let (author, others) = runtime.block_on(async {
            let hub = hub(Arc::new(MemoryStore::new()));
            let author = join(&hub, Voice::YWebsocket).await;
            let mut others = Vec::new();
            for _ in 1..members {
                others.push(join(&hub, Voice::YWebsocket).await);
            }
            (author, others)
        });
        group.throughput(Throughput::Elements(members as u64));
        group.bench_function(BenchmarkId::from_parameter(members), |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let said = author.0.say(Message::Update(keystroke(7, clock)), 32).await;
                    said.expect("the room is awake");
                    clock += 1;
                    for (_, outbox) in others.iter().chain([&author]) {
                        outbox.take().await.drained();
                    }
                });
            });
        });
    }
}

/// A hundred frames in and out of one outbox.
fn outbox(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let outbox = Outbox::new(1024 * 1024);
    let frame = Bytes::from(vec![0; 64]);
    let mut group = criterion.benchmark_group("outbox");
    group.throughput(Throughput::Elements(100));
    group.bench_function("push and drain 100", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                for _ in 0..100 {
                    assert_eq!(outbox.send(frame.clone()), Queued::Yes);
                }
                outbox.take().await.drained();
            });
        });
    });
}

/// One edit in each of many documents, until all of them are on the disk.
fn group_commit(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::new().expect("a runtime");
    let saver = runtime.block_on(async {
        let store = SqliteStore::open(&folder.path().join("bench.db")).await;
        Saver::start(Arc::new(store.expect("a new database")), 64 * 1024 * 1024)
    });
    let mut group = criterion.benchmark_group("saver/sqlite group commit");
    for documents in [1_u64, 100, 1_000] {
        let mut logs: Vec<_> = (0..documents)
            .map(|number| saver.log(doc(&format!("document-{number}")), Epoch::FIRST))
            .collect();
        let record = Record {
            user: Some("user-0123456789".into()),
            client: ConnectionId(7).0,
            time_ms: 1_760_000_000_000,
            update: keystroke(7, 0).bytes().clone(),
        };
        group.throughput(Throughput::Elements(documents));
        group.bench_function(BenchmarkId::from_parameter(documents), |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    for log in &mut logs {
                        log.submit(vec![record.clone()]);
                    }
                    saver.flush().await;
                });
            });
        });
    }
}

criterion_group!(benches, turn, outbox, group_commit);
criterion_main!(benches);
