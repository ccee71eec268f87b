//! What a turn, a join and a presence change cost.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use roomtone_crdt::{Awareness, AwarenessUpdate, ConnectionId, Doc, StateVector, Update, Writer};

const AUTHOR: ConnectionId = ConnectionId(1);

/// One typed character: behind `origin`, in front of `right_origin`, or the first one of the text.
fn typed(client: u64, clock: u32, origin: Option<(u64, u32)>, right_origin: Option<(u64, u32)>) -> Update {
    let mut writer = Writer::new();
    writer
        .var_uint(1)
        .var_uint(1)
        .var_uint(client)
        .var_uint(u64::from(clock));
    let mut info = 4;
    info |= if origin.is_some() { 0x80 } else { 0 };
    info |= if right_origin.is_some() { 0x40 } else { 0 };
    writer.u8(info);
    for (client, clock) in [origin, right_origin].into_iter().flatten() {
        writer.var_uint(client).var_uint(u64::from(clock));
    }
    if info == 4 {
        writer.var_uint(1).var_string("t");
    }
    writer.var_string("a").var_uint(0);
    Update::check(Bytes::from(writer.into_bytes())).expect("written well")
}

/// Somebody who types `count` characters, one after the other.
fn typing(client: u64, from: u32, count: u32) -> Vec<(ConnectionId, Update)> {
    let behind = |clock: u32| clock.checked_sub(1).map(|before| (client, before));
    (from..from + count)
        .map(|clock| (AUTHOR, typed(client, clock, behind(clock), None)))
        .collect()
}

/// 50,000 characters typed in order, and 50,000 put between two of them each.
fn edits() -> Vec<Update> {
    const HALF: u32 = 50_000;
    let mut all: Vec<Update> = typing(1, 0, HALF).into_iter().map(|(_, update)| update).collect();
    // 20,011 shares no divisor with the number of places: each is met once, in no order.
    all.extend((0..HALF - 1).map(|clock| {
        let place = (u64::from(clock) * 20_011 % u64::from(HALF - 1)) as u32;
        typed(2, clock, Some((1, place)), Some((1, place + 1)))
    }));
    all
}

/// A document that `clients` writers have typed one character into each.
fn crowded(clients: u64) -> Doc {
    let update = |client: u64| typed(client, 0, (client > 10).then(|| (client - 1, 0)), None);
    Doc::load((10..10 + clients).map(update)).expect("a document")
}

fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("doc");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));

    let small = typed(12_345_678, 1_000, Some((12_345_678, 999)), None);
    group.bench_function("gate, one character", |bencher| {
        bencher.iter(|| Update::check(black_box(small.bytes().clone())));
    });

    let updates = typing(7, 0, 1_000);
    group.throughput(Throughput::Elements(updates.len() as u64));
    for turn in [1, 100, 1_000] {
        group.bench_function(
            format!("apply 1000 updates, {turn} a turn, empty document"),
            |bencher| {
                let apply = |mut doc: Doc| {
                    for batch in updates.chunks(turn) {
                        doc.apply(batch).expect("fits");
                    }
                    doc
                };
                bencher.iter_batched(Doc::new, apply, BatchSize::LargeInput);
            },
        );
    }
    for clients in [100, 2_000] {
        for turn in [1, 100, 1_000] {
            let name = format!("apply 1000 updates, {turn} a turn, {clients} clients");
            let mut doc = crowded(clients);
            let mut clock = 0;
            group.bench_function(name, |bencher| {
                let next = || {
                    clock += 1_000;
                    typing(7, clock - 1_000, 1_000)
                };
                let apply = |batch: Vec<(ConnectionId, Update)>| {
                    for batch in batch.chunks(turn) {
                        doc.apply(batch).expect("fits");
                    }
                    batch
                };
                bencher.iter_batched(next, apply, BatchSize::LargeInput);
            });
        }
    }
    let mut large = Doc::load(edits()).expect("a document");
    let mut clock = 0;
    group.bench_function("apply 1000 updates, 1 a turn, 100k edits", |bencher| {
        let next = || {
            clock += 1_000;
            typing(7, clock - 1_000, 1_000)
        };
        let apply = |batch: Vec<(ConnectionId, Update)>| {
            for batch in batch.chunks(1) {
                large.apply(batch).expect("fits");
            }
            batch
        };
        bencher.iter_batched(next, apply, BatchSize::LargeInput);
    });
    group.throughput(Throughput::Elements(1));

    let large = Doc::load(edits()).expect("a document");
    let snapshot = large.snapshot().expect("a snapshot");
    group.bench_function("diff up to date, 100k edits", |bencher| {
        bencher.iter(|| large.diff(black_box(large.state_vector())).expect("a diff"));
    });
    group.bench_function("diff from empty, 100k edits", |bencher| {
        bencher.iter(|| large.diff(black_box(&StateVector::default())).expect("a diff"));
    });
    group.bench_function("is_news of a deletion, 100k edits", |bencher| {
        let delete = Update::check(Bytes::from_static(&[0, 1, 1, 1, 5, 1])).expect("written well");
        bencher.iter(|| large.is_news(black_box(&delete)).expect("an answer"));
    });
    group.sample_size(10);
    group.bench_function("load a snapshot of 100k edits", |bencher| {
        bencher.iter(|| Doc::load([snapshot.clone()]).expect("a document"));
    });
    let log = edits();
    group.bench_function("load a log of 100k edits", |bencher| {
        bencher.iter(|| Doc::load(log.iter().cloned()).expect("a document"));
    });
    group.finish();
}

/// An awareness update of one entry.
fn presence(client: u64, clock: u64) -> AwarenessUpdate {
    let state = format!("{{\"user\":{{\"name\":\"Somebody\",\"color\":\"#30bced\"}},\"cursor\":{clock}}}");
    let mut writer = Writer::new();
    writer
        .var_uint(1)
        .var_uint(client)
        .var_uint(clock)
        .var_string(&state);
    AwarenessUpdate::decode(Bytes::from(writer.into_bytes())).expect("written well")
}

fn awareness(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("awareness");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    let mut room = Awareness::new();
    for member in 1..=500 {
        room.join(ConnectionId(member));
        room.receive(ConnectionId(member), None, &presence(member, 1));
    }
    let echo = presence(1, 1);
    group.bench_function("an echo, 500 members", |bencher| {
        bencher.iter(|| room.receive(ConnectionId(2), None, black_box(&echo)));
    });
    let mut clock = 1;
    group.bench_function("a change, 500 members", |bencher| {
        let next = || {
            clock += 1;
            presence(1, clock)
        };
        bencher.iter_batched(
            next,
            |change| room.receive(AUTHOR, None, &change),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("everyone, 500 members", |bencher| {
        bencher.iter(|| room.encode_all())
    });
    group.finish();
}

criterion_group!(benches, documents, awareness);
criterion_main!(benches);
