//! Who is here, as the members see it (AW1 to AW7).

use std::time::Duration;

use roomtone_crdt::Message;
use roomtone_server::auth::Role;
use roomtone_server::outbox::Outbox;
use roomtone_server::room::Voice;

use crate::peer::{Heard, Peer};
use crate::world::{World, every_voice, hocuspocus};
use crate::yjs;

const A_TURN: Duration = Duration::from_millis(10);

async fn says(peer: &Peer, client: u64, clock: u64, state: &str) {
    peer.say(Message::Awareness(yjs::awareness(client, clock, state)))
        .await;
}

/// What a peer hears about presence, turn by turn.
async fn frames(peer: &mut Peer) -> Vec<Vec<(u64, u64, String)>> {
    tokio::time::sleep(A_TURN).await;
    let heard = peer.heard_now().await.into_iter();
    let only = |heard| match heard {
        Heard::Awareness(entries) => Some(entries),
        _ => None,
    };
    heard.filter_map(only).collect()
}

#[tokio::test(start_paused = true)]
async fn aw3_whoever_leaves_is_gone_for_everyone_within_a_turn() {
    let world = World::new();
    let mut stays = Vec::new();
    for voice in every_voice("d") {
        stays.push(world.join("d", voice).await);
    }
    let mut goes = world.join("d", Voice::YWebsocket).await;
    says(&goes, 7, 1, "{}").await;
    tokio::time::sleep(A_TURN).await;
    for peer in &mut stays {
        peer.read_now().await;
        assert_eq!(peer.sees(), [7]);
    }
    goes.leave();
    tokio::time::sleep(A_TURN).await;
    for peer in &mut stays {
        peer.read_now().await;
        assert_eq!(peer.sees(), [0; 0], "a ghost");
    }
}

#[tokio::test(start_paused = true)]
async fn aw1_nobody_speaks_in_anothers_name_and_the_owner_is_asked_whether_it_lives() {
    let world = World::new();
    let mut owner = world.join("d", Voice::YWebsocket).await;
    says(&owner, 7, 1, r#"{"name":"Ada"}"#).await;
    owner.until(|heard| matches!(heard, Heard::Awareness(_))).await;
    let mut thief = world.join("d", Voice::YWebsocket).await;
    thief.read().await;
    says(&thief, 7, 5, r#"{"name":"Eve"}"#).await;
    says(&thief, 7, 6, "null").await;
    assert_eq!(frames(&mut thief).await.len(), 1, "only the welcome");
    owner.read_now().await;
    assert_eq!(owner.present[&7].1, r#"{"name":"Ada"}"#);
    assert!(owner.probes > 0, "the owner was not probed");
    // AW5: when the owner goes, the claim holds.
    owner.leave();
    tokio::time::sleep(A_TURN).await;
    thief.read_now().await;
    assert_eq!(thief.present[&7].1, r#"{"name":"Eve"}"#);
}

/// y-websocket clients send every remote change back: with N members a cursor move must not become N frames more.
#[tokio::test(start_paused = true)]
async fn aw2_an_echo_travels_once() {
    let world = World::new();
    let mut peers = Vec::new();
    for client in 1..=5 {
        let peer = world.join("d", Voice::YWebsocket).await;
        says(&peer, client, 1, "{}").await;
        peers.push(peer);
    }
    for peer in &mut peers {
        frames(peer).await;
    }
    says(&peers[0], 1, 2, r#"{"cursor":1}"#).await;
    for round in 0..2 {
        for (number, peer) in peers.iter_mut().enumerate() {
            let heard = frames(peer).await;
            assert_eq!(
                heard.len(),
                usize::from(round == 0),
                "peer {number}, round {round}: {heard:?}"
            );
            for (client, clock, state) in heard.into_iter().flatten() {
                says(peer, client, clock, &state).await;
            }
        }
    }
}

/// A frame to somebody who learns nothing from it is a frame too many.
#[tokio::test(start_paused = true)]
async fn aw9_an_owner_hears_of_itself_while_its_clock_was_moved_on_and_not_from_then_on() {
    let world = World::new();
    let mut owner = world.join("d", Voice::YWebsocket).await;
    let mut other = world.join("d", Voice::YWebsocket).await;
    says(&owner, 7, 1, "{}").await;
    let heard = frames(&mut owner).await.concat();
    assert_eq!(heard, [(7, 2, "{}".to_owned())]);
    frames(&mut other).await;
    // It takes that over, as y-protocols does, and counts on from there.
    for clock in 3..6 {
        says(&owner, 7, clock, r#"{"cursor":1}"#).await;
        assert_eq!(frames(&mut other).await.concat().len(), 1);
        assert_eq!(frames(&mut owner).await.len(), 0, "clock {clock}");
    }
    // Together with somebody else's it comes in one frame.
    says(&owner, 7, 6, "{}").await;
    says(&other, 8, 1, "{}").await;
    frames(&mut other).await;
    frames(&mut owner).await;
    assert_eq!(owner.sees(), [7, 8]);
}

/// A client that drops and comes back has the clock that everyone has already seen end.
#[tokio::test(start_paused = true)]
async fn aw4_whoever_comes_back_with_its_old_clock_is_seen_at_once_by_itself_too() {
    let world = World::new();
    let mut stays = world.join("d", Voice::YWebsocket).await;
    let mut goes = world.join("d", Voice::YWebsocket).await;
    says(&goes, 7, 4, r#"{"name":"Ada"}"#).await;
    tokio::time::sleep(A_TURN).await;
    goes.leave();
    tokio::time::sleep(A_TURN).await;
    stays.read_now().await;
    assert_eq!(stays.sees(), [0; 0]);
    let mut back = world.join("d", Voice::YWebsocket).await;
    back.present.insert(7, (4, r#"{"name":"Ada"}"#.into()));
    says(&back, 7, 4, r#"{"name":"Ada"}"#).await;
    tokio::time::sleep(A_TURN).await;
    for peer in [&mut stays, &mut back] {
        peer.read_now().await;
        assert_eq!(peer.sees(), [7]);
        assert!(peer.present[&7].0 > 4);
    }
}

#[tokio::test(start_paused = true)]
async fn aw6_the_token_says_who_it_is() {
    let world = World::new();
    let mut sees = world.join("d", Voice::YWebsocket).await;
    let outbox = Outbox::new(1_000_000);
    let ada = world
        .sit("d", Voice::YWebsocket, Role::Viewer, outbox, Some("ada"))
        .await
        .expect("a seat");
    says(&ada, 7, 1, r#"{"user":{"id":"root","color":"red"},"cursor":3}"#).await;
    tokio::time::sleep(A_TURN).await;
    sees.read_now().await;
    let state: serde_json::Value = serde_json::from_str(&sees.present[&7].1).expect("JSON");
    assert_eq!(state["user"]["id"], "ada");
    assert_eq!(
        (state["user"]["color"].as_str(), state["cursor"].as_i64()),
        (Some("red"), Some(3))
    );
}

#[tokio::test(start_paused = true)]
async fn aw7_a_bad_entry_is_dropped_alone() {
    let world = World::new();
    let mut sees = world.join("d", hocuspocus("d")).await;
    let peer = world.join("d", Voice::YWebsocket).await;
    let long = format!("\"{}\"", "x".repeat(17_000));
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    for (client, state) in [
        (1, "{"),
        (2, "not json"),
        (3, long.as_str()),
        (4, deep.as_str()),
        (5, "{}"),
    ] {
        says(&peer, client, 1, state).await;
    }
    says(&peer, 6, (1 << 31) + 5, "{}").await;
    for client in 10..30 {
        says(&peer, client, 1, "{}").await;
    }
    tokio::time::sleep(A_TURN).await;
    sees.read_now().await;
    let seen = sees.sees();
    assert!(
        seen.contains(&5) && !seen.iter().any(|client| [1, 2, 3, 4, 6].contains(client)),
        "{seen:?}"
    );
    assert_eq!(seen.len(), 8, "a connection has at most 8 ids: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn presence_of_a_turn_is_one_frame_for_all() {
    let world = World::new();
    let mut sees = world.join("d", hocuspocus("d")).await;
    let mut peers = Vec::new();
    for _ in 0..20 {
        peers.push(world.join("d", Voice::YSweet).await);
    }
    frames(&mut sees).await;
    for (client, peer) in peers.iter().enumerate() {
        says(peer, client as u64 + 1, 1, "{}").await;
    }
    let heard = frames(&mut sees).await;
    assert_eq!(heard.iter().map(Vec::len).sum::<usize>(), 20);
    assert!(heard.len() <= 2, "{} frames", heard.len());
}

#[tokio::test(start_paused = true)]
async fn in_a_crowd_presence_of_several_turns_is_one_frame_and_the_last_state_always_comes() {
    let world = World::new();
    let mut sees = world.join("d", Voice::YWebsocket).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(world.join("d", Voice::YWebsocket).await);
    }
    says(&crowd[0], 1, 1, "{}").await;
    frames(&mut sees).await;
    for clock in 2..20_u64 {
        says(&crowd[0], 1, clock, "{}").await;
        says(&crowd[clock as usize], clock, 1, "{}").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(A_TURN * 10).await;
    let heard = frames(&mut sees).await;
    assert!(heard.len() <= 2, "{} frames", heard.len());
    let last: Vec<u64> = heard
        .iter()
        .flatten()
        .filter(|(client, ..)| *client == 1)
        .map(|(_, clock, _)| *clock)
        .collect();
    assert_eq!(last.last(), Some(&19));
    assert_eq!(sees.sees().len(), 19);
}

#[tokio::test(start_paused = true)]
async fn presence_that_comes_with_an_edit_leaves_with_it() {
    let world = World::new();
    let mut sees = world.join("d", Voice::YWebsocket).await;
    sees.sync().await;
    let mut moves = world.join("d", Voice::YWebsocket).await;
    moves.sync().await;
    frames(&mut sees).await;
    world.faults.delay_appends(Duration::from_millis(5));
    moves.edit(yjs::insert(7, 0, "x")).await;
    says(&moves, 7, 1, "{}").await;
    tokio::time::sleep(Duration::from_millis(4)).await;
    assert!(sees.heard_now().await.is_empty(), "it did not wait for the edit");
    sees.until_has(7, 1).await;
    assert_eq!(sees.sees(), [7]);
    sees.heard_now().await;
    // A store that is slow holds back edits, not people.
    world.faults.delay_appends(Duration::from_millis(200));
    moves.edit(yjs::insert(7, 1, "y")).await;
    says(&moves, 7, 2, "{\"at\":2}").await;
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(sees.heard_now().await.len(), 1, "presence alone");
}
