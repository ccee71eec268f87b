//! The way out: everything saved, everyone told, nobody let in (threat 21).

use std::time::{Duration, Instant};

use roomtone_crdt::Message;
use roomtone_server::auth::Role;
use roomtone_server::close::Close;
use roomtone_server::outbox::Outbox;
use roomtone_server::room::{Ask, Voice};
use tokio::sync::oneshot;

use crate::peer::Heard;
use crate::world::{World, doc_id, hocuspocus};
use crate::yjs;

const PATIENCE: Duration = Duration::from_secs(9);

#[tokio::test(start_paused = true)]
async fn a_stop_saves_what_waits_acknowledges_it_and_sends_everyone_away() {
    let world = World::new();
    world.faults.delay_appends(Duration::from_millis(500));
    let mut peers = Vec::new();
    for client in 1..=20 {
        let peer = world.join(&format!("d{}", client % 4), hocuspocus("d")).await;
        for clock in 0..5 {
            peer.say(Message::Update(yjs::insert(client, clock, "x"))).await;
        }
        peers.push(peer);
    }
    assert!(world.hub.stop(PATIENCE).await, "not all was saved");
    assert_eq!(world.hub.rooms_count(), 0);
    for (peer, client) in peers.iter_mut().zip(1_u64..) {
        assert_eq!(peer.until_closed().await.code(), 1012);
        let acknowledged = peer
            .heard
            .iter()
            .filter(|heard| **heard == Heard::Status(true))
            .count();
        assert_eq!(acknowledged, 5, "saved and not acknowledged");
        assert_eq!(
            world
                .stored(&format!("d{}", client % 4))
                .await
                .state_vector()
                .get(client),
            5
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopping_hub_lets_nobody_in() {
    let world = World::new();
    world.hub.begin_stop();
    let outbox = Outbox::new(1_000);
    let refused = world
        .sit("d", Voice::YWebsocket, Role::Editor, outbox, None)
        .await;
    assert_eq!(refused.err().map(Close::code), Some(1012));
    let (reply, _answer) = oneshot::channel();
    let refused = world.hub.ask(&doc_id("d"), Ask::Snapshot(reply)).await;
    assert_eq!(refused.err().map(Close::code), Some(1012));
    assert!(world.hub.stop(PATIENCE).await);
}

#[tokio::test(start_paused = true)]
async fn a_stop_with_a_store_that_is_away_ends_in_time_and_acknowledges_nothing() {
    let world = World::new();
    let mut peer = world.join("d", hocuspocus("d")).await;
    peer.sync().await;
    world.faults.fail_appends(true);
    peer.edit(yjs::insert(1, 0, "x")).await;
    let started = tokio::time::Instant::now();
    world.hub.stop(PATIENCE).await;
    assert!(started.elapsed() <= PATIENCE);
    assert_eq!(peer.until_closed().await.code(), 1013);
    assert!(!peer.heard.contains(&Heard::Status(true)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_load_waits_for_it_and_tells_the_joiner() {
    let world = World::new();
    world.faults.delay_loads(Duration::from_secs(2));
    let mut peer = world.join("d", Voice::YWebsocket).await;
    assert!(world.hub.stop(PATIENCE).await);
    assert_eq!(peer.until_closed().await.code(), 1012);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_that_race_with_a_stop_are_refused_or_told() {
    for round in 0..50 {
        let world = World::new();
        let _awake = world.join("d", Voice::YWebsocket).await;
        let hub = world.hub.clone();
        let stop = tokio::spawn(async move { hub.stop(PATIENCE).await });
        let mut joined = Vec::new();
        for _ in 0..20 {
            let outbox = Outbox::new(1_000);
            match world
                .sit("d", Voice::YWebsocket, Role::Editor, outbox, None)
                .await
            {
                Ok(peer) => joined.push(peer),
                Err(close) => assert!([1012, 1013].contains(&close.code())),
            }
        }
        assert!(stop.await.expect("it stops"));
        for peer in &mut joined {
            let close = peer.until_closed().await;
            assert!([1012, 1013].contains(&close.code()), "round {round}: {close}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_of_many_rooms_is_quick() {
    let world = World::new();
    let mut peers = Vec::new();
    for number in 0..3_000 {
        peers.push(world.join(&format!("d{number}"), Voice::YWebsocket).await);
    }
    let started = Instant::now();
    assert!(world.hub.stop(PATIENCE).await);
    let took = started.elapsed();
    for peer in &mut peers {
        assert_eq!(peer.until_closed().await.code(), 1012);
    }
    assert!(took < Duration::from_secs(5), "{took:?}");
}
