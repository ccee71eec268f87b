//! What "saved" means: acknowledgements follow commits, and nothing else makes them leave (SV1 to SV6).

use std::time::Duration;

use bytes::Bytes;
use roomtone_crdt::{Message, Update};
use roomtone_server::limits::Limits;
use roomtone_server::room::Voice;

use crate::peer::{Heard, Peer, same};
use crate::world::{World, hocuspocus};
use crate::yjs;

/// Longer than any deadline of a room.
const LONG: Duration = Duration::from_secs(20);

fn is_ack(heard: &Heard, own: u64) -> bool {
    match heard {
        Heard::Status(_) => true,
        Heard::YSweet(payload) => payload != &Bytes::from_static(&[0]),
        Heard::Step2(update) | Heard::Update(update) => {
            update.extent().structs.iter().any(|range| range.client == own)
        }
        _ => false,
    }
}

async fn acks_of(peer: &mut Peer, own: u64) -> Vec<Heard> {
    let heard = peer.heard_now().await;
    heard.into_iter().filter(|heard| is_ack(heard, own)).collect()
}

fn status(version: u8) -> Message {
    Message::SyncStatus(Bytes::copy_from_slice(&[version]))
}

/// Members of every dialect, in sync.
async fn one_of_each(world: &World) -> [Peer; 3] {
    let mut peers = [
        world.join("d", Voice::YWebsocket).await,
        world.join("d", hocuspocus("d")).await,
        world.join("d", Voice::YSweet).await,
    ];
    for peer in &mut peers {
        peer.sync().await;
        peer.heard_now().await;
    }
    peers
}

#[tokio::test(start_paused = true)]
async fn sv1_no_dialect_hears_an_acknowledgement_while_the_store_fails_and_each_hears_its_own_afterwards() {
    const EDITS: u64 = 5;
    let world = World::new();
    let [mut yws, mut hocus, mut sweet] = one_of_each(&world).await;
    world.faults.fail_appends(true);
    for clock in 0..EDITS {
        yws.edit(yjs::insert(1, clock, "a")).await;
        hocus.edit(yjs::insert(2, clock, "b")).await;
        sweet.edit(yjs::insert(3, clock, "c")).await;
        sweet.say(status(clock as u8 + 1)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    tokio::time::sleep(LONG).await;
    // SV2: everyone has everyone's edits all the same.
    for (peer, own) in [(&mut yws, 1), (&mut hocus, 2), (&mut sweet, 3)] {
        assert_eq!(acks_of(peer, own).await, [], "acknowledged before the commit");
        for client in 1..=3 {
            assert_eq!(
                u64::from(peer.doc.state_vector().get(client)),
                EDITS,
                "not relayed"
            );
        }
    }
    world.faults.fail_appends(false);
    tokio::time::sleep(LONG).await;
    // SV3: one SyncStatus an update.
    assert_eq!(
        acks_of(&mut hocus, 2).await,
        vec![Heard::Status(true); EDITS as usize]
    );
    let echoes = acks_of(&mut yws, 1).await;
    let echoed: u32 = echoes.iter().map(|heard| clocks_in(heard, 1)).sum();
    assert_eq!(
        u64::from(echoed),
        EDITS,
        "each own edit comes back once: {echoes:?}"
    );
    let last = acks_of(&mut sweet, 3).await;
    assert_eq!(
        last.last(),
        Some(&Heard::YSweet(Bytes::from_static(&[EDITS as u8])))
    );
    let stored = world.stored("d").await;
    for peer in [&yws, &hocus, &sweet] {
        assert!(same(&peer.doc, &stored));
    }
}

fn clocks_in(heard: &Heard, client: u64) -> u32 {
    match heard {
        Heard::Step2(update) | Heard::Update(update) => {
            let own = update
                .extent()
                .structs
                .iter()
                .filter(|range| range.client == client);
            own.map(|range| range.to - range.from).sum()
        }
        _ => 0,
    }
}

#[tokio::test(start_paused = true)]
async fn sv2_edits_wait_for_their_commit_and_leave_at_the_relay_deadline_when_it_does_not_come() {
    let world = with_default_deadline();
    let [yws, mut hocus, mut sweet] = one_of_each(&world).await;
    world.faults.delay_appends(Duration::from_secs(3));
    yws.say(Message::Update(yjs::insert(1, 0, "a"))).await;
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(
        hocus.heard_now().await,
        [],
        "relayed before the commit and before the deadline"
    );
    tokio::time::sleep(Duration::from_millis(20)).await;
    for peer in [&mut hocus, &mut sweet] {
        peer.read_now().await;
        assert_eq!(peer.doc.state_vector().get(1), 1, "not relayed at the deadline");
    }
}

#[tokio::test(start_paused = true)]
async fn sv2_an_edit_that_waits_for_two_late_commits_is_shown_within_a_tenth_of_a_second() {
    let world = with_default_deadline();
    let [yws, mut hocus, _sweet] = one_of_each(&world).await;
    world.faults.delay_appends(Duration::from_millis(45));
    yws.say(Message::Update(yjs::insert(1, 0, "a"))).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    world.faults.delay_appends(Duration::from_secs(3));
    yws.say(Message::Update(yjs::insert(1, 1, "b"))).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    hocus.read_now().await;
    assert_eq!(
        hocus.doc.state_vector().get(1),
        1,
        "the first commit was not late"
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    hocus.read_now().await;
    assert_eq!(hocus.doc.state_vector().get(1), 2);
}

fn with_default_deadline() -> World {
    World::with(|limits| limits.relay_deadline_ms = Limits::default().relay_deadline_ms)
}

#[tokio::test(start_paused = true)]
async fn sv2_a_deadline_of_nothing_relays_at_once_and_still_acknowledges_after_the_commit() {
    let world = World::with(|limits| limits.relay_deadline_ms = 0);
    let [mut yws, mut hocus, _sweet] = one_of_each(&world).await;
    world.faults.delay_appends(Duration::from_secs(3));
    hocus.edit(yjs::insert(2, 0, "b")).await;
    yws.until_has(2, 1).await;
    assert_eq!(acks_of(&mut hocus, 2).await, []);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(acks_of(&mut hocus, 2).await, [Heard::Status(true)]);
}

#[tokio::test(start_paused = true)]
async fn sv1_a_commit_whose_answer_was_lost_is_tried_again_and_acknowledged_once() {
    let world = World::new();
    let [_yws, mut hocus, _sweet] = one_of_each(&world).await;
    world.faults.lose_answers(true);
    hocus.edit(yjs::insert(2, 0, "b")).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(acks_of(&mut hocus, 2).await, []);
    world.faults.lose_answers(false);
    tokio::time::sleep(LONG).await;
    assert_eq!(acks_of(&mut hocus, 2).await, [Heard::Status(true)]);
}

#[tokio::test(start_paused = true)]
async fn sv1_somebody_who_joins_during_a_stall_gets_the_document_and_a_returning_author_waits() {
    let world = World::new();
    let [mut yws, _hocus, _sweet] = one_of_each(&world).await;
    world.faults.fail_appends(true);
    yws.edit(yjs::insert(1, 0, "a")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut fresh = world.join("d", Voice::YWebsocket).await;
    fresh.sync().await;
    assert_eq!(fresh.doc.state_vector().get(1), 1);
    // The author comes back with what it wrote: a Step2 would tell it that all of it is saved.
    let mut back = world.join("d", Voice::YWebsocket).await;
    back.doc = roomtone_crdt::Doc::load([yws.doc.snapshot().expect("a copy")]).expect("a copy");
    back.say(Message::Step1(back.doc.state_vector().clone())).await;
    tokio::time::sleep(LONG).await;
    let early = back.heard_now().await;
    assert!(
        !early.iter().any(|heard| matches!(heard, Heard::Step2(_))),
        "{early:?}"
    );
    world.faults.fail_appends(false);
    back.until(|heard| matches!(heard, Heard::Step2(_))).await;
}

#[tokio::test(start_paused = true)]
async fn sv4_a_ysweet_client_is_not_left_alone_for_three_seconds() {
    let world = World::new();
    let [_yws, _hocus, mut sweet] = one_of_each(&world).await;
    sweet.edit(yjs::insert(3, 0, "c")).await;
    sweet.say(status(1)).await;
    sweet
        .until(|heard| *heard == Heard::YSweet(Bytes::from_static(&[1])))
        .await;
    world.faults.fail_appends(true);
    sweet.edit(yjs::insert(3, 1, "c")).await;
    sweet.say(status(2)).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        let heard = sweet.heard_now().await;
        assert!(
            heard.contains(&Heard::YSweet(Bytes::from_static(&[1]))),
            "{heard:?}"
        );
        assert!(
            !heard.contains(&Heard::YSweet(Bytes::from_static(&[2]))),
            "acknowledged before the commit"
        );
    }
    world.faults.fail_appends(false);
    sweet
        .until(|heard| *heard == Heard::YSweet(Bytes::from_static(&[2])))
        .await;
}

#[tokio::test(start_paused = true)]
async fn sv5_what_is_sent_again_is_acknowledged_again() {
    let world = World::new();
    let [mut yws, mut hocus, _sweet] = one_of_each(&world).await;
    hocus.edit(yjs::insert(2, 0, "b")).await;
    hocus.until(|heard| *heard == Heard::Status(true)).await;
    hocus.edit(yjs::insert(2, 0, "b")).await;
    hocus.until(|heard| *heard == Heard::Status(true)).await;
    yws.until_has(2, 1).await;
    yws.heard_now().await;
    yws.edit(yjs::insert(2, 0, "b")).await;
    yws.until(|heard| clocks_in(heard, 2) == 1).await;
    assert_eq!(hocus.heard_now().await, [], "an echo went to somebody else");
}

#[tokio::test(start_paused = true)]
async fn sv6_a_full_backlog_refuses_writes_with_a_retryable_code_and_takes_them_when_the_store_is_back() {
    let world = World::with(|limits| limits.backlog_bytes_max = 10_000);
    let [mut yws, mut hocus, mut sweet] = one_of_each(&world).await;
    world.faults.fail_appends(true);
    let text = "x".repeat(1_000);
    for clock in 0..20 {
        if hocus.closed.is_none() {
            let update = yjs::insert(2, clock * 1_000, &text);
            hocus.say(Message::Update(update)).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            hocus.read_now().await;
        }
    }
    assert_eq!(hocus.until_closed().await.code(), 1013);
    let refused = hocus
        .heard
        .iter()
        .filter(|heard| **heard == Heard::Status(false))
        .count();
    assert_eq!(refused, 1, "{:?}", hocus.heard);
    assert!(!hocus.heard.contains(&Heard::Status(true)));
    // Whoever only reads stays.
    yws.read_now().await;
    sweet.read_now().await;
    assert_eq!((yws.closed, sweet.closed), (None, None));
    hocus.leave();
    world.faults.fail_appends(false);
    world.saver.flush().await;
    let mut again = world.join("d", hocuspocus("d")).await;
    again.sync().await;
    let known = u64::from(again.doc.state_vector().get(2));
    again.edit(yjs::insert(2, known, "and on")).await;
    again.until(|heard| *heard == Heard::Status(true)).await;
}

#[tokio::test(start_paused = true)]
async fn sv6_an_http_caller_hears_when_it_is_durable_or_why_not() {
    let world = World::with(|limits| limits.backlog_bytes_max = 100);
    world.faults.delay_appends(Duration::from_secs(3));
    let mut first = world.apply("d", yjs::insert(1, 0, &"x".repeat(90))).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(first.try_recv().is_err(), "answered before the commit");
    let second = world.apply("d", yjs::insert(2, 0, &"x".repeat(90))).await;
    assert_eq!(
        second.await.expect("an answer").expect_err("refused").code(),
        1013
    );
    first.await.expect("an answer").expect("durable");
}

#[tokio::test(start_paused = true)]
async fn sv1_an_author_who_writes_more_than_an_outbox_holds_during_a_stall_keeps_its_socket() {
    let world = World::with(|limits| limits.outbox_bytes_max = 10_000);
    let [mut yws, mut hocus, _sweet] = one_of_each(&world).await;
    world.faults.fail_appends(true);
    let text = "x".repeat(1_000);
    for clock in 0..50 {
        yws.edit(yjs::insert(1, clock * 1_000, &text)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        hocus.read_now().await;
    }
    yws.heard_now().await;
    world.faults.fail_appends(false);
    world.saver.flush().await;
    let mut echoed = roomtone_crdt::Doc::new();
    while echoed.state_vector().get(1) < 50_000 {
        let heard = yws.until(|heard| clocks_in(heard, 1) > 0).await;
        let (Heard::Step2(update) | Heard::Update(update)) = heard else {
            continue;
        };
        echoed.apply(&[(yws.id, update)]).expect("it applies");
    }
    assert_eq!(yws.closed, None);
}

#[tokio::test(start_paused = true)]
async fn sv7_edits_leave_when_they_are_written_and_acknowledgements_when_they_are_on_the_disk() {
    let world = World::new();
    let [mut yws, mut hocus, mut sweet] = one_of_each(&world).await;
    world.faults.delay_syncs(Duration::from_millis(100));
    yws.edit(yjs::insert(1, 0, "a")).await;
    hocus.until_has(1, 1).await;
    hocus.edit(yjs::insert(2, 0, "b")).await;
    sweet.until_has(2, 1).await;
    sweet.edit(yjs::insert(3, 0, "c")).await;
    sweet.say(status(1)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    for (peer, own) in [(&mut yws, 1), (&mut hocus, 2), (&mut sweet, 3)] {
        assert_eq!(acks_of(peer, own).await, [], "acknowledged before the sync");
    }
    for client in 1..=3 {
        for peer in [&hocus, &sweet] {
            assert_eq!(peer.doc.state_vector().get(client), 1, "{client} was not relayed");
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    for (peer, own) in [(&mut yws, 1), (&mut hocus, 2), (&mut sweet, 3)] {
        assert_ne!(acks_of(peer, own).await, [], "not acknowledged after the sync");
        for client in 1..=3 {
            assert_eq!(peer.doc.state_vector().get(client), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sv7_while_syncs_fail_everyone_sees_everything_and_nobody_is_told_that_it_is_saved() {
    let world = World::new();
    let [mut yws, mut hocus, _sweet] = one_of_each(&world).await;
    let mut other = world.join("d", Voice::YWebsocket).await;
    other.sync().await;
    other.heard_now().await;
    world.faults.fail_syncs(true);
    // Both in one turn: each would get the turn as a whole, as its acknowledgement.
    yws.edit(yjs::insert(1, 0, "a")).await;
    other.edit(yjs::insert(4, 0, "d")).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    for (peer, own, foreign) in [(&mut yws, 1, 4), (&mut other, 4, 1)] {
        let heard = peer.heard_now().await;
        assert_eq!(heard.iter().map(|one| clocks_in(one, own)).sum::<u32>(), 0);
        assert_eq!(heard.iter().map(|one| clocks_in(one, foreign)).sum::<u32>(), 1);
    }
    assert!(world.saver.trouble().is_some(), "nobody is told of it");
    hocus.edit(yjs::insert(2, 0, "b")).await;
    yws.until_has(2, 1).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(acks_of(&mut hocus, 2).await, []);
    world.faults.fail_syncs(false);
    world.saver.flush().await;
    hocus.until(|heard| *heard == Heard::Status(true)).await;
    yws.until(|heard| clocks_in(heard, 1) == 1).await;
    other.until(|heard| clocks_in(heard, 4) == 1).await;
    assert_eq!(world.saver.trouble(), None);
    assert!(same(&hocus.doc, &world.stored("d").await));
}

#[tokio::test(start_paused = true)]
async fn sv7_who_joins_gets_what_is_written_and_who_returns_waits_for_the_disk() {
    let world = World::new();
    let [mut yws, mut hocus, _sweet] = one_of_each(&world).await;
    world.faults.delay_syncs(Duration::from_millis(100));
    yws.edit(yjs::insert(1, 0, "a")).await;
    hocus.until(|heard| clocks_in(heard, 1) == 1).await;
    let mut fresh = world.join("d", Voice::YWebsocket).await;
    fresh.sync().await;
    assert_eq!(fresh.doc.state_vector().get(1), 1);
    let mut back = world.join("d", Voice::YWebsocket).await;
    back.doc = roomtone_crdt::Doc::load([yws.doc.snapshot().expect("a copy")]).expect("a copy");
    back.say(Message::Step1(back.doc.state_vector().clone())).await;
    hocus.edit(yjs::insert(2, 0, "b")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let early = back.heard_now().await;
    let tells = |heard: &Heard| matches!(heard, Heard::Step2(_) | Heard::Update(_));
    assert!(!early.iter().any(tells), "{early:?}");
    // What came meanwhile comes behind it: nothing is ever sent that builds on what was not.
    back.until(|heard| matches!(heard, Heard::Step2(_))).await;
    back.until_has(2, 1).await;
    world.saver.flush().await;
    assert!(same(&back.doc, &world.stored("d").await));
}

#[tokio::test(start_paused = true)]
async fn sv7_a_busy_room_shares_syncs_and_a_quiet_one_waits_for_none() {
    let world = World::new();
    let [_yws, mut hocus, _sweet] = one_of_each(&world).await;
    let quiet = tokio::time::Instant::now();
    hocus.edit(yjs::insert(2, 0, "b")).await;
    hocus.until(|heard| *heard == Heard::Status(true)).await;
    assert!(
        quiet.elapsed() < Duration::from_millis(3),
        "{:?}",
        quiet.elapsed()
    );
    let before = world.faults.syncs();
    for clock in 1..=100 {
        hocus.edit(yjs::insert(2, clock, "b")).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.saver.flush().await;
    let syncs = world.faults.syncs() - before;
    assert!((2..=20).contains(&syncs), "{syncs} syncs for a hundred edits");
}

/// A Hocuspocus provider counts its edits and one answer for its own Step1. An acknowledgement of more would stand for an edit that
/// is not saved.
#[tokio::test(start_paused = true)]
async fn sv3_the_answer_to_our_question_is_not_acknowledged_and_what_it_completes_is() {
    let world = World::new();
    let mut peer = world.join("d", hocuspocus("d")).await;
    peer.sync().await;
    peer.say(Message::Step2(Update::empty())).await;
    peer.until(|heard| *heard == Heard::Status(true)).await;
    // It wrote "abc" while it was away, and types before it was asked for that.
    let (past, edit) = (yjs::insert(7, 0, "abc"), yjs::insert(7, 3, "d"));
    peer.say(Message::Update(edit)).await;
    peer.until(|heard| matches!(heard, Heard::Step1(_))).await;
    peer.say(Message::Step2(past)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard = peer.heard_now().await;
    let statuses = heard.iter().filter(|heard| **heard == Heard::Status(true));
    assert_eq!(statuses.count(), 1, "of the edit alone");
    assert_eq!(world.stored("d").await.state_vector().get(7), 4);
}
