//! Rooms wake, sleep and fail: nothing is lost on the way, and what is not loaded is not served (PS1).

use std::time::Duration;

use roomtone_crdt::{Message, StateVector};
use roomtone_persistence::{Store, compact};
use roomtone_server::auth::Role;
use roomtone_server::close::Close;
use roomtone_server::outbox::Outbox;
use roomtone_server::room::Voice;

use crate::peer::{Heard, PATIENCE, same};
use crate::world::{World, doc_id, every_voice, hocuspocus};
use crate::yjs;

/// Waits until the hub holds this many rooms. Retiring has no event that a test could see.
pub(crate) async fn rooms_become(world: &World, count: usize) {
    let waiting = async {
        while world.hub.rooms_count() != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the rooms never became that many");
}

/// Threat 25: a join that meets a room on its way to sleep must not lose what the room had, nor find it empty.
async fn joins_and_leaves(idle_ms: u64) {
    const ROUNDS: u64 = 1_000;
    let world = World::with(|limits| limits.room_idle_ms = idle_ms);
    for round in 0..ROUNDS {
        let mut peer = world.join("d", hocuspocus("d")).await;
        peer.sync().await;
        let known = peer.doc.state_vector().get(7);
        assert_eq!(u64::from(known), round, "an acknowledged edit was not served");
        peer.edit(yjs::insert(7, round, "x")).await;
        assert_eq!(
            peer.until(|heard| matches!(heard, Heard::Status(_))).await,
            Heard::Status(true)
        );
        peer.leave();
        // Let the room run into its sleep at different places.
        for _ in 0..round % 7 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(u64::from(world.stored("d").await.state_vector().get(7)), ROUNDS);
    rooms_become(&world, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ps1_a_thousand_joins_and_leaves_lose_nothing_when_rooms_sleep_at_once() {
    joins_and_leaves(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ps1_a_thousand_joins_and_leaves_lose_nothing_when_rooms_sleep_soon() {
    joins_and_leaves(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ps1_members_who_come_and_go_at_the_same_time_agree_with_the_store() {
    let world = World::with(|limits| limits.room_idle_ms = 0);
    let mut writers = Vec::new();
    for client in 1..=4_u64 {
        let (hub, limits) = (world.hub.clone(), world.limits.clone());
        let world = World {
            hub,
            limits,
            ..World::over(world.store.clone(), (*world.limits).clone())
        };
        writers.push(tokio::spawn(async move {
            for clock in 0..100 {
                let mut peer = world.join("d", hocuspocus("d")).await;
                peer.sync().await;
                assert_eq!(u64::from(peer.doc.state_vector().get(client)), clock);
                peer.edit(yjs::insert(client, clock, "x")).await;
                peer.until(|heard| *heard == Heard::Status(true)).await;
            }
        }));
    }
    for writer in writers {
        writer.await.expect("a writer");
    }
    let stored = world.stored("d").await;
    for client in 1..=4 {
        assert_eq!(stored.state_vector().get(client), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_first_joins_of_a_cold_document_are_one_load() {
    let world = World::new();
    world
        .apply("d", yjs::insert(7, 0, "hello"))
        .await
        .await
        .expect("an answer")
        .expect("stored");
    let cold = World::over(world.store.clone(), (*world.limits).clone());
    let loads = cold.faults.loads();
    cold.faults.delay_loads(Duration::from_millis(500));
    let mut peers = Vec::new();
    for _ in 0..100 {
        peers.push(cold.join("d", Voice::YWebsocket).await);
    }
    for peer in &mut peers {
        peer.sync().await;
        assert_eq!(peer.doc.state_vector().get(7), 5);
    }
    assert_eq!(cold.faults.loads() - loads, 1);
}

/// Whether the room or, before it is built, the reception answers: nobody can tell.
#[tokio::test(start_paused = true)]
async fn whoever_opens_a_large_document_gets_it_whole_and_once_in_every_dialect() {
    let world = World::new();
    let long = "x".repeat(100_000);
    world
        .apply("d", yjs::insert(7, 0, &long))
        .await
        .await
        .expect("an answer")
        .expect("stored");
    let voices = every_voice("d");
    for (early, voice) in (10..).step_by(10).zip(voices) {
        let late = early + 1;
        compact(world.store.as_ref(), &doc_id("d"))
            .await
            .expect("it compacts");
        let cold = World::over(world.store.clone(), (*world.limits).clone());
        // Both are said before anything is read.
        cold.faults.delay_loads(Duration::from_millis(100));
        let mut first = cold.join("d", voice.clone()).await;
        first.say(Message::Step1(StateVector::default())).await;
        // Before the room is ready, and behind the question.
        first.edit(yjs::insert(early, 0, "early")).await;
        first.until(|heard| matches!(heard, Heard::Step2(_))).await;
        assert_eq!(first.doc.state_vector().get(7), 100_000);
        let mut second = cold.join("d", voice).await;
        second.sync().await;
        second.until_has(early, 5).await;
        // Of two answers to its one question the second would come before what the others write.
        second.edit(yjs::insert(late, 0, "later")).await;
        first.until_has(late, 5).await;
        let again = first.heard_now().await;
        assert!(
            !again.iter().any(|heard| matches!(heard, Heard::Step2(_))),
            "answered twice"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ps1_when_the_load_fails_everyone_who_waits_is_told_to_come_back_and_a_later_join_works() {
    let world = World::new();
    world
        .apply("d", yjs::insert(7, 0, "hello"))
        .await
        .await
        .expect("an answer")
        .expect("stored");
    let cold = World::over(world.store.clone(), (*world.limits).clone());
    cold.faults.fail_loads(true);
    cold.faults.delay_loads(Duration::from_millis(100));
    let mut peers = Vec::new();
    for _ in 0..10 {
        peers.push(cold.join("d", Voice::YWebsocket).await);
    }
    let Err(close) = cold.snapshot("d").await else {
        panic!("a document that cannot be loaded was served")
    };
    assert_eq!(close.code(), 1013);
    for peer in &mut peers {
        assert_eq!(peer.until_closed().await.code(), 1013);
        assert!(
            peer.heard.is_empty(),
            "heard {:?} from a room that never was",
            peer.heard
        );
    }
    drop(peers);
    rooms_become(&cold, 0).await;
    cold.faults.fail_loads(false);
    let mut late = cold.join("d", Voice::YWebsocket).await;
    late.sync().await;
    assert_eq!(late.doc.state_vector().get(7), 5);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_hangs_is_given_up() {
    let world = World::new();
    world.faults.delay_loads(Duration::from_secs(3600));
    let mut peer = world.join("d", Voice::YWebsocket).await;
    assert_eq!(peer.until_closed().await.code(), 1013);
    rooms_become(&world, 0).await;
}

/// Threat 32.
#[tokio::test(start_paused = true)]
async fn a_room_that_nobody_wrote_in_writes_nothing_and_is_freed_at_once() {
    let world = World::new();
    for number in 0..100 {
        let mut peer = world.join(&format!("empty-{number}"), Voice::YSweet).await;
        peer.sync().await;
        peer.say(Message::Awareness(yjs::awareness(7, 1, "{}"))).await;
    }
    let started = tokio::time::Instant::now();
    rooms_become(&world, 0).await;
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "an empty room was kept"
    );
    assert_eq!(world.faults.appends(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_room_with_content_sleeps_after_its_idle_time() {
    let world = World::with(|limits| limits.room_idle_ms = 5_000);
    let mut peer = world.join("d", hocuspocus("d")).await;
    peer.edit(yjs::insert(7, 0, "x")).await;
    peer.until(|heard| *heard == Heard::Status(true)).await;
    peer.leave();
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    assert_eq!(world.hub.rooms_count(), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.hub.rooms_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_room_does_not_sleep_on_what_is_not_saved() {
    let world = World::with(|limits| limits.room_idle_ms = 0);
    let mut peer = world.join("d", Voice::YWebsocket).await;
    peer.sync().await;
    world.faults.fail_appends(true);
    peer.edit(yjs::insert(7, 0, "x")).await;
    peer.leave();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.hub.rooms_count(), 1);
    world.faults.fail_appends(false);
    rooms_become(&world, 0).await;
    assert_eq!(world.stored("d").await.state_vector().get(7), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_words_of_a_member_count() {
    let world = World::new();
    let peer = world.join("d", Voice::YWebsocket).await;
    for clock in 0..200 {
        peer.say(Message::Update(yjs::insert(7, clock, "x"))).await;
    }
    drop(peer);
    let waiting = async {
        // Batches gather behind the running commit, so one flush may not be all.
        while world.stored("d").await.state_vector().get(7) < 200 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("some of them were lost");
    let doc = world.snapshot("d").await.expect("it answers");
    assert!(same(&doc, &world.stored("d").await));
}

#[tokio::test]
async fn more_rooms_than_the_bound_are_refused_with_a_retryable_code() {
    let world = World::with(|limits| limits.rooms_count_max = 2);
    let _one = world.join("1", Voice::YWebsocket).await;
    let _two = world.join("2", Voice::YWebsocket).await;
    let outbox = Outbox::new(1_000);
    let refused = world
        .sit("3", Voice::YWebsocket, Role::Editor, outbox, None)
        .await;
    assert_eq!(refused.err().map(Close::code), Some(1013));
    let _again = world.join("1", Voice::YWebsocket).await;
}

/// What was written in an older life of a document must not come back into the new one.
#[tokio::test(start_paused = true)]
async fn a_document_that_is_deleted_under_its_room_sends_everyone_away_for_good() {
    let world = World::new();
    let mut peer = world.join("d", hocuspocus("d")).await;
    let mut other = world.join("d", Voice::YWebsocket).await;
    peer.edit(yjs::insert(7, 0, "old")).await;
    peer.until(|heard| *heard == Heard::Status(true)).await;
    world.store.delete(&doc_id("d")).await.expect("deleted");
    peer.edit(yjs::insert(7, 3, "er")).await;
    assert_eq!(other.until_closed().await.code(), 4409);
    let denied = Heard::Denied(Close::StaleEpoch.reason().to_owned());
    let heard = peer.until(|heard| matches!(heard, Heard::Denied(_) | Heard::Status(_)));
    assert_eq!(heard.await, denied, "acknowledged into nowhere");
    assert_eq!(peer.closed, None, "its socket may carry other documents");
    peer.leave();
    let mut fresh = world.join("d", hocuspocus("d")).await;
    fresh.sync().await;
    assert!(fresh.doc.state_vector().is_empty());
    fresh.edit(yjs::insert(8, 0, "new")).await;
    fresh.until(|heard| *heard == Heard::Status(true)).await;
}
