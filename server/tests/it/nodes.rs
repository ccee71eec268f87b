//! Several servers over one store: what one accepts, all have, whatever the bus between them loses.

use std::cell::Cell;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use roomtone_crdt::{Doc, Message, Update};
use roomtone_persistence::{FaultyStore, MemoryStore};
use roomtone_server::bus::memory::{Faults, Network, Packet};
use roomtone_server::bus::{Bus, Event, Message as Said, RedisAddress, Subscription};
use roomtone_server::limits::{BUS_DIGEST_MS, BUS_SILENCE_MS_MAX, Limits};
use roomtone_server::room::Voice;

use crate::peer::{Heard, Peer, same};
use crate::redis::RedisServer;
use crate::world::{World, doc_id, hocuspocus};
use crate::yjs;

/// Longer than anything takes when nothing is lost.
const A_MOMENT: Duration = Duration::from_millis(500);
/// Within this, what was lost is found: the next digest, an exchange, and one more try.
const A_REPAIR: Duration = Duration::from_secs(5);

/// Servers that share a store.
fn worlds(buses: Vec<Bus>) -> Vec<World> {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let world = |bus| World::on_bus(store.clone(), Limits::default(), Some(bus));
    buses.into_iter().map(world).collect()
}

/// On a network that does as it is told.
fn on_network(network: &Network, count: usize) -> Vec<World> {
    worlds((0..count).map(|_| network.node()).collect())
}

fn lose_everything(network: &Network) {
    network.set_faults(Faults {
        lost_permille: 1_000,
        ..Faults::default()
    });
}

/// A peer on each, once the rooms know of each other.
async fn peers(worlds: &[World]) -> Vec<Peer> {
    let mut peers = Vec::new();
    for world in worlds {
        let mut peer = world.join("d", Voice::YWebsocket).await;
        peer.sync().await;
        peers.push(peer);
    }
    tokio::time::sleep(A_MOMENT).await;
    peers
}

async fn says(peer: &Peer, client: u64, clock: u64, state: &str) {
    peer.say(Message::Awareness(yjs::awareness(client, clock, state)))
        .await;
}

async fn sees(peer: &mut Peer) -> Vec<u64> {
    tokio::time::sleep(A_MOMENT).await;
    peer.read_now().await;
    peer.sees()
}

/// What was said on the bus about edits since the last call.
fn edits_on(spy: &Subscription) -> Vec<(bool, &'static str)> {
    let mut edits = Vec::new();
    loop {
        let events = spy.try_recv();
        if events.is_empty() {
            return edits;
        }
        for event in events {
            match event {
                Event::Remote(envelope) => match envelope.message {
                    Said::Update { saved, .. } => edits.push((saved, "update")),
                    Said::Answer { saved, .. } => edits.push((saved, "answer")),
                    _ => {}
                },
                Event::Gap => {}
            }
        }
    }
}

async fn all_have(worlds: &[World], whole: &Doc) -> bool {
    for world in worlds {
        if !same(&world.snapshot("d").await.expect("it is awake"), whole) {
            return false;
        }
    }
    true
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_one_message_whatever_the_number_of_members_and_nodes() {
    let network = Network::new(1);
    let worlds = on_network(&network, 3);
    let mut peers = peers(&worlds).await;
    for world in &worlds {
        for _ in 0..4 {
            peers.push(world.join("d", hocuspocus("d")).await);
        }
    }
    let listener = network.node();
    let spy = listener.subscribe(&doc_id("d")).await;
    // Whoever has opened asks again after three to five quarters of a second, and tells what it has after one and a half: a
    // question that meets an edit on its way is answered.
    tokio::time::sleep(Duration::from_millis(850)).await;
    edits_on(&spy);
    for clock in 0..20 {
        peers[0].edit(yjs::insert(7, clock, "x")).await;
        for peer in &mut peers {
            peer.until_has(7, clock as u32 + 1).await;
        }
    }
    assert_eq!(
        edits_on(&spy),
        [(true, "update"); 20],
        "one each, and no answer to nothing"
    );
    // And one append: those who heard of it do not save it again.
    worlds[0].saver.flush().await;
    assert_eq!(worlds[0].faults.appends(), 20);
}

#[tokio::test(start_paused = true)]
async fn an_edit_and_the_cursor_that_goes_with_it_are_one_message() {
    let network = Network::new(1);
    let worlds = on_network(&network, 2);
    let mut peers = peers(&worlds).await;
    let before = network.published_count();
    for clock in 0..20_u32 {
        peers[0].edit(yjs::insert(7, clock.into(), "x")).await;
        says(&peers[0], 7, u64::from(clock) + 1, &clock.to_string()).await;
        peers[1].until_has(7, clock + 1).await;
        peers[1].until(|heard| matches!(heard, Heard::Awareness(_))).await;
    }
    let published = network.published_count() - before;
    // And what each says of itself every second or two.
    assert!((20..25).contains(&published), "{published}");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_open_nowhere_else_keeps_its_edits_to_itself() {
    let network = Network::new(1);
    let worlds = on_network(&network, 2);
    let spy = network.node().subscribe(&doc_id("d")).await;
    let mut first = worlds[0].join("d", Voice::YWebsocket).await;
    first.sync().await;
    for clock in 0..20_u32 {
        first.edit(yjs::insert(7, clock.into(), "x")).await;
        first.until_has(7, clock + 1).await;
    }
    assert_eq!(edits_on(&spy), []);
    let mut second = worlds[1].join("d", Voice::YWebsocket).await;
    second.until_has(7, 20).await;
    first.edit(yjs::insert(7, 20, "x")).await;
    second.until_has(7, 21).await;
    assert_eq!(edits_on(&spy).last(), Some(&(true, "update")));
}

#[tokio::test(start_paused = true)]
async fn who_opens_a_room_gets_what_only_another_node_has() {
    let network = Network::new(1);
    let worlds = on_network(&network, 2);
    let mut first = worlds[0].join("d", Voice::YWebsocket).await;
    first.sync().await;
    // The store takes nothing, so only the first node has it.
    worlds[0].faults.fail_appends(true);
    first.edit(yjs::insert(7, 0, "abc")).await;
    tokio::time::sleep(A_MOMENT).await;
    let mut second = worlds[1].join("d", Voice::YWebsocket).await;
    second.until_has(7, 3).await;
    worlds[0].faults.fail_appends(false);
    tokio::time::sleep(A_REPAIR).await;
    assert_eq!(worlds[0].stored("d").await.state_vector().get(7), 3);
}

#[tokio::test(start_paused = true)]
async fn what_no_log_has_is_saved_by_everyone_who_vouches_for_it() {
    let network = Network::new(1);
    let worlds = on_network(&network, 2);
    let mut peers = peers(&worlds).await;
    let listener = network.node();
    let spy = listener.subscribe(&doc_id("d")).await;
    worlds[0].faults.fail_appends(true);
    peers[0].edit(yjs::insert(7, 0, "abc")).await;
    peers[1].until_has(7, 3).await;
    assert_eq!(edits_on(&spy), [(false, "update")]);
    // It moved to the other node and brings its edit again. That node has it, and may not say that it is saved.
    let mut moved = worlds[1].join("d", hocuspocus("d")).await;
    moved.edit(yjs::insert(7, 0, "abc")).await;
    tokio::time::sleep(A_REPAIR).await;
    moved.read_now().await;
    assert!(
        !moved.heard.contains(&Heard::Status(true)),
        "nothing has saved it"
    );
    worlds[0].faults.fail_appends(false);
    moved.until(|heard| *heard == Heard::Status(true)).await;
}

#[tokio::test(start_paused = true)]
async fn what_no_log_has_is_saved_here_also_when_it_had_to_wait_for_its_past() {
    let network = Network::new(1);
    let worlds = on_network(&network, 1);
    let _peers = peers(&worlds).await;
    let stranger = network.node();
    let mut room = stranger.subscribe(&doc_id("d")).await;
    for update in [yjs::insert(7, 3, "d"), yjs::insert(7, 0, "abc")] {
        let update = update.bytes().clone();
        room.publish(
            roomtone_persistence::Epoch::FIRST,
            Said::Update { update, saved: false },
        );
        room.flush();
        tokio::time::sleep(A_MOMENT).await;
    }
    worlds[0].saver.flush().await;
    assert_eq!(worlds[0].stored("d").await.state_vector().get(7), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_found_edits_and_deletions_and_with_nobody_saying_more() {
    for lost in [yjs::insert(7, 3, "lost"), yjs::delete(7, 0, 2)] {
        let network = Network::new(3);
        let worlds = on_network(&network, 3);
        let mut peers = peers(&worlds).await;
        peers[0].edit(yjs::insert(7, 0, "abc")).await;
        tokio::time::sleep(A_MOMENT).await;
        lose_everything(&network);
        peers[0].edit(lost).await;
        tokio::time::sleep(A_MOMENT).await;
        assert!(!all_have(&worlds, &peers[0].doc).await, "nothing was lost");
        network.set_faults(Faults::default());
        tokio::time::sleep(A_REPAIR).await;
        assert!(all_have(&worlds, &peers[0].doc).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_away_gets_and_brings_what_was_written_meanwhile() {
    let network = Network::new(3);
    let buses = vec![network.node(), network.node()];
    let worlds = worlds(buses.clone());
    let mut peers = peers(&worlds).await;
    network.set_away(&buses[1], true);
    for clock in 0..5 {
        peers[0].edit(yjs::insert(7, clock, "x")).await;
        peers[1].edit(yjs::insert(8, clock, "y")).await;
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    network.set_away(&buses[1], false);
    tokio::time::sleep(A_REPAIR).await;
    for peer in &mut peers {
        peer.read_now().await;
        let clocks = peer.doc.state_vector();
        assert_eq!((clocks.get(7), clocks.get(8)), (5, 5));
    }
}

/// A room that stops waits for its log, and whoever asks it meanwhile can ask nobody else when it is gone.
#[tokio::test(start_paused = true)]
async fn a_room_that_stops_answers_what_was_asked_meanwhile() {
    let network = Network::new(2);
    let buses = vec![network.node(), network.node()];
    let worlds = worlds(buses.clone());
    let mut peers = peers(&worlds).await;
    lose_everything(&network);
    peers[0].edit(yjs::insert(7, 0, "lost")).await;
    tokio::time::sleep(A_MOMENT).await;
    assert!(!all_have(&worlds[1..], &peers[0].doc).await, "nothing was lost");
    // Its log takes a while, and the room has nothing else to do.
    worlds[0].faults.delay_appends(Duration::from_secs(3));
    peers[0].edit(yjs::insert(7, 4, "late")).await;
    let (stopped, ()) = tokio::join!(worlds[0].hub.stop(Duration::from_secs(9)), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        network.set_faults(Faults::default());
        network.tell_of_gap(buses[1].node());
    });
    assert!(stopped);
    tokio::time::sleep(A_MOMENT).await;
    assert!(all_have(&worlds[1..], &peers[0].doc).await);
}

/// What one node could not wait for, the other does not wait for once more.
#[tokio::test(start_paused = true)]
async fn an_edit_whose_commit_is_late_is_late_once() {
    let network = Network::new(3);
    let worlds = on_network(&network, 2);
    let mut peers = peers(&worlds).await;
    worlds[0].faults.delay_appends(Duration::from_secs(3));
    peers[0].edit(yjs::insert(7, 0, "late")).await;
    let deadline = Limits::default().relay_deadline();
    tokio::time::sleep(deadline + deadline / 2).await;
    peers[1].read_now().await;
    assert_eq!(peers[1].doc.state_vector().get(7), 4);
}

#[tokio::test(start_paused = true)]
async fn presence_is_everywhere_and_goes_at_once() {
    let network = Network::new(1);
    let worlds = on_network(&network, 2);
    let mut peers = peers(&worlds).await;
    says(&peers[0], 7, 1, r#"{"name":"Ada"}"#).await;
    says(&peers[1], 8, 1, r#"{"name":"Bob"}"#).await;
    for peer in &mut peers {
        assert_eq!(sees(peer).await, [7, 8]);
    }
    // Who comes later sees both, on a node that opens the room for it as well.
    let late = World::on_bus(worlds[0].store.clone(), Limits::default(), Some(network.node()));
    let mut last = late.join("d", Voice::YSweet).await;
    assert_eq!(sees(&mut last).await, [7, 8]);
    peers[0].leave();
    assert_eq!(sees(&mut peers[1]).await, [8]);
    assert_eq!(sees(&mut last).await, [8]);
    assert!(worlds[1].hub.stop(Duration::from_secs(5)).await);
    assert_eq!(sees(&mut last).await, [0; 0], "the others went with their node");
}

#[tokio::test(start_paused = true)]
async fn ghosts_of_a_dead_node_are_gone_within_ten_seconds_and_the_living_stay() {
    let network = Network::new(1);
    let buses = vec![network.node(), network.node(), network.node()];
    let worlds = worlds(buses.clone());
    let mut peers = peers(&worlds).await;
    for (number, peer) in peers.iter().enumerate() {
        says(peer, 7 + number as u64, 1, "{}").await;
    }
    assert_eq!(sees(&mut peers[0]).await, [7, 8, 9]);
    network.set_away(&buses[2], true);
    tokio::time::sleep(Duration::from_millis(BUS_SILENCE_MS_MAX - BUS_DIGEST_MS * 2)).await;
    assert_eq!(sees(&mut peers[0]).await, [7, 8, 9]);
    let left = Duration::from_secs(10) - Duration::from_millis(BUS_SILENCE_MS_MAX - BUS_DIGEST_MS * 2);
    tokio::time::sleep(left - A_MOMENT * 2).await;
    assert_eq!(sees(&mut peers[0]).await, [7, 8]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(sees(&mut peers[1]).await, [7, 8]);
    network.set_away(&buses[2], false);
    tokio::time::sleep(A_REPAIR).await;
    for peer in &mut peers {
        assert_eq!(sees(peer).await, [7, 8, 9]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_moves_between_nodes_is_there_once_whatever_comes_first() {
    for leaves_first in [true, false] {
        let network = Network::new(1);
        let worlds = on_network(&network, 2);
        let mut peers = peers(&worlds).await;
        let mut old = worlds[0].join("d", Voice::YWebsocket).await;
        says(&old, 7, 30, r#"{"at":"old"}"#).await;
        assert_eq!(sees(&mut peers[1]).await, [7]);
        if leaves_first {
            old.leave();
            tokio::time::sleep(A_MOMENT).await;
        }
        let new = worlds[1].join("d", Voice::YWebsocket).await;
        // With the clock that it had: it heard nothing of the one that others know.
        says(&new, 7, 30, r#"{"at":"new"}"#).await;
        tokio::time::sleep(A_MOMENT).await;
        if !leaves_first {
            old.read_now().await;
            assert!(old.probes > 0, "the old socket was not asked whether it lives");
            old.leave();
        }
        for peer in &mut peers {
            assert_eq!(sees(peer).await, [7]);
            assert_eq!(peer.present[&7].1, r#"{"at":"new"}"#);
        }
        drop(new);
        for peer in &mut peers {
            assert_eq!(sees(peer).await, [0; 0], "a ghost");
        }
    }
}

/// A room that has just opened knows of no other and tells nobody who is there; the others may have asked a moment before.
#[tokio::test(start_paused = true)]
async fn who_comes_with_the_opening_of_a_room_is_seen_by_those_who_have_just_asked() {
    for wait_ms in [0, 20, 300, 800, 1_100, 1_400, 1_700, 2_000, 5_000] {
        let network = Network::new(1);
        let worlds = on_network(&network, 3);
        let mut watchers = Vec::new();
        for (world, client) in worlds[..2].iter().zip([7, 8]) {
            let watcher = world.join("d", Voice::YWebsocket).await;
            says(&watcher, client, 1, "{}").await;
            watchers.push(watcher);
        }
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let mut mover = worlds[2].join("d", Voice::YWebsocket).await;
        says(&mover, 9, 1, "{}").await;
        for watcher in &mut watchers {
            assert_eq!(sees(watcher).await, [7, 8, 9], "opened {wait_ms} ms later");
        }
        assert_eq!(sees(&mut mover).await, [7, 8, 9], "opened {wait_ms} ms later");
    }
}

/// A node that has just started is asked for its clients before it hears the others: their first word to it is lost.
#[tokio::test(start_paused = true)]
async fn who_comes_back_to_a_node_that_does_not_hear_yet_sees_everybody_once_it_does() {
    let network = Network::new(1);
    let buses: Vec<Bus> = (0..3).map(|_| network.node()).collect();
    let started = buses[2].node();
    let worlds = worlds(buses);
    let mut mover = worlds[0].join("d", Voice::YWebsocket).await;
    let mut other = worlds[0].join("d", Voice::YWebsocket).await;
    let _witness = worlds[1].join("d", Voice::YWebsocket).await;
    says(&mover, 9, 5, "{}").await;
    says(&other, 8, 5, "{}").await;
    assert_eq!(sees(&mut mover).await, [8, 9]);
    // The other one moves first, and is known there at a clock of its own.
    other.leave();
    other = worlds[1].join("d", Voice::YWebsocket).await;
    says(&other, 8, 5, "{}").await;
    assert_eq!(sees(&mut mover).await, [8, 9]);
    mover.leave();
    assert!(worlds[0].hub.stop(Duration::from_secs(5)).await);
    tokio::time::sleep(A_MOMENT).await;

    network.carry_by_hand();
    let mut back = worlds[2].join("d", Voice::YWebsocket).await;
    back.present = mem::take(&mut mover.present);
    back.forget_others(9);
    // Clients take over the clock at which they are told of themselves.
    says(&back, 9, back.present[&9].0, "{}").await;
    carry(&network, |packet| packet.to() != 2).await;
    assert_eq!(sees(&mut back).await, [9], "the test is about nothing");
    // The first that it hears is the answer to its question.
    network.tell_of_gap(started);
    let has_asked = Cell::new(false);
    for _ in 0..10 {
        carry(&network, |packet| {
            has_asked.set(has_asked.get() || packet.from() == 2);
            has_asked.get()
        })
        .await;
    }
    assert_eq!(sees(&mut back).await, [8, 9]);
    assert_eq!(sees(&mut other).await, [8, 9]);
}

/// Brings what these rooms say to each other for a while, as far as it is to arrive.
async fn carry(network: &Network, arrives: impl Fn(&Packet) -> bool) {
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        for packet in network.take().iter().filter(|packet| arrives(packet)) {
            network.deliver(packet);
        }
    }
}

/// What the node that drains does: it closes a client a moment before it leaves its rooms, and takes it in no more.
#[tokio::test(start_paused = true)]
async fn clients_that_move_while_their_node_drains_are_there_once_at_every_moment_that_counts() {
    let network = Network::new(1);
    let worlds = on_network(&network, 3);
    let mut watchers = vec![
        worlds[1].join("d", Voice::YWebsocket).await,
        worlds[2].join("d", Voice::YWebsocket).await,
    ];
    let mut leavers = Vec::new();
    for client in 1..=10 {
        let peer = worlds[0].join("d", Voice::YWebsocket).await;
        says(&peer, client, 5, "{}").await;
        leavers.push((client, peer));
    }
    let everybody: Vec<u64> = (1..=10).collect();
    for watcher in &mut watchers {
        assert_eq!(sees(watcher).await, everybody);
    }
    worlds[0].hub.begin_stop();
    let mut moved = Vec::new();
    for (client, mut peer) in leavers {
        peer.outbox.close(roomtone_server::close::Close::Restart);
        peer.until_closed().await;
        peer.leave();
        let target = &worlds[1 + (client % 2) as usize];
        let back = target.join("d", Voice::YWebsocket).await;
        says(&back, client, 6, "{}").await;
        moved.push(back);
        for watcher in &mut watchers {
            assert_eq!(sees(watcher).await, everybody, "{client} moved");
        }
    }
    assert!(worlds[0].hub.stop(Duration::from_secs(5)).await);
    tokio::time::sleep(Duration::from_secs(30)).await;
    for watcher in &mut watchers {
        assert_eq!(sees(watcher).await, everybody, "the old node is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stateless_message_is_one_message_and_reaches_hocuspocus_clients_everywhere_once() {
    let network = Network::new(1);
    let worlds = on_network(&network, 3);
    let mut members = Vec::new();
    for world in &worlds {
        for _ in 0..2 {
            let mut member = world.join("d", hocuspocus("d")).await;
            member.sync().await;
            members.push(member);
        }
        members.push(world.join("d", Voice::YWebsocket).await);
    }
    tokio::time::sleep(A_MOMENT).await;
    let mut spy = network.node().subscribe(&doc_id("d")).await;
    tokio::time::sleep(A_MOMENT).await;
    stateless_on(&spy);
    members[0].say(Message::Stateless("hello".into())).await;
    let long = "x".repeat(64 * 1024);
    members[1].say(Message::Stateless(long.clone())).await;
    tokio::time::sleep(A_MOMENT).await;
    assert_eq!(stateless_on(&spy), [5, 64 * 1024], "one message each");
    // What no node of ours would send is nobody's.
    for payload in [vec![b'x'; 64 * 1024 + 1], vec![0xff, 0xfe]] {
        let payload = bytes::Bytes::from(payload);
        spy.publish(roomtone_persistence::Epoch::FIRST, Said::Stateless { payload });
        spy.flush();
    }
    tokio::time::sleep(A_MOMENT).await;
    for (number, member) in members.iter_mut().enumerate() {
        member.read_now().await;
        let heard: Vec<&Heard> = member
            .heard
            .iter()
            .filter(|heard| matches!(heard, Heard::Stateless(_)))
            .collect();
        let (first, second) = (Heard::Stateless("hello".into()), Heard::Stateless(long.clone()));
        match number {
            0 => assert_eq!(heard, [&second], "nobody hears itself"),
            1 => assert_eq!(heard, [&first]),
            2 | 5 | 8 => assert_eq!(heard, [&first; 0], "of another dialect"),
            _ => assert_eq!(heard, [&first, &second]),
        }
    }
}

/// How long the stateless messages were that were said since the last call.
fn stateless_on(spy: &Subscription) -> Vec<usize> {
    let mut lengths = Vec::new();
    loop {
        let events = spy.try_recv();
        if events.is_empty() {
            return lengths;
        }
        lengths.extend(events.into_iter().filter_map(|event| match event {
            Event::Remote(envelope) => match envelope.message {
                Said::Stateless { payload } => Some(payload.len()),
                _ => None,
            },
            Event::Gap => None,
        }));
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_from_the_bus_that_break_the_gate_or_the_engine_do_no_harm() {
    let network = Network::new(1);
    let worlds = on_network(&network, 1);
    let mut peers = peers(&worlds).await;
    let stranger = network.node();
    let mut room = stranger.subscribe(&doc_id("d")).await;
    let mut says = |update: bytes::Bytes| {
        let saved = true;
        room.publish(roomtone_persistence::Epoch::FIRST, Said::Update { update, saved });
        room.flush();
    };
    says(bytes::Bytes::from_static(b"\xff\xff\xff\xff\xff"));
    says(yjs::poison(1, 2).bytes().clone());
    says(yjs::insert(7, 0, "abc").bytes().clone());
    peers[0].edit(yjs::insert(8, 0, "d")).await;
    tokio::time::sleep(A_REPAIR).await;
    // What came with the poison was good, and is there when it comes again.
    says(yjs::insert(7, 0, "abc").bytes().clone());
    peers[0].until_has(7, 3).await;
    let whole = worlds[0].snapshot("d").await.expect("awake");
    assert_eq!((whole.state_vector().get(8), whole.state_vector().get(1)), (1, 0));
}

/// Three nodes edit while the bus loses, doubles and overtakes. When it stops doing so, all have all.
#[tokio::test(start_paused = true)]
async fn whatever_the_bus_does_all_nodes_agree_in_the_end() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let network = Network::new(seed);
        let worlds = on_network(&network, 3);
        let mut peers = peers(&worlds).await;
        network.set_faults(Faults {
            lost_permille: 300,
            doubled_permille: 200,
            held_permille: 300,
        });
        let mut clocks = [0; 3];
        for _ in 0..60 {
            let who = random.random_range(0..3_usize);
            let client = 10 + who as u64;
            let update: Update = if clocks[who] > 2 && random.random_bool(0.25) {
                yjs::delete(client, random.random_range(0..clocks[who]), 1)
            } else {
                clocks[who] += 1;
                yjs::insert(client, clocks[who] - 1, "x")
            };
            peers[who].edit(update).await;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
        }
        network.set_faults(Faults::default());
        network.flush();
        tokio::time::sleep(A_REPAIR).await;
        let whole = worlds[0].snapshot("d").await.expect("awake");
        for (who, clock) in clocks.iter().enumerate() {
            assert_eq!(
                u64::from(whole.state_vector().get(10 + who as u64)),
                *clock,
                "seed {seed}"
            );
        }
        assert!(all_have(&worlds, &whole).await, "seed {seed}");
        for peer in &mut peers {
            peer.read_now().await;
            assert!(same(&peer.doc, &whole), "seed {seed}");
        }
        worlds[0].saver.flush().await;
        assert!(
            same(&worlds[0].stored("d").await, &whole),
            "seed {seed}: the store"
        );
    }
}

#[tokio::test]
async fn over_redis_two_nodes_edit_through_restarts_and_pauses() {
    let mut redis = RedisServer::start();
    let address = RedisAddress::parse(&redis.url("redis", "", "")).expect("an address");
    let bus = || Bus::redis(&address).expect("a bus");
    let worlds = worlds(vec![bus(), bus()]);
    let mut peers = Vec::new();
    for world in &worlds {
        let mut peer = world.join("d", Voice::YWebsocket).await;
        peer.sync().await;
        peers.push(peer);
    }
    let mut clock = 0;
    for round in 0..4 {
        match round {
            1 => redis.kill(),
            2 => redis.pause(),
            3 => assert!(redis.command("CLIENT KILL TYPE normal").starts_with(':')),
            _ => {}
        }
        for _ in 0..50 {
            peers[0].edit(yjs::insert(7, clock, "x")).await;
            peers[1].edit(yjs::insert(8, clock, "y")).await;
            clock += 1;
        }
        // Nobody on the same node waits.
        let mut beside = worlds[0].join("d", Voice::YWebsocket).await;
        beside.sync().await;
        beside.until_has(7, clock as u32).await;
        match round {
            1 => redis.run(),
            2 => redis.resume(),
            _ => {}
        }
        // Nobody edits or reconnects from here on.
        let healed = std::time::Instant::now();
        peers[0].until_has(8, clock as u32).await;
        peers[1].until_has(7, clock as u32).await;
        let took = healed.elapsed();
        assert!(took < A_REPAIR, "round {round}: {took:?}");
    }
}
