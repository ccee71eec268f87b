//! An update that breaks the engine: its author goes, it is put aside, and everything else goes on (PS6, PS7, SV1).

use std::time::Duration;

use bytes::Bytes;
use roomtone_crdt::{Message, Update};
use roomtone_persistence::{Batch, Epoch, Record, Store};
use roomtone_server::room::Voice;

use crate::peer::{Heard, PATIENCE, same};
use crate::world::{World, doc_id, hocuspocus};
use crate::yjs;

fn status(version: u8) -> Message {
    Message::SyncStatus(Bytes::copy_from_slice(&[version]))
}

/// Makes the room busy with a commit, so that what is said next gathers into one turn.
async fn keep_busy(world: &World) {
    world.faults.delay_appends(Duration::from_millis(100));
    let busy = world.apply("d", yjs::insert(99, 0, "busy")).await;
    world.snapshot("d").await.expect("the room took it");
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn the_good_updates_of_the_same_turn_survive_and_are_acknowledged() {
    let world = World::new();
    let mut good = world.join("d", hocuspocus("d")).await;
    let mut echo = world.join("d", Voice::YWebsocket).await;
    let mut bad = world.join("d", Voice::YWebsocket).await;
    let mut reader = world.join("d", Voice::YSweet).await;
    for peer in [&mut good, &mut echo, &mut bad, &mut reader] {
        peer.sync().await;
    }
    keep_busy(&world).await;
    let poison = yjs::poison(501, 502);
    good.edit(yjs::insert(1, 0, "before")).await;
    bad.say(Message::Update(poison.clone())).await;
    echo.edit(yjs::insert(2, 0, "behind")).await;
    let http = world.apply("d", yjs::insert(3, 0, "http")).await;
    assert_eq!(
        good.until(|heard| matches!(heard, Heard::Status(_))).await,
        Heard::Status(true)
    );
    let is_echo = |heard: &Heard| match heard {
        Heard::Update(update) => update.extent().structs.iter().any(|range| range.client == 2),
        _ => false,
    };
    echo.until(is_echo).await;
    assert_eq!(bad.until_closed().await.code(), 4400);
    // The caller is asked to try again, or told that it is durable; never left without an answer.
    let _ = tokio::time::timeout(PATIENCE, http).await.expect("an answer");
    let aside = world.store.quarantined(&doc_id("d")).await.expect("readable");
    assert_eq!(aside.len(), 1);
    assert_eq!(&aside[0].record.update, poison.bytes());
    // The room goes on.
    good.edit(yjs::insert(1, 6, " and on")).await;
    good.until(|heard| *heard == Heard::Status(true)).await;
    let whole = world.snapshot("d").await.expect("it answers");
    reader.until_has(1, 13).await;
    reader.until_has(2, 6).await;
    assert_eq!(whole.state_vector().get(501), 0);
    assert!(same(&whole, &world.stored("d").await));
}

#[tokio::test(start_paused = true)]
async fn sv1_a_ysweet_status_behind_an_update_of_a_broken_turn_waits_for_that_update() {
    let world = World::new();
    let mut good = world.join("d", Voice::YSweet).await;
    let mut bad = world.join("d", Voice::YWebsocket).await;
    good.sync().await;
    bad.sync().await;
    keep_busy(&world).await;
    good.edit(yjs::insert(1, 0, "good")).await;
    good.say(status(1)).await;
    bad.say(Message::Update(yjs::poison(501, 502))).await;
    good.until(|heard| *heard == Heard::YSweet(Bytes::from_static(&[1])))
        .await;
    assert_eq!(
        world.stored("d").await.state_vector().get(1),
        4,
        "acknowledged before it was stored"
    );
}

#[tokio::test(start_paused = true)]
async fn several_poisons_in_one_turn_are_told_from_the_good_ones() {
    let world = World::new();
    let mut good = world.join("d", hocuspocus("d")).await;
    good.sync().await;
    keep_busy(&world).await;
    let mut authors = Vec::new();
    for number in 0..3 {
        let author = world.join("d", Voice::YWebsocket).await;
        author
            .say(Message::Update(yjs::poison(500 + 2 * number, 501 + 2 * number)))
            .await;
        authors.push(author);
        good.edit(yjs::insert(1, number, "x")).await;
    }
    for _ in 0..3 {
        assert_eq!(
            good.until(|heard| matches!(heard, Heard::Status(_))).await,
            Heard::Status(true)
        );
    }
    for author in &mut authors {
        assert_eq!(author.until_closed().await.code(), 4400);
    }
    assert_eq!(
        world
            .store
            .quarantined(&doc_id("d"))
            .await
            .expect("readable")
            .len(),
        3
    );
    assert_eq!(world.stored("d").await.state_vector().get(1), 3);
}

#[tokio::test(start_paused = true)]
async fn more_poisons_than_rebuilds_send_the_rest_away_to_come_back() {
    let world = World::new();
    let mut reader = world.join("d", Voice::YWebsocket).await;
    reader.sync().await;
    keep_busy(&world).await;
    let mut authors = Vec::new();
    for number in 0..8 {
        let author = world.join("d", Voice::YWebsocket).await;
        author
            .say(Message::Update(yjs::poison(500 + 2 * number, 501 + 2 * number)))
            .await;
        authors.push(author);
    }
    for author in &mut authors {
        assert!([4400, 1013].contains(&author.until_closed().await.code()));
    }
    reader.sync().await;
    assert_eq!(reader.closed, None);
}

#[tokio::test(start_paused = true)]
async fn a_stored_log_with_such_an_update_opens_without_it() {
    let world = World::new();
    let poison = yjs::poison(501, 502);
    let good = [
        yjs::insert(1, 0, "a"),
        yjs::insert(1, 1, "b"),
        yjs::insert(1, 2, "c"),
    ];
    for update in [&good[0], &poison, &good[1], &good[2]] {
        let record = |update: &Update| Record {
            user: None,
            client: 1,
            time_ms: 0,
            update: update.bytes().clone(),
        };
        let batch = Batch {
            doc: doc_id("d"),
            epoch: Epoch::FIRST,
            records: vec![record(update)],
        };
        let _ = world.store.append(&[batch]).await.expect("stored");
    }
    let mut peer = world.join("d", Voice::YWebsocket).await;
    peer.sync().await;
    assert_eq!(peer.doc.state_vector().get(1), 3);
    assert_eq!(peer.doc.state_vector().get(501), 0);
    assert_eq!(
        world
            .store
            .quarantined(&doc_id("d"))
            .await
            .expect("readable")
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_room_that_cannot_be_rebuilt_sends_everyone_away_and_the_next_one_has_all_that_was_acknowledged() {
    let world = World::new();
    let mut good = world.join("d", hocuspocus("d")).await;
    good.edit(yjs::insert(1, 0, "good")).await;
    good.until(|heard| *heard == Heard::Status(true)).await;
    world.faults.fail_loads(true);
    let bad = world.join("d", Voice::YWebsocket).await;
    bad.say(Message::Update(yjs::poison(501, 502))).await;
    assert_eq!(good.until_closed().await.code(), 1013);
    world.faults.fail_loads(false);
    let mut back = world.join("d", hocuspocus("d")).await;
    back.sync().await;
    assert_eq!(back.doc.state_vector().get(1), 4);
}

#[tokio::test(start_paused = true)]
async fn ps6_what_builds_on_missing_edits_is_not_acknowledged_before_it_fits() {
    let world = World::new();
    let mut sweet = world.join("d", Voice::YSweet).await;
    let mut hocus = world.join("d", hocuspocus("d")).await;
    sweet.sync().await;
    hocus.sync().await;
    // As a provider answers, and counts.
    hocus.say(Message::Step2(Update::empty())).await;
    hocus.until(|heard| *heard == Heard::Status(true)).await;
    sweet.heard_now().await;
    sweet.say(Message::Update(yjs::insert(1, 5, "second"))).await;
    sweet.say(status(1)).await;
    hocus.say(Message::Update(yjs::insert(2, 5, "second"))).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let heard = sweet.heard_now().await;
    assert!(
        heard.iter().any(|heard| matches!(heard, Heard::Step1(_))),
        "not asked for what is missing"
    );
    assert!(
        !heard.contains(&Heard::YSweet(Bytes::from_static(&[1]))),
        "PS6: acknowledged while it waits"
    );
    assert!(!hocus.heard_now().await.contains(&Heard::Status(true)));
    sweet.say(Message::Step2(yjs::insert(1, 0, "first"))).await;
    hocus.say(Message::Step2(yjs::insert(2, 0, "first"))).await;
    sweet
        .until(|heard| *heard == Heard::YSweet(Bytes::from_static(&[1])))
        .await;
    // Of the update alone: the provider does not count its answer to our question.
    hocus.until(|heard| *heard == Heard::Status(true)).await;
    assert_eq!(world.stored("d").await.state_vector().get(1), 11);
}

#[tokio::test(start_paused = true)]
async fn ps7_a_ysweet_status_behind_an_update_with_gaps_waits_for_what_is_whole() {
    let world = World::new();
    let mut sweet = world.join("d", Voice::YSweet).await;
    sweet.sync().await;
    sweet.heard_now().await;
    sweet.say(Message::Gapped).await;
    sweet.say(status(1)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let heard = sweet.heard_now().await;
    assert!(
        heard.iter().any(|heard| matches!(heard, Heard::Step1(_))),
        "not asked for what is whole"
    );
    assert!(
        !heard.contains(&Heard::YSweet(Bytes::from_static(&[1]))),
        "PS7: nothing of it was taken"
    );
    sweet.say(Message::Step2(yjs::insert(1, 0, "whole"))).await;
    sweet
        .until(|heard| *heard == Heard::YSweet(Bytes::from_static(&[1])))
        .await;
}

#[tokio::test(start_paused = true)]
async fn ps6_pending_updates_have_a_bound_and_leave_with_their_author() {
    let world = World::new();
    let mut flood = world.join("d", Voice::YWebsocket).await;
    let text = "x".repeat(50_000);
    for number in 0..6 {
        flood
            .say(Message::Update(yjs::insert(1, 10 + number * 60_000, &text)))
            .await;
    }
    assert_eq!(flood.until_closed().await.code(), 1008);
    flood.leave();
    let mut other = world.join("d", Voice::YWebsocket).await;
    other.edit(yjs::insert(2, 0, "fine")).await;
    other.until(|heard| matches!(heard, Heard::Update(_))).await;
}

/// An HTTP caller has no socket whose end would free what it left behind.
#[tokio::test(start_paused = true)]
async fn ps6_what_an_http_caller_was_refused_does_not_wait_in_the_room() {
    let world = World::new();
    let mut peer = world.join("d", Voice::YWebsocket).await;
    peer.sync().await;
    let text = "x".repeat(50_000);
    for number in 0..40 {
        let refused = world.apply("d", yjs::insert(number + 1, 10, &text)).await;
        assert!(refused.await.expect("an answer").is_err());
    }
    peer.say(Message::Update(yjs::insert(77, 10, &text))).await;
    peer.until(|heard| matches!(heard, Heard::Step1(_))).await;
    world
        .apply("d", yjs::insert(1, 0, "0123456789"))
        .await
        .await
        .expect("an answer")
        .expect("stored");
    let whole = world.snapshot("d").await.expect("it answers");
    assert_eq!(
        whole.state_vector().get(1),
        10,
        "an update that was refused was applied later"
    );
    assert_eq!(peer.closed, None);
}
