//! How edits go round: one frame a turn, for everyone who needs it (PS2 to PS5, PS8).

use std::time::Duration;

use roomtone_crdt::{Message, Update};
use roomtone_server::limits::PACE_BYTES_MAX;
use roomtone_server::room::Voice;

use crate::peer::{Heard, Peer, same};
use crate::world::{World, every_voice, hocuspocus};
use crate::yjs;

fn updates(heard: &[Heard]) -> Vec<&Update> {
    fn only(heard: &Heard) -> Option<&Update> {
        match heard {
            Heard::Update(update) => Some(update),
            _ => None,
        }
    }
    heard.iter().filter_map(only).collect()
}

async fn synced(world: &World, voice: Voice) -> Peer {
    let mut peer = world.join("d", voice).await;
    peer.sync().await;
    peer.heard_now().await;
    peer
}

#[tokio::test(start_paused = true)]
async fn ps8_updates_that_gather_behind_a_commit_leave_as_one() {
    let world = World::new();
    let mut readers = Vec::new();
    for voice in every_voice("d") {
        readers.push(synced(&world, voice).await);
    }
    let mut writers = Vec::new();
    for _ in 0..5 {
        writers.push(synced(&world, Voice::YWebsocket).await);
    }
    world.faults.delay_appends(Duration::from_millis(100));
    for clock in 0..10 {
        for (client, writer) in writers.iter_mut().enumerate() {
            writer.edit(yjs::insert(client as u64 + 1, clock, "x")).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let whole = world.snapshot("d").await.expect("it answers");
    for peer in readers.iter_mut().chain(&mut writers) {
        let heard = peer.heard_now().await;
        // The first edit goes alone; all that came during its commit is the second frame.
        assert!(updates(&heard).len() <= 2, "{} frames", updates(&heard).len());
        assert!(same(&peer.doc, &whole));
    }
}

#[tokio::test(start_paused = true)]
async fn ps8_an_only_author_hears_itself_where_that_is_its_acknowledgement_and_nowhere_else() {
    let world = World::new();
    for (voice, echoed) in every_voice("d").map(|voice| {
        let echoed = usize::from(matches!(voice, Voice::YWebsocket));
        (voice, echoed)
    }) {
        let mut author = synced(&world, voice).await;
        let known = u64::from(author.doc.state_vector().get(7));
        author.edit(yjs::insert(7, known, "x")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let heard = author.heard_now().await;
        assert_eq!(
            updates(&heard).len(),
            echoed,
            "{:?} heard {heard:?}",
            author.voice
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ps2_who_speaks_first_depends_on_the_dialect() {
    let world = World::new();
    let mut present = synced(&world, Voice::YWebsocket).await;
    present.say(Message::Awareness(yjs::awareness(9, 1, "{}"))).await;
    present.until(|heard| matches!(heard, Heard::Awareness(_))).await;
    for voice in [Voice::YWebsocket, Voice::YSweet] {
        let mut peer = world.join("d", voice).await;
        peer.read().await;
        assert!(matches!(peer.heard.pop_front(), Some(Heard::Step1(_))));
        assert_eq!(peer.sees(), [9]);
    }
    let mut hocus = world.join("d", hocuspocus("d")).await;
    hocus.say(Message::Step1(Default::default())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard = hocus.heard_now().await;
    let kinds: Vec<_> = heard
        .iter()
        .filter_map(|heard| match heard {
            Heard::Step1(_) => Some(1),
            Heard::Step2(_) => Some(2),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [1, 2], "{heard:?}");
    assert_eq!(hocus.sees(), [9]);
}

#[tokio::test(start_paused = true)]
async fn ps3_a_step1_is_answered_even_when_there_is_nothing_to_say() {
    let world = World::new();
    for voice in every_voice("d") {
        let mut peer = world.join("d", voice).await;
        peer.say(Message::Step1(Default::default())).await;
        let answer = peer.until(|heard| matches!(heard, Heard::Step2(_))).await;
        assert_eq!(answer, Heard::Step2(Update::empty()));
    }
}

/// A frame may hold a thousand Step1 of a large document: the answers must not pile up behind a commit.
#[tokio::test(start_paused = true)]
async fn ps3_a_flood_of_step1_is_one_answer_and_little_work() {
    let world = World::new();
    let mut writer = synced(&world, hocuspocus("d")).await;
    writer.edit(yjs::insert(7, 0, &"x".repeat(1_000_000))).await;
    writer.until(|heard| *heard == Heard::Status(true)).await;
    let mut flood = synced(&world, Voice::YWebsocket).await;
    world.faults.delay_appends(Duration::from_millis(200));
    writer.edit(yjs::insert(7, 1_000_000, "y")).await;
    let since = roomtone_crdt::StateVector::from_pairs(vec![(7, 1)]);
    for _ in 0..200 {
        flood.say(Message::Step1(since.clone())).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let heard = flood.heard_now().await;
    let answers = heard
        .iter()
        .filter(|heard| matches!(heard, Heard::Step2(_)))
        .count();
    assert!((1..=2).contains(&answers), "{answers} answers to one question");
    assert_eq!(flood.closed, None);
}

#[tokio::test(start_paused = true)]
async fn deletions_reach_everyone_and_the_store() {
    let world = World::new();
    let mut writer = synced(&world, hocuspocus("d")).await;
    let mut reader = synced(&world, Voice::YWebsocket).await;
    writer.edit(yjs::insert(7, 0, "hello")).await;
    writer.edit(yjs::delete(7, 1, 3)).await;
    for _ in 0..2 {
        writer.until(|heard| *heard == Heard::Status(true)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    reader.read_now().await;
    assert!(same(&reader.doc, &writer.doc));
    assert!(same(&writer.doc, &world.stored("d").await));
}

#[tokio::test(start_paused = true)]
async fn stateless_messages_go_to_the_others_who_know_them_within_their_bound() {
    let world = World::new();
    let mut from = synced(&world, hocuspocus("d")).await;
    let mut to = synced(&world, hocuspocus("d\0session")).await;
    let mut other = synced(&world, Voice::YWebsocket).await;
    from.say(Message::Stateless("hello".into())).await;
    assert_eq!(
        to.until(|heard| matches!(heard, Heard::Stateless(_))).await,
        Heard::Stateless("hello".into())
    );
    assert_eq!(from.heard_now().await, []);
    assert_eq!(other.heard_now().await, []);
    from.say(Message::Stateless("x".repeat(70_000))).await;
    assert_eq!(from.until_closed().await.code(), 1009);
}

#[tokio::test(start_paused = true)]
async fn ps8_edits_of_many_members_at_once_make_all_of_them_equal() {
    let world = World::new();
    let mut peers = Vec::new();
    for number in 0..12_u64 {
        let voice = match number % 3 {
            0 => Voice::YWebsocket,
            1 => Voice::YSweet,
            _ => hocuspocus("d"),
        };
        peers.push(synced(&world, voice).await);
    }
    for round in 0..30_u64 {
        world
            .faults
            .delay_appends(Duration::from_millis(round * 37 % 300));
        for (number, peer) in peers.iter_mut().enumerate() {
            let client = number as u64 + 1;
            let other = (client % 12) + 1;
            let update = match peer.doc.state_vector().get(other) {
                0 => yjs::insert(client, round, "x"),
                known => yjs::insert_after(client, round, (other, u64::from(known) - 1), "x"),
            };
            peer.edit(update).await;
            if round % 4 == number as u64 % 4 {
                peer.read_now().await;
            }
        }
        tokio::time::sleep(Duration::from_millis(round * 53 % 100)).await;
    }
    world.faults.delay_appends(Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stored = world.stored("d").await;
    for peer in &mut peers {
        peer.read_now().await;
        assert!(same(&peer.doc, &stored), "{:?}", peer.voice);
    }
}

/// One who writes, one who reads, and the rest of so many.
async fn crowd(world: &World, members: usize) -> (Peer, Peer, Vec<Peer>) {
    let author = synced(world, hocuspocus("d")).await;
    let reader = synced(world, Voice::YWebsocket).await;
    let mut others = Vec::new();
    for _ in 2..members {
        others.push(world.join("d", Voice::YWebsocket).await);
    }
    (author, reader, others)
}

#[tokio::test(start_paused = true)]
async fn in_a_crowd_what_is_large_waits_for_no_company() {
    let world = World::new();
    let (mut author, mut reader, _others) = crowd(&world, 100).await;
    author.edit(yjs::insert(1, 0, "a")).await;
    reader.until_has(1, 1).await;
    let began = tokio::time::Instant::now();
    author.edit(yjs::insert(1, 1, &"b".repeat(PACE_BYTES_MAX))).await;
    reader.until_has(1, 1 + PACE_BYTES_MAX as u32).await;
    assert!(
        began.elapsed() < Duration::from_millis(5),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn in_a_crowd_what_is_edited_within_milliseconds_leaves_together_and_a_pair_waits_for_nothing() {
    for (members, pace_ms_max, frames) in [(100, 33, 1), (100, 0, 2), (2, 33, 2)] {
        let world = World::with(|limits| limits.crowd_pace_ms_max = pace_ms_max);
        let (mut author, mut reader, _others) = crowd(&world, members).await;
        let began = tokio::time::Instant::now();
        author.edit(yjs::insert(1, 0, "a")).await;
        reader.until_has(1, 1).await;
        assert!(began.elapsed() < Duration::from_millis(5), "the first waited");
        reader.heard_now().await;
        for clock in 1..3 {
            author.edit(yjs::insert(1, clock, "b")).await;
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        reader.until_has(1, 3).await;
        let heard = reader.heard_now().await;
        let updates = heard.iter().filter(|heard| matches!(heard, Heard::Update(_)));
        assert_eq!(updates.count(), frames);
        assert!(
            began.elapsed() < Duration::from_millis(40),
            "they waited for too long"
        );
    }
}
