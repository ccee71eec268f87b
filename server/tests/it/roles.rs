//! Who may write (RO1), for every dialect.

use std::time::Duration;

use roomtone_crdt::{Message, encode};
use roomtone_server::auth::{Authenticator, Role};
use roomtone_server::room::Voice;

use crate::net::{Socket, addressed, auth_frame, token};
use crate::peer::Heard;
use crate::world::{SECRET, World, every_voice, hocuspocus};
use crate::yjs;

#[tokio::test(start_paused = true)]
async fn ro1_a_viewers_update_is_refused_and_reaches_nobody() {
    for role in [Role::Viewer, Role::Commenter] {
        let world = World::new();
        let mut writer = world.join("d", hocuspocus("d")).await;
        writer.edit(yjs::insert(1, 0, "here")).await;
        writer.until(|heard| *heard == Heard::Status(true)).await;
        for voice in every_voice("d") {
            let mut viewer = world.join_as("d", voice.clone(), role).await;
            viewer.sync().await;
            viewer.heard_now().await;
            for clock in 0..3 {
                viewer.say(Message::Update(yjs::insert(66, clock, "x"))).await;
            }
            // A Step2 is part of the handshake: without news it is fine, with news it is an edit.
            viewer.say(Message::Step2(yjs::insert(1, 0, "here"))).await;
            viewer.say(Message::Step2(yjs::delete(1, 0, 1))).await;
            viewer.say(Message::Step2(yjs::insert(66, 0, "x"))).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let heard = viewer.heard_now().await;
            let statuses: Vec<_> = heard
                .iter()
                .filter(|heard| matches!(heard, Heard::Status(_)))
                .collect();
            let denials = heard
                .iter()
                .filter(|heard| matches!(heard, Heard::Denied(_)))
                .count();
            match voice {
                Voice::Hocuspocus(_) => {
                    let no = &Heard::Status(false);
                    assert_eq!(statuses, [no, no, no, &Heard::Status(true), no, no]);
                    assert_eq!(denials, 0);
                }
                Voice::YWebsocket | Voice::YSweet | Voice::Native(_) => {
                    assert_eq!((statuses.len(), denials), (0, 1));
                }
            }
            assert_eq!(viewer.closed, None);
        }
        let whole = world.snapshot("d").await.expect("it answers");
        assert_eq!(
            (whole.state_vector().get(66), whole.state_vector().get(1)),
            (0, 4)
        );
        assert!(writer.doc.snapshot().expect("a copy").extent().deletes.is_empty());
        assert!(whole.snapshot().expect("a copy").extent().deletes.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn ro1_what_a_viewer_wrote_is_never_acknowledged_as_saved() {
    let world = World::new();
    let mut viewer = world.join_as("d", Voice::YSweet, Role::Viewer).await;
    viewer.sync().await;
    viewer.say(Message::Update(yjs::insert(66, 0, "x"))).await;
    viewer.say(Message::SyncStatus(vec![9].into())).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let heard = viewer.heard_now().await;
    assert!(!heard.contains(&Heard::YSweet(vec![9].into())), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_renewed_token_changes_the_role_at_once() {
    let world = World::new();
    let mut peer = world.join_as("d", hocuspocus("d"), Role::Viewer).await;
    peer.say(Message::Update(yjs::insert(1, 0, "x"))).await;
    peer.until(|heard| *heard == Heard::Status(false)).await;
    peer.seat
        .as_ref()
        .expect("it sits")
        .renew(Role::Editor)
        .await
        .expect("the room is awake");
    peer.say(Message::Update(yjs::insert(1, 0, "x"))).await;
    peer.until(|heard| *heard == Heard::Status(true)).await;
    peer.seat
        .as_ref()
        .expect("it sits")
        .renew(Role::Viewer)
        .await
        .expect("the room is awake");
    peer.say(Message::Update(yjs::insert(1, 1, "x"))).await;
    peer.until(|heard| *heard == Heard::Status(false)).await;
    assert_eq!(world.stored("d").await.state_vector().get(1), 1);
}

/// Hocuspocus sends sync messages under type 0 and type 4: both are looked at (threat 10).
#[tokio::test]
async fn ro1_a_sync_reply_is_no_way_around_the_role() {
    let world = World::new();
    let served = world.serve(Authenticator::jwt(SECRET, None, None)).await;
    let mut socket = Socket::connect(served.address, "/", &[]).await.expect("a socket");
    socket.send(auth_frame("d", &token("d", "viewer", 60))).await;
    for step in [1, 2] {
        let mut body = vec![4, step];
        let update = yjs::insert(66, 0, "x");
        body.push(update.bytes().len() as u8);
        body.extend_from_slice(update.bytes());
        socket.send(addressed("d", &body)).await;
        socket.until(|frame| frame == b"\x01d\x08\x00").await;
    }
    socket
        .send(addressed("d", &encode::step2(&roomtone_crdt::Update::empty())))
        .await;
    socket.until(|frame| frame == b"\x01d\x08\x01").await;
    let whole = world.snapshot("d").await.expect("it answers");
    assert!(whole.state_vector().is_empty());
}

/// A few bytes must not use up the clocks of somebody who is here (threat 7).
#[tokio::test(start_paused = true)]
async fn aw1_an_update_that_jumps_anothers_clock_is_refused() {
    let world = World::new();
    let mut victim = world.join("d", hocuspocus("d")).await;
    victim.say(Message::Awareness(yjs::awareness(7, 1, "{}"))).await;
    victim.sync().await;
    let mut attacker = world.join("d", Voice::YWebsocket).await;
    attacker.say(Message::Update(yjs::collected(7, 1_000_000))).await;
    assert_eq!(attacker.until_closed().await.code(), 4400);
    victim.edit(yjs::insert(7, 0, "mine")).await;
    assert_eq!(
        victim.until(|heard| matches!(heard, Heard::Status(_))).await,
        Heard::Status(true)
    );
}
