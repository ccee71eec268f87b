//! Real sockets: what a client meets at the door and how it is sent away (PS4, PS5, AW3, RO1, RO2).

use std::time::Duration;

use bytes::Bytes;
use roomtone_crdt::{Writer, encode};
use roomtone_persistence::Store;
use roomtone_server::auth::Authenticator;
use roomtone_server::close::Close;
use roomtone_server::limits::HANDSHAKE_MS_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::net::{Socket, addressed, auth_frame, token, update_frame};
use crate::world::{SECRET, Served, World, behind_tokens, doc_id, open};
use crate::yjs;

async fn connect(served: &Served, path: &str) -> Socket {
    Socket::connect(served.address, path, &[])
        .await
        .expect("a socket")
}

const STEP1: &[u8] = &[0, 0, 1, 0];

#[tokio::test]
async fn one_document_has_one_name_in_every_dialect() {
    let (world, served) = open().await;
    let mut author = connect(&served, "/yjs/notes").await;
    author.send(update_frame(&yjs::insert(7, 0, "hello"))).await;
    author.until(|frame| frame.starts_with(&[0, 2])).await;
    for path in [
        "/yjs/notes",
        "/notes",
        "/d/notes/ws/notes",
        "/doc/ws/notes",
        "/yjs/%6Eotes",
    ] {
        let mut socket = connect(&served, path).await;
        socket.send(STEP1).await;
        let answer = socket.until(|frame| frame.starts_with(&[0, 1])).await;
        assert!(answer.len() > 10, "{path} is another document");
    }
    for path in ["/", "/hocuspocus"] {
        let mut socket = connect(&served, path).await;
        socket.send(auth_frame("notes", "")).await;
        socket.send(addressed("notes", STEP1)).await;
        let answer = socket
            .until(|frame| frame.starts_with(b"\x05notes\x00\x01"))
            .await;
        assert!(answer.len() > 10);
    }
    world.saver.flush().await;
    assert_eq!(world.stored("notes").await.state_vector().get(7), 5);
}

/// What is refused, with the code that tells the client whether to come back.
#[tokio::test]
async fn ps5_bad_frames_end_their_own_socket_with_a_code_and_nobody_elses() {
    let (_world, served) = open().await;
    let mut bystander = connect(&served, "/yjs/d").await;
    bystander.send(STEP1).await;
    let mut crowded = Vec::new();
    for _ in 0..2_000 {
        crowded.extend_from_slice(STEP1);
    }
    let frames: [(&str, &[u8], u16); 14] = [
        ("/yjs/d", &[], 4400),
        ("/yjs/d", &[0, 2, 5, 1, 2], 4400),
        ("/yjs/d", &[0, 2, 3, 0, 0, 9], 4400),
        ("/yjs/d", &[0, 9], 4400),
        ("/yjs/d", &[8, 1], 4400),
        ("/yjs/d", &[102, 1, 1], 4400),
        ("/yjs/d", &[1, 3, 1, 1, 9], 4400),
        ("/yjs/d", &[0xff; 30], 4400),
        ("/yjs/d", &crowded, 4400),
        ("/d/d/ws/d", &[103], 4400),
        ("/", b"\x01d\x06\x01x", 4400),
        ("/", b"\x00\x02\x00\x00", 4400),
        ("/", b"\x01d\x63", 4400),
        ("/", b"\x7f", 4400),
    ];
    for (path, frame, code) in frames {
        let mut socket = connect(&served, path).await;
        socket.send(frame.to_vec()).await;
        assert_eq!(
            socket.until_ended().await,
            Some(code),
            "{path} {:?}",
            &frame[..frame.len().min(20)]
        );
    }
    let mut text = connect(&served, "/yjs/d").await;
    text.send_message(Message::text("hello")).await;
    assert_eq!(text.until_ended().await, Some(1003));
    bystander.send(STEP1).await;
    bystander.until(|frame| frame.starts_with(&[0, 1])).await;
}

#[tokio::test]
async fn a_message_over_the_bound_is_closed_with_1009() {
    let world = World::with(|limits| limits.frame_bytes_max = 10_000);
    let served = world.serve(Authenticator::open(SECRET)).await;
    let mut socket = connect(&served, "/yjs/d").await;
    socket.send(vec![0; 20_000]).await;
    assert_eq!(socket.until_ended().await, Some(1009));
}

#[tokio::test]
async fn a_document_at_its_bound_refuses_with_1009_and_is_read_all_the_same() {
    let world = World::with(|limits| limits.document_bytes_max = 5_000);
    let served = world.serve(Authenticator::open(SECRET)).await;
    let mut socket = connect(&served, "/yjs/d").await;
    socket
        .send(update_frame(&yjs::insert(7, 0, &"x".repeat(4_000))))
        .await;
    socket.until(|frame| frame.starts_with(&[0, 2])).await;
    socket
        .send(update_frame(&yjs::insert(7, 4_000, &"x".repeat(4_000))))
        .await;
    assert_eq!(socket.until_ended().await, Some(1009));
    let mut reader = connect(&served, "/yjs/d").await;
    reader.send(STEP1).await;
    let answer = reader.until(|frame| frame.starts_with(&[0, 1])).await;
    assert!((4_000..5_000).contains(&answer.len()));
}

#[tokio::test]
async fn who_has_no_token_is_refused_before_the_upgrade() {
    let (_world, served) = behind_tokens().await;
    let good = token("d", "editor", 60);
    let other = token("other", "editor", 60);
    let late = token("d", "editor", -31);
    for (path, headers, status) in [
        ("/yjs/d".to_owned(), vec![], 401),
        ("/yjs/d?token=nonsense".to_owned(), vec![], 401),
        (format!("/yjs/d?token={late}"), vec![], 401),
        (format!("/yjs/d?token={other}"), vec![], 403),
        (format!("/d/d/ws/d?token={other}"), vec![], 403),
        (format!("/d/d/ws/e?token={good}"), vec![], 400),
        (format!("/yjs/{}?token={good}", "x".repeat(513)), vec![], 400),
        (format!("/yjs/%00?token={good}"), vec![], 400),
        (format!("/yjs/%ff?token={good}"), vec![], 400),
        (
            format!("/yjs/d?token={good}"),
            vec![("origin", "https://evil.example")],
            403,
        ),
        (format!("/yjs/d?token={good}"), vec![("origin", "null")], 403),
    ] {
        let refused = Socket::connect(served.address, &path, &headers).await.err();
        assert_eq!(refused, Some(status), "{path} {headers:?}");
    }
    for (path, header) in [
        (format!("/yjs/d?token={good}"), None),
        ("/yjs/d".to_owned(), Some(format!("Bearer {good}"))),
    ] {
        let headers: Vec<_> = header
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        assert!(Socket::connect(served.address, &path, &headers).await.is_ok());
    }
}

/// A token that ended 29 s ago has one second left: the leeway is 30.
#[tokio::test]
async fn ro2_a_token_that_ends_ends_its_socket_and_its_document() {
    let (_world, served) = behind_tokens().await;
    let brief = token("d", "editor", -28);
    let mut single = connect(&served, &format!("/yjs/d?token={brief}")).await;
    let mut many = connect(&served, "/").await;
    many.send(auth_frame("d", &brief)).await;
    many.send(auth_frame("e", &token("e", "editor", 600))).await;
    many.until(|frame| frame.starts_with(b"\x01e\x02\x02")).await;
    assert_eq!(single.until_ended().await, Some(4401));
    // The other document of the same socket goes on.
    many.until(|frame| frame.starts_with(b"\x01d\x02\x01")).await;
    many.send(addressed("e", STEP1)).await;
    many.until(|frame| frame.starts_with(b"\x01e\x00\x01")).await;
    // What is said under the old token is ignored until a new one comes.
    many.send(addressed("d", STEP1)).await;
    many.send(auth_frame("d", &token("d", "viewer", 600))).await;
    let granted = many.until(|frame| frame.starts_with(b"\x01d")).await;
    assert_eq!(
        &granted[..4],
        b"\x01d\x02\x02",
        "answered under a token that had ended"
    );
}

/// "For ever" is a legal end, and must not overflow anything.
#[tokio::test]
async fn ro2_a_token_that_never_ends_is_fine() {
    let (_world, served) = behind_tokens().await;
    for ends_s in [i64::MAX, i64::MAX / 2, 1 << 53] {
        let forever = token("d", "editor", ends_s);
        let mut socket = connect(&served, &format!("/yjs/d?token={forever}")).await;
        socket.send(STEP1).await;
        socket.until(|frame| frame.starts_with(&[0, 1])).await;
    }
}

#[tokio::test]
async fn a_multiplexed_socket_gets_little_before_it_has_shown_a_token() {
    let (_world, served) = behind_tokens().await;
    // Too many documents.
    let mut names = connect(&served, "/").await;
    for number in 0..11 {
        names.send(auth_frame(&format!("d{number}"), "nonsense")).await;
    }
    assert_eq!(names.until_ended().await, Some(4408));
    // Too many bytes: below the WebSocket, so that nothing is gathered.
    let mut bytes = connect(&served, "/").await;
    bytes.send(auth_frame("d", &"x".repeat(100_000))).await;
    assert_eq!(bytes.until_ended().await, Some(4408));
    // A refused document leaves the socket to the next try.
    let mut patient = connect(&served, "/").await;
    patient.send(auth_frame("d", "nonsense")).await;
    patient.until(|frame| frame.starts_with(b"\x01d\x02\x01")).await;
    patient.send(auth_frame("d", &token("d", "viewer", 60))).await;
    let granted = patient.until(|frame| frame.starts_with(b"\x01d\x02\x02")).await;
    assert_eq!(&granted[5..], b"readonly");
}

/// The address comes back in front of every frame: it must not be a megabyte.
#[tokio::test]
async fn an_address_has_a_bound_with_its_session() {
    let (_world, served) = open().await;
    let mut socket = connect(&served, "/").await;
    socket.send(auth_frame("d\0a-session", "")).await;
    socket
        .until(|frame| frame.starts_with(b"\x0bd\0a-session\x02\x02"))
        .await;
    let mut writer = Writer::new();
    writer
        .var_string(&format!("d\0{}", "s".repeat(1_000_000)))
        .var_uint(2)
        .var_uint(0)
        .var_string("");
    socket.send(writer.into_bytes()).await;
    assert_eq!(socket.until_ended().await, Some(4400));
}

#[tokio::test]
async fn more_documents_than_a_socket_carries_are_refused_one_by_one() {
    let (_world, served) = open().await;
    let mut socket = connect(&served, "/").await;
    for number in 0..513 {
        socket.send(auth_frame(&format!("doc-{number:04}"), "")).await;
    }
    socket
        .until(|frame| frame.starts_with(b"\x08doc-0512\x02\x01"))
        .await;
    socket.send(addressed("doc-0000", STEP1)).await;
    socket
        .until(|frame| frame.starts_with(b"\x08doc-0000\x00\x01"))
        .await;
}

#[tokio::test]
async fn aw3_presence_ends_with_the_socket_that_brought_it() {
    let (_world, served) = open().await;
    let mut stays = connect(&served, "/yjs/d").await;
    let mut goes = connect(&served, "/yjs/d").await;
    goes.send(encode::awareness(&yjs::awareness_bytes(42, 1, "{}")))
        .await;
    stays.until(|frame| frame[0] == 1).await;
    drop(goes);
    let gone = stays.until(|frame| frame[0] == 1).await;
    assert!(gone.ends_with(b"\x04null"), "{gone:?}");
}

#[tokio::test]
async fn a_hundred_documents_on_one_socket_are_kept_apart() {
    let (world, served) = open().await;
    let mut socket = connect(&served, "/").await;
    for number in 0..100_u64 {
        let name = format!("doc-{number:03}");
        socket.send(auth_frame(&name, "")).await;
        let update = encode::update(&yjs::insert(number + 1, 0, "x"));
        socket.send(addressed(&name, &update)).await;
    }
    let mut acknowledged = 0;
    while acknowledged < 100 {
        let frame = socket.next().await.expect("it stays open");
        acknowledged += usize::from(frame.ends_with(&[8, 1]));
    }
    for number in 0..100_u64 {
        let stored = world.stored(&format!("doc-{number:03}")).await;
        assert_eq!(stored.state_vector().get(number + 1), 1);
        assert_eq!(stored.state_vector().iter().count(), 1);
    }
}

#[tokio::test]
async fn a_text_of_pings_ends_as_a_flood() {
    let (_world, served) = open().await;
    let mut socket = connect(&served, "/yjs/d").await;
    for _ in 0..1_100 {
        socket.send_message(Message::Ping(Bytes::new())).await;
    }
    assert_eq!(socket.until_ended().await, Some(1008));
}

#[tokio::test]
async fn ps7_an_update_with_gaps_is_asked_for_again() {
    let (_world, served) = open().await;
    let mut socket = connect(&served, "/yjs/d").await;
    socket.until(|frame| frame.starts_with(&[0, 0])).await;
    let mut writer = Writer::new();
    writer.var_uint(0).var_uint(2).var_bytes(&yjs::gapped(7));
    socket.send(writer.into_bytes()).await;
    socket.until(|frame| frame.starts_with(&[0, 0])).await;
    socket.send(update_frame(&yjs::insert(7, 0, "whole"))).await;
    socket.until(|frame| frame.starts_with(&[0, 2])).await;
}

#[tokio::test]
async fn a_document_that_cannot_be_served_leaves_the_others_of_its_socket_alone() {
    let (world, served) = open().await;
    let mut socket = connect(&served, "/hocuspocus").await;
    let edit = |doc, client| {
        let update = update_frame(&yjs::insert(client, 0, "hello"));
        addressed(doc, &update)
    };
    let is_saved = |doc| move |frame: &[u8]| frame == addressed(doc, &[8, 1]);
    for doc in ["gone", "well"] {
        socket.send(auth_frame(doc, "")).await;
        socket.send(addressed(doc, STEP1)).await;
        socket.send(edit(doc, 7)).await;
        socket.until(is_saved(doc)).await;
    }
    world.store.delete(&doc_id("gone")).await.expect("deleted");
    socket.send(edit("gone", 8)).await;
    let denied = socket.until(|frame| frame.starts_with(b"\x04gone\x02\x01")).await;
    assert!(denied.ends_with(Close::StaleEpoch.reason().as_bytes()));
    // Whatever it still says of the one, the other goes on.
    socket.send(edit("gone", 9)).await;
    socket.send(edit("well", 8)).await;
    socket.until(is_saved("well")).await;
    // Asked for again, the one is a new document.
    socket.send(auth_frame("gone", "")).await;
    socket.send(edit("gone", 10)).await;
    socket.until(is_saved("gone")).await;
    assert_eq!(world.stored("gone").await.state_vector().get(10), 5);
    assert_eq!(world.stored("gone").await.state_vector().get(9), 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_connection_between_two_requests() {
    let (_world, served) = open().await;
    let mut idle = tokio::net::TcpStream::connect(served.address)
        .await
        .expect("a connection");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("it is sent");
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    drop(served);
    // The deadline of the next request's head would end it too, later.
    let before_that = Duration::from_millis(HANDSHAKE_MS_MAX / 2);
    let rest = tokio::time::timeout(before_that, idle.read_to_end(&mut Vec::new())).await;
    rest.expect("it is still open").expect("it ends in order");
}
