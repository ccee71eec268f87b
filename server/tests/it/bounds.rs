//! What waits has a bound, whoever sends it.

use std::time::Duration;

use bytes::Bytes;
use roomtone_crdt::Message;
use roomtone_server::room::Voice;

use crate::peer::Heard;
use crate::world::{World, hocuspocus};
use crate::yjs;

/// What is sent again and again although it is here costs no backlog, but its acknowledgement is kept.
#[tokio::test(start_paused = true)]
async fn sv5_repetitions_during_a_stall_have_a_bound_of_their_own() {
    let world = World::new();
    let mut author = world.join("d", Voice::YWebsocket).await;
    author.sync().await;
    world.faults.fail_appends(true);
    let large = yjs::insert(1, 0, &"x".repeat(1_000_000));
    author.edit(large.clone()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut sent = 0;
    while author.closed.is_none() && sent < 200 {
        author.say(Message::Update(large.clone())).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        author.read_now().await;
        sent += 1;
    }
    assert_eq!(
        author.closed.map(|close| close.code()),
        Some(1013),
        "200 MB of echoes wait in the room"
    );
}

#[tokio::test(start_paused = true)]
async fn a_ysweet_status_is_a_number_not_a_blob() {
    let world = World::new();
    let mut sweet = world.join("d", Voice::YSweet).await;
    sweet.sync().await;
    sweet.say(Message::SyncStatus(Bytes::from(vec![1; 10]))).await;
    sweet
        .until(|heard| *heard == Heard::YSweet(Bytes::from(vec![1; 10])))
        .await;
    sweet
        .say(Message::SyncStatus(Bytes::from(vec![1; 100_000])))
        .await;
    assert_eq!(sweet.until_closed().await.code(), 4400);
}

/// Presence in a busy room must not keep the room from noticing that the store hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sv2_a_flood_of_presence_does_not_hold_the_relay_deadline_back() {
    let world = World::new();
    let mut reader = world.join("d", Voice::YSweet).await;
    reader.sync().await;
    let mut floods = Vec::new();
    for client in 0..6 {
        let noisy = world.join("d", Voice::YSweet).await;
        floods.push(tokio::spawn(async move {
            loop {
                // A repetition: it costs little and tells nobody anything.
                noisy
                    .say(Message::Awareness(yjs::awareness(100 + client, 1, "{}")))
                    .await;
                noisy.outbox.take().await_or_not().await;
            }
        }));
    }
    world.faults.delay_appends(Duration::from_secs(30));
    let mut writer = world.join("d", hocuspocus("d")).await;
    writer.edit(yjs::insert(1, 0, "x")).await;
    let started = std::time::Instant::now();
    reader.until_has(1, 1).await;
    let took = started.elapsed();
    for flood in floods {
        flood.abort();
    }
    assert!(took < Duration::from_secs(5), "relayed after {took:?}");
}

/// Polls once.
trait OrNot: Future + Sized {
    async fn await_or_not(self) {
        tokio::select! {
            biased;
            _ = self => {}
            () = std::future::ready(()) => {}
        }
    }
}

impl<F: Future> OrNot for F {}
