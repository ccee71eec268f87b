//! The HTTP half: documents, tokens, problems, bounds on what a stranger may make the server do.

use std::time::{Duration, Instant};

use roomtone_crdt::{Doc, Update};
use roomtone_server::auth::Authenticator;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::net::{Socket, get, raw, request, token, update_frame};
use crate::world::{SECRET, World};
use crate::yjs;

#[tokio::test]
async fn a_back_end_creates_a_document_writes_it_and_reads_it_back() {
    let world = World::new();
    let address = world.serve(Authenticator::jwt(SECRET, None, None)).await;
    let owner = format!("Bearer {}", token("*", "owner", 60));
    let headers = [("authorization", owner.as_str())];
    let created = request(
        address.address,
        "POST",
        "/doc/new",
        &headers,
        br#"{"docId":"notes"}"#,
    )
    .await;
    assert_eq!(
        (created.status, created.json()["docId"].as_str()),
        (200, Some("notes"))
    );
    let fresh = request(address.address, "POST", "/doc/new", &headers, b"").await;
    assert_eq!(fresh.json()["docId"].as_str().map(str::len), Some(32));
    let update = yjs::insert(7, 0, "hello");
    let written = request(
        address.address,
        "POST",
        "/d/notes/update",
        &headers,
        update.bytes(),
    )
    .await;
    assert_eq!(written.status, 200);
    assert_eq!(
        world.stored("notes").await.state_vector().get(7),
        5,
        "answered before it was durable"
    );
    let read = request(address.address, "GET", "/d/notes/as-update", &headers, b"").await;
    let whole = Update::check(read.body.clone().into()).expect("an update");
    assert_eq!(Doc::load([whole]).expect("it loads").state_vector().get(7), 5);

    let body = br#"{"authorization":"read-only","userId":"ada","validForSeconds":60}"#;
    let granted = request(address.address, "POST", "/doc/notes/auth", &headers, body)
        .await
        .json();
    assert_eq!(granted["docId"], "notes");
    assert_eq!(granted["url"], format!("ws://{}/d/notes/ws", address.address));
    let viewer = granted["token"].as_str().expect("a token");
    let path = format!("/d/notes/ws/notes?token={viewer}");
    assert!(Socket::connect(address.address, &path, &[]).await.is_ok());
    let elsewhere = format!("/d/other/ws/other?token={viewer}");
    assert_eq!(
        Socket::connect(address.address, &elsewhere, &[]).await.err(),
        Some(403)
    );
    // A read-only token reads and does not write.
    let bearer = format!("Bearer {viewer}");
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(
        request(address.address, "GET", "/d/notes/as-update", &headers, b"")
            .await
            .status,
        200
    );
    let refused = request(
        address.address,
        "POST",
        "/d/notes/update",
        &headers,
        update.bytes(),
    )
    .await;
    assert_eq!((refused.status, refused.is_problem()), (403, true));
    let refused = request(address.address, "POST", "/doc/notes/auth", &headers, b"").await;
    assert_eq!((refused.status, refused.is_problem()), (403, true));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_a_problem_document() {
    let world = World::with(|limits| limits.frame_bytes_max = 10_000);
    let served = world.serve(Authenticator::jwt(SECRET, None, None)).await;
    let owner = format!("Bearer {}", token("*", "owner", 60));
    let known = [("authorization", owner.as_str())];
    let large = vec![0; 20_000];
    let cases: [(&str, &str, bool, &[u8], u16); 12] = [
        ("GET", "/no/such/file.txt", false, b"", 404),
        ("DELETE", "/index.html", false, b"", 405),
        ("POST", "/doc/new", false, b"", 401),
        ("POST", "/doc/new", true, b"{", 400),
        ("POST", "/doc/new", true, br#"{"docId":"a\u0000b"}"#, 400),
        ("GET", "/d/notes/as-update", false, b"", 401),
        ("POST", "/d/notes/update", false, b"\0\0", 401),
        ("POST", "/d/notes/update", true, b"nonsense", 400),
        ("POST", "/d/notes/update", true, &large, 413),
        ("GET", "/yjs/notes", true, b"", 426),
        ("GET", "/hocuspocus", false, b"", 426),
        ("POST", "/doc/a%0Ab/auth", true, b"", 400),
    ];
    for (method, path, with_token, body, status) in cases {
        let headers = if with_token { known.as_slice() } else { &[] };
        let answer = request(served.address, method, path, headers, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.head);
        assert!(
            answer.is_problem(),
            "{method} {path}: {} {}",
            answer.head,
            answer.text()
        );
        assert!(
            answer.head.contains("x-content-type-options: nosniff"),
            "{}",
            answer.head
        );
    }
}

/// Whoever has no token gets nothing read: 64 MB before a 401 would be a gift to an attacker.
#[tokio::test]
async fn a_body_is_not_read_before_its_token() {
    let world = World::new();
    let served = world.serve(Authenticator::jwt(SECRET, None, None)).await;
    let mut stream = TcpStream::connect(served.address).await.expect("it listens");
    let head = "POST /d/notes/update HTTP/1.1\r\nhost: x\r\ncontent-length: 60000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    // Not one byte of the body is sent.
    let mut answer = [0; 12];
    let answered = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut answer)).await;
    answered
        .expect("it waits for the body of a stranger")
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 401");
}

#[tokio::test]
async fn a_head_over_its_bound_is_refused_with_431() {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    let padding = "x".repeat(20_000);
    let answer = request(served.address, "GET", "/livez", &[("x-padding", &padding)], b"").await;
    assert_eq!(answer.status, 431, "{}", answer.head);
}

/// The one test here that waits: a head that drips is cut off after 5 s.
#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    let started = Instant::now();
    let answer = raw(served.address, b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    let took = started.elapsed();
    assert!((4..8).contains(&took.as_secs()), "{took:?} {}", answer.head);
}

#[tokio::test]
async fn the_page_is_locked_down() {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    let page = get(served.address, "/").await;
    assert_eq!(page.status, 200);
    for header in [
        "content-security-policy: default-src 'self'; script-src 'self'",
        "frame-ancestors 'self'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "content-type: text/html",
    ] {
        assert!(page.head.contains(header), "no {header} in {}", page.head);
    }
    for path in ["/../Cargo.toml", "/..%2fCargo.toml", "/%2e%2e/%2e%2e/etc/passwd"] {
        let answer = get(served.address, path).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn health_turns_red_with_the_store_and_green_again() {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    assert_eq!(get(served.address, "/readyz").await.status, 200);
    world.faults.fail_appends(true);
    let answer = world.apply("d", yjs::insert(7, 0, "x")).await;
    loop {
        let health = get(served.address, "/healthz").await;
        if health.status == 503 {
            assert!(health.is_problem());
            assert!(
                !health.text().contains("injected"),
                "a cause went to a client: {}",
                health.text()
            );
            break;
        }
    }
    assert_eq!(get(served.address, "/livez").await.status, 200);
    assert_eq!(get(served.address, "/check_store").await.json()["ok"], false);
    world.faults.fail_appends(false);
    answer.await.expect("an answer").expect("durable");
    assert_eq!(get(served.address, "/healthz").await.status, 200);
    world.hub.begin_stop();
    assert_eq!(get(served.address, "/readyz").await.status, 503);
    assert_eq!(get(served.address, "/livez").await.status, 200);
}

/// The names that `docs/OPERATIONS.md` puts on a wall exist once something has happened.
#[tokio::test]
async fn the_documented_metrics_exist() {
    let document = include_str!("../../../docs/OPERATIONS.md");
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    let mut socket = Socket::connect(served.address, "/yjs/d", &[])
        .await
        .expect("a socket");
    socket.send(update_frame(&yjs::insert(7, 0, "x"))).await;
    socket.until(|frame| frame.starts_with(&[0, 2])).await;
    assert_eq!(get(served.address, "/v1/rooms/d/messages").await.status, 200);
    let text = get(served.address, "/metrics").await.text();
    // What counts trouble, or what is rare, appears with the first, and what is between nodes with the bus.
    let trouble = [
        "bus_",
        "follow",
        "nodes",
        "commit_failures",
        "stalls",
        "refused",
        "closes",
        "resyncs",
        "quarantined",
        "damage",
        "compactions",
        "repacks",
        "blob",
    ];
    let mut names = 0;
    for name in document.split(|c: char| !(c.is_ascii_lowercase() || c == '_')) {
        if name.len() > "roomtone_".len() && name.starts_with("roomtone_") {
            names += 1;
            assert!(
                text.contains(name) || trouble.iter().any(|word| name.contains(word)),
                "{name} is documented and not there"
            );
        }
    }
    assert!(names > 15, "only {names} names in the document");
}

/// The gauge that an alarm looks at moves while the store is away, not only when it is back.
#[tokio::test]
async fn the_backlog_is_seen_while_it_grows() {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    world.faults.fail_appends(true);
    let answer = world.apply("d", yjs::insert(7, 0, &"x".repeat(5_000_000))).await;
    let grown = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("roomtone_backlog_bytes "));
        let value: f64 = line
            .and_then(|line| line.split(' ').nth(1))
            .map_or(0.0, |value| value.parse().expect("a number"));
        value > 4_000_000.0
    };
    let waiting = async { while !grown(&get(served.address, "/metrics").await.text()) {} };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .expect("the gauge stays still");
    world.faults.fail_appends(false);
    answer.await.expect("an answer").expect("durable");
}

#[tokio::test]
async fn a_full_house_says_so() {
    let world = World::with(|limits| limits.connections_count_max = 1);
    let served = world.serve(Authenticator::open(SECRET)).await;
    let _only = Socket::connect(served.address, "/yjs/d", &[])
        .await
        .expect("a socket");
    let answer = get(served.address, "/livez").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after"));
}

/// A page that somebody visits while a server of theirs runs reads and writes none of its documents.
#[tokio::test]
async fn a_foreign_page_reads_and_writes_nothing_on_an_open_server() {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    let update = yjs::insert(7, 0, "x");
    let calls: [(&str, &str, &[u8]); 6] = [
        ("POST", "/d/notes/update", update.bytes()),
        ("POST", "/doc/notes/update", update.bytes()),
        ("GET", "/d/notes/as-update", b""),
        ("GET", "/doc/notes/as-update", b""),
        ("POST", "/doc/new", b""),
        ("POST", "/doc/notes/auth", b""),
    ];
    for (method, path, body) in calls {
        for origin in ["https://evil.example", "null"] {
            let refused = request(served.address, method, path, &[("origin", origin)], body).await;
            assert_eq!(refused.status, 403, "{method} {path} from {origin}");
        }
        let headers = [("origin", "http://localhost:5173")];
        let ours = request(served.address, method, path, &headers, body).await;
        assert_eq!(ours.status, 200, "{method} {path}: {}", ours.text());
    }
}
