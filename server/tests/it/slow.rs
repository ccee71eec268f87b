//! Readers that do not keep up: one resync in place of a queue, and nothing skipped (PS9).

use std::time::Duration;

use roomtone_crdt::Message;
use roomtone_server::room::Voice;

use crate::peer::{Heard, Peer, same};
use crate::world::{World, every_voice, hocuspocus};
use crate::yjs;

/// Reads until the peer holds what the room holds.
async fn until_same(world: &World, peer: &mut Peer) {
    let whole = world.snapshot("d").await.expect("the room answers");
    let waiting = async {
        while !same(&peer.doc, &whole) {
            peer.read().await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(
        came.is_ok(),
        "skipped: has {:?}, lacks some of {:?}",
        peer.doc.state_vector(),
        whole.state_vector()
    );
}

#[tokio::test(start_paused = true)]
async fn ps9_a_reader_that_stops_gets_one_resync_that_makes_it_equal() {
    let world = World::with(|limits| limits.outbox_bytes_max = 10_000);
    let mut writer = world.join("d", hocuspocus("d")).await;
    for voice in every_voice("d") {
        let mut slow = world.join("d", voice).await;
        slow.sync().await;
        let known = u64::from(writer.doc.state_vector().get(7));
        for clock in known..known + 100 {
            writer.edit(yjs::insert(7, clock, "x")).await;
            writer.until(|heard| *heard == Heard::Status(true)).await;
        }
        writer
            .edit(yjs::insert(7, known + 100, &"y".repeat(20_000)))
            .await;
        writer.edit(yjs::delete(7, known, 50)).await;
        writer.until(|heard| *heard == Heard::Status(true)).await;
        writer.until(|heard| *heard == Heard::Status(true)).await;
        // The socket had this much waiting for it at most: the bound, or one frame.
        let outgoing = slow.outbox.take().await;
        let waiting: usize = outgoing.frames.iter().map(|frame| frame.len()).sum();
        assert!(waiting < 31_000, "{waiting} bytes waited");
        slow.digest(outgoing);
        until_same(&world, &mut slow).await;
    }
}

/// The room's document holds edits that wait for their commit and were sent to nobody: a resync must not begin
/// behind them.
#[tokio::test(start_paused = true)]
async fn ps9_presence_that_does_not_fit_hides_no_edit_that_is_still_being_saved() {
    let world = World::with(|limits| limits.outbox_bytes_max = 2_000);
    let mut writer = world.join("d", hocuspocus("d")).await;
    let mut slow = world.join("d", Voice::YWebsocket).await;
    slow.sync().await;
    writer.edit(yjs::insert(7, 0, &"x".repeat(1_500))).await;
    writer.until(|heard| *heard == Heard::Status(true)).await;
    world.faults.delay_appends(Duration::from_millis(200));
    writer.edit(yjs::insert(7, 1_500, "behind")).await;
    let state = format!("{{\"name\":\"{}\"}}", "n".repeat(1_000));
    writer.say(Message::Awareness(yjs::awareness(7, 1, &state))).await;
    writer.until(|heard| *heard == Heard::Status(true)).await;
    until_same(&world, &mut slow).await;
}

/// What was being saved when the resync was asked for is in the resync, and must not come before it.
#[tokio::test(start_paused = true)]
async fn ps9_nothing_comes_with_a_hole_before_it() {
    let world = World::with(|limits| limits.outbox_bytes_max = 2_000);
    let mut writer = world.join("d", hocuspocus("d")).await;
    for voice in every_voice("d") {
        let mut slow = world.join("d", voice).await;
        slow.sync().await;
        let mut clock = u64::from(writer.doc.state_vector().get(7));
        for _ in 0..3 {
            writer.edit(yjs::insert(7, clock, &"x".repeat(1_500))).await;
            writer.until(|heard| *heard == Heard::Status(true)).await;
            clock += 1_500;
        }
        world.faults.delay_appends(Duration::from_millis(200));
        writer.edit(yjs::insert(7, clock, "being saved")).await;
        // The room has it, the disk does not, and the socket is free again.
        world.snapshot("d").await.expect("the room answers");
        slow.read().await;
        writer.until(|heard| *heard == Heard::Status(true)).await;
        world.faults.delay_appends(Duration::ZERO);
        until_same(&world, &mut slow).await;
        assert_eq!(slow.holes, 0, "{:?}", slow.voice);
    }
}

/// A member of two documents on one socket: the queue may be full before it has its first answer.
#[tokio::test(start_paused = true)]
async fn ps9_an_answer_that_does_not_fit_is_in_the_resync() {
    let world = World::with(|limits| limits.outbox_bytes_max = 2_000);
    let mut writer = world.join("d", hocuspocus("d")).await;
    writer.edit(yjs::insert(7, 0, &"x".repeat(1_500))).await;
    writer.until(|heard| *heard == Heard::Status(true)).await;
    let mut slow = world.join("d", Voice::YWebsocket).await;
    slow.read().await;
    world.faults.delay_appends(Duration::from_millis(200));
    // Two edits, so that the second relay finds the outbox full of the first.
    for (clock, text) in [(1_500, "y".repeat(1_500)), (3_000, "z".repeat(1_500))] {
        writer.edit(yjs::insert(7, clock, &text)).await;
        writer.until(|heard| *heard == Heard::Status(true)).await;
    }
    slow.say(Message::Step1(slow.doc.state_vector().clone())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    until_same(&world, &mut slow).await;
}

/// An answer that is larger than the bound by itself leaves no space for a second frame: it is one.
#[tokio::test(start_paused = true)]
async fn ps9_an_answer_larger_than_the_bound_is_sent_once() {
    let world = World::with(|limits| limits.outbox_bytes_max = 1_000);
    let mut writer = world.join("d", hocuspocus("d")).await;
    writer.edit(yjs::insert(7, 0, &"x".repeat(5_000))).await;
    writer.until(|heard| *heard == Heard::Status(true)).await;
    let mut slow = world.join("d", Voice::YSweet).await;
    // The next answer finds the outbox full of this edit.
    writer.edit(yjs::insert(7, 5_000, &"y".repeat(1_500))).await;
    writer.until(|heard| *heard == Heard::Status(true)).await;
    slow.say(Message::Step1(slow.doc.state_vector().clone())).await;
    let mut answers = 0;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let heard = slow.heard_now().await;
        answers += heard
            .iter()
            .filter(|heard| matches!(heard, Heard::Step2(_)))
            .count();
    }
    assert_eq!(answers, 1, "PS3");
    until_same(&world, &mut slow).await;
}

/// What is withheld from a slow reader is who went, too.
#[tokio::test(start_paused = true)]
async fn ps9_a_slow_reader_is_told_who_went_meanwhile() {
    let world = World::with(|limits| limits.outbox_bytes_max = 1_000);
    let mut writer = world.join("d", hocuspocus("d")).await;
    writer.say(Message::Awareness(yjs::awareness(7, 1, "{}"))).await;
    let mut slow = world.join("d", Voice::YWebsocket).await;
    slow.sync().await;
    slow.read_now().await;
    assert_eq!(slow.sees(), [7]);
    for clock in [0, 1_500] {
        writer.edit(yjs::insert(7, clock, &"x".repeat(1_500))).await;
        writer.until(|heard| *heard == Heard::Status(true)).await;
    }
    writer.leave();
    tokio::time::sleep(Duration::from_secs(1)).await;
    until_same(&world, &mut slow).await;
    slow.read_now().await;
    assert_eq!(slow.sees(), [0; 0], "a ghost");
}

#[tokio::test(start_paused = true)]
async fn ps9_a_slow_reader_misses_nothing_whatever_the_store_does() {
    let world = World::with(|limits| limits.outbox_bytes_max = 1_000);
    let mut writer = world.join("d", hocuspocus("d")).await;
    let mut readers = Vec::new();
    for voice in every_voice("d") {
        let mut reader = world.join("d", voice).await;
        reader.sync().await;
        readers.push(reader);
    }
    let mut clock = 0;
    for round in 0_u64..300 {
        world.faults.fail_appends(round % 50 > 40);
        world.faults.delay_appends(Duration::from_millis(round * 7 % 400));
        let text = "x".repeat((round * 131 % 900 + 1) as usize);
        writer.edit(yjs::insert(7, clock, &text)).await;
        clock += text.len() as u64;
        if round % 3 == 0 {
            let state = format!(
                "{{\"round\":{round},\"pad\":\"{}\"}}",
                "p".repeat((round * 37 % 700) as usize)
            );
            writer
                .say(Message::Awareness(yjs::awareness(7, round + 1, &state)))
                .await;
        }
        if round % 11 == 0 {
            let reader = &readers[(round % 3) as usize];
            reader
                .say(Message::Step1(reader.doc.state_vector().clone()))
                .await;
        }
        tokio::time::sleep(Duration::from_millis(round * 13 % 90)).await;
        writer.read_now().await;
        for (number, reader) in readers.iter_mut().enumerate() {
            if round % (5 + number as u64 * 4) == 0 {
                reader.read_now().await;
            }
        }
    }
    world.faults.fail_appends(false);
    world.faults.delay_appends(Duration::ZERO);
    world.saver.flush().await;
    for reader in &mut readers {
        assert_eq!(reader.closed, None);
        until_same(&world, reader).await;
        assert_eq!(reader.sees(), [7]);
    }
}

/// Everyone's presence may be larger than an outbox: a crowd, or one who makes its state large on purpose.
#[tokio::test(start_paused = true)]
async fn ps9_presence_of_a_crowd_does_not_shut_the_door() {
    let world = World::with(|limits| limits.outbox_bytes_max = 10_000);
    let mut crowd = Vec::new();
    for client in 1..=30 {
        let mut peer = world.join("d", Voice::YWebsocket).await;
        let state = format!("{{\"name\":\"{}\"}}", "n".repeat(1_000));
        peer.say(Message::Awareness(yjs::awareness(client, 1, &state)))
            .await;
        peer.until(|heard| matches!(heard, Heard::Awareness(_))).await;
        crowd.push(peer);
    }
    for voice in every_voice("d") {
        let mut joiner = world.join("d", voice).await;
        joiner.sync().await;
        joiner.read_now().await;
        assert_eq!((joiner.closed, joiner.sees().len()), (None, 30));
        for _ in 0..3 {
            joiner.say(Message::QueryAwareness).await;
        }
        joiner.sync().await;
        assert_eq!(joiner.closed, None);
    }
    // Those who did not read get it behind a resync.
    for clock in 0..30 {
        let update = yjs::insert(77, clock * 1_000, &"x".repeat(1_000));
        crowd[0].edit(update).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    for peer in &mut crowd {
        until_same(&world, peer).await;
        let waiting = async {
            while peer.sees().len() < 30 {
                peer.read().await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(came.is_ok(), "sees {} of 30", peer.sees().len());
        assert_eq!(peer.closed, None);
    }
}
