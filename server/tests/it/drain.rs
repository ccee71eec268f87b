//! The way out over a window, as operators and clients see it.

use std::time::{Duration, Instant};

use roomtone_server::auth::Authenticator;
use roomtone_server::drain::{Drain, Stage, Window};

use crate::net::{Socket, get, request, token, update_frame};
use crate::world::{SECRET, Served, World, hocuspocus};
use crate::yjs;

async fn progress(served: &Served) -> serde_json::Value {
    get(served.address, "/v1/drain").await.json()
}

#[tokio::test]
async fn a_drain_refuses_joins_at_once_serves_those_who_are_here_and_closes_them_over_the_window() {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    let mut sockets = Vec::new();
    for number in 0..10 {
        let path = format!("/yjs/d{}", number % 3);
        sockets.push(
            Socket::connect(served.address, &path, &[])
                .await
                .expect("a socket"),
        );
    }
    assert_eq!(progress(&served).await["stage"], "serving");
    let started = Instant::now();
    let begun = request(served.address, "POST", "/v1/drain", &[], br#"{"window_ms":5000}"#).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    assert_eq!(begun.json()["clients_at_start_count"], 10);
    assert_eq!(get(served.address, "/readyz").await.status, 503);
    assert_eq!(get(served.address, "/livez").await.status, 200);
    for path in ["/yjs/new", "/hocuspocus", "/d/a/ws/a"] {
        let refused = Socket::connect(served.address, path, &[]).await.err();
        assert_eq!(refused, Some(503), "{path}");
    }
    let answer = get(served.address, "/d/d0/as-update").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after"), "{}", answer.head);
    // Whoever is still here goes on, and what it says is saved.
    let last = sockets.last_mut().expect("the last one");
    last.send(update_frame(&yjs::insert(7, 0, "x"))).await;
    last.until(|frame| frame.starts_with(&[0, 2])).await;
    // A second beginning changes nothing.
    let again = request(served.address, "POST", "/v1/drain", &[], b"").await;
    assert_eq!(again.json()["window_ms"], 5_000);
    let mut at_ms = Vec::new();
    // Each is dropped when it has ended, as a client would.
    for mut socket in sockets {
        assert_eq!(socket.until_ended().await, Some(1012));
        at_ms.push(started.elapsed().as_millis());
    }
    for (number, from) in at_ms.iter().enumerate() {
        let in_a_second = at_ms[number..].iter().filter(|at| **at < from + 950).count();
        assert!(in_a_second <= 2, "{at_ms:?}");
    }
    assert_eq!(served.drain.ended().await, Stage::Drained);
    assert!(
        started.elapsed() < Duration::from_secs(7),
        "{:?}",
        started.elapsed()
    );
    let done = progress(&served).await;
    assert_eq!(
        (
            done["stage"].as_str(),
            done["clients_count"].as_u64(),
            done["rooms_count"].as_u64()
        ),
        (Some("drained"), Some(0), Some(0))
    );
    assert_eq!(world.stored("d0").await.state_vector().get(7), 1);
}

#[tokio::test]
async fn without_a_window_all_go_at_once_those_in_no_room_too() {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    let mut member = Socket::connect(served.address, "/yjs/d", &[])
        .await
        .expect("a socket");
    let mut waiting = Socket::connect(served.address, "/hocuspocus", &[])
        .await
        .expect("a socket");
    let started = Instant::now();
    served.drain.begin(Window::NONE);
    assert_eq!(member.until_ended().await, Some(1012));
    assert_eq!(waiting.until_ended().await, Some(1012));
    assert_eq!(served.drain.ended().await, Stage::Drained);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn only_an_operator_drains_and_lists() {
    let world = World::new();
    let served = world.serve(Authenticator::jwt(SECRET, None, None)).await;
    let bearer = |rooms: &str, role: &str| format!("Bearer {}", token(rooms, role, 60));
    for (authorization, status) in [
        (String::new(), 401),
        ("Bearer nonsense".into(), 401),
        (bearer("*", "editor"), 403),
        (bearer("team/*", "owner"), 403),
    ] {
        for (method, path) in [("POST", "/v1/drain"), ("GET", "/v1/drain"), ("GET", "/v1/nodes")] {
            let headers = [("authorization", authorization.as_str())];
            let answer = request(served.address, method, path, &headers, b"").await;
            assert_eq!(answer.status, status, "{method} {path} {authorization}");
            assert!(answer.is_problem());
        }
    }
    assert_eq!(served.drain.status().stage, Stage::Serving);
    let owner = bearer("*", "owner");
    let headers = [("authorization", owner.as_str())];
    let nodes = request(served.address, "GET", "/v1/nodes", &headers, b"")
        .await
        .json();
    assert_eq!(
        (
            nodes["nodes"][0]["address"].as_str(),
            nodes["nodes"][0]["state"].as_str()
        ),
        (Some("node:4000"), Some("ready"))
    );
    for body in [&b"{"[..], br#"{"window_ms":1}"#, br#"{"windows":1}"#] {
        let answer = request(served.address, "POST", "/v1/drain", &headers, body).await;
        assert_eq!((answer.status, answer.is_problem()), (400, true));
    }
    assert_eq!(served.drain.status().stage, Stage::Serving);
    let begun = request(served.address, "POST", "/v1/drain", &headers, b"").await;
    assert_eq!(begun.status, 202);
    assert_eq!(served.drain.ended().await, Stage::Drained);
}

/// A page that somebody visits while a server of theirs runs is not somebody who may stop it.
#[tokio::test]
async fn a_foreign_page_does_not_drain_an_open_server() {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    let headers = [("origin", "https://evil.example")];
    let refused = request(served.address, "POST", "/v1/drain", &headers, b"").await;
    assert_eq!(refused.status, 403);
    assert_eq!(served.drain.status().stage, Stage::Serving);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_does_not_take_in_time_is_tried_for_as_long_as_the_process_lives() {
    let world = World::new();
    let mut peer = world.join("d", hocuspocus("d")).await;
    peer.sync().await;
    world.faults.fail_appends(true);
    peer.edit(yjs::insert(1, 0, "x")).await;
    let drain = Drain::new(world.hub.clone(), world.saver.clone());
    drain.begin(Window::NONE);
    assert_eq!(drain.ended().await, Stage::Unsaved);
    assert_eq!(peer.until_closed().await.code(), 1013);
    assert!(drain.status().unsaved_bytes > 0);
    world.faults.fail_appends(false);
    let mut stage = drain.watch();
    assert!(stage.wait_for(|stage| *stage == Stage::Drained).await.is_ok());
    assert_eq!(drain.status().unsaved_bytes, 0);
    assert_eq!(world.stored("d").await.state_vector().get(1), 1);
}
