//! The native dialect over real sockets (NA1 to NA11).

use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use roomtone_crdt::{Reader, Update, Writer};
use roomtone_persistence::Store;
use roomtone_server::auth::Authenticator;

use crate::net::{Socket, get, request, token, update_frame};
use crate::world::{SECRET, Served, World, behind_tokens, doc_id, open};
use crate::yjs;

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "other, roomtone.v1");

const WELCOME: u64 = 1;
const RENEW: u64 = 3;
const PONG: u64 = 5;
const GO_AWAY: u64 = 6;
const JOINED: u64 = 17;
const LEFT: u64 = 19;
const ROLE: u64 = 20;
const STATE_VECTOR: u64 = 32;
const DIFF: u64 = 33;
const UPDATE: u64 = 34;
const SAVED: u64 = 36;
const REFUSED: u64 = 37;
const DEFLATED_DIFF: u64 = 38;
const AWARENESS: u64 = 48;
const EVENT: u64 = 49;

/// One message, as its client writes it.
pub(crate) fn message(channel: u64, kind: u64, body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.var_uint(channel).var_uint(kind).var_bytes(body);
    writer.into_bytes()
}

pub(crate) fn hello(version: u64, token: &str) -> Vec<u8> {
    able(0, version, token)
}

fn able(capabilities: u64, version: u64, token: &str) -> Vec<u8> {
    let mut body = Writer::new();
    body.var_uint(version)
        .var_uint(capabilities)
        .var_string("test/1")
        .var_string(token);
    message(0, 0, &body.into_bytes())
}

pub(crate) fn join(channel: u64, name: &str, epoch: u64, token: &str) -> Vec<u8> {
    let mut body = Writer::new();
    body.var_string(name)
        .var_uint(epoch)
        .var_string(token)
        .var_bytes(&[0]);
    message(channel, 16, &body.into_bytes())
}

fn numbered(channel: u64, kind: u64, seq: u64, update: &Update) -> Vec<u8> {
    let mut body = Writer::new();
    body.var_uint(seq).raw(update.bytes());
    message(channel, kind, &body.into_bytes())
}

pub(crate) fn diff(channel: u64, seq: u64, update: &Update) -> Vec<u8> {
    numbered(channel, 33, seq, update)
}

pub(crate) fn edit(channel: u64, seq: u64, update: &Update) -> Vec<u8> {
    numbered(channel, 35, seq, update)
}

/// What the server said: channel, type, body.
pub(crate) type Said = (u64, u64, Vec<u8>);

/// The messages of a frame.
pub(crate) fn apart(frame: &[u8]) -> Vec<Said> {
    let mut reader = Reader::new(frame);
    let mut said = Vec::new();
    while !reader.is_done() {
        said.push((
            reader.var_uint().expect("a channel"),
            reader.var_uint().expect("a type"),
            reader.var_bytes().expect("a body").to_vec(),
        ));
    }
    said
}

/// A socket that takes frames apart.
pub(crate) struct Native {
    pub(crate) socket: Socket,
    said: VecDeque<Said>,
}

impl Native {
    pub(crate) async fn connect(served: &Served) -> Native {
        let socket = Socket::connect(served.address, "/v1/connect", &[PROTOCOL]).await;
        Native {
            socket: socket.expect("a socket"),
            said: VecDeque::new(),
        }
    }

    /// Connects, and joins one room as channel 1.
    pub(crate) async fn join(served: &Served, name: &str, token: &str) -> Native {
        let mut native = Native::connect(served).await;
        native.send(&[hello(1, token), join(1, name, 0, "")]).await;
        native.until(1, JOINED).await;
        native.until(1, STATE_VECTOR).await;
        native.send(&[diff(1, 1, &Update::empty())]).await;
        native
    }

    pub(crate) async fn send(&mut self, messages: &[Vec<u8>]) {
        self.socket.send(messages.concat()).await;
    }

    pub(crate) async fn next(&mut self) -> Said {
        loop {
            if let Some(said) = self.said.pop_front() {
                return said;
            }
            let frame = self.socket.next().await.expect("the socket stays open");
            self.said.extend(apart(&frame));
        }
    }

    /// Reads until a message of this type comes on this channel; its body.
    pub(crate) async fn until(&mut self, channel: u64, kind: u64) -> Vec<u8> {
        loop {
            let (its, of, body) = self.next().await;
            if (its, of) == (channel, kind) {
                return body;
            }
        }
    }

    /// Reads until everything up to a number is saved.
    pub(crate) async fn until_saved(&mut self, channel: u64, seq: u64) {
        loop {
            let body = self.until(channel, SAVED).await;
            if number(&body) >= seq {
                return;
            }
        }
    }

    async fn until_left(&mut self, channel: u64) -> (u64, String, u64) {
        let body = self.until(channel, LEFT).await;
        let mut reader = Reader::new(&body);
        (
            reader.var_uint().expect("a code"),
            reader.var_string().expect("a reason").to_owned(),
            reader.var_uint().expect("an epoch"),
        )
    }
}

pub(crate) fn number(body: &[u8]) -> u64 {
    Reader::new(body).var_uint().expect("a number")
}

fn text(body: &[u8]) -> String {
    Reader::new(body).var_string().expect("a text").to_owned()
}

fn joined(body: &[u8]) -> (u64, String, String) {
    let mut reader = Reader::new(body);
    (
        reader.var_uint().expect("an epoch"),
        reader.var_string().expect("a role").to_owned(),
        reader.var_string().expect("a user").to_owned(),
    )
}

#[tokio::test]
async fn na1_hello_and_joins_in_one_frame_are_one_round_trip() {
    let (world, served) = open().await;
    world
        .apply("b", yjs::insert(7, 0, "hello"))
        .await
        .await
        .expect("an answer")
        .expect("stored");
    let mut native = Native::connect(&served).await;
    native
        .send(&[hello(1, ""), join(1, "a", 0, ""), join(300, "b", 0, "")])
        .await;
    let welcome = native.until(0, WELCOME).await;
    assert_eq!(number(&welcome), 1);
    // NA3, of both rooms in any order between them.
    let mut heard: Vec<(u64, u64)> = Vec::new();
    let mut lengths = Vec::new();
    while heard.len() < 8 {
        let (channel, kind, body) = native.next().await;
        heard.push((channel, kind));
        if kind == DIFF {
            lengths.push((channel, body.len()));
        }
        if kind == JOINED {
            assert_eq!(joined(&body), (1, "owner".to_owned(), String::new()));
        }
    }
    for channel in [1, 300] {
        let its: Vec<u64> = heard
            .iter()
            .filter(|(of, _)| *of == channel)
            .map(|(_, kind)| *kind)
            .collect();
        assert_eq!(its, [JOINED, STATE_VECTOR, DIFF, AWARENESS]);
    }
    lengths.sort_unstable();
    assert_eq!(lengths[0], (1, 2));
    assert!(lengths[1].1 > 10);
}

#[tokio::test]
async fn na1_what_comes_before_hello_or_is_another_version_or_protocol_is_refused() {
    let (_world, served) = open().await;
    for first in [
        join(1, "a", 0, ""),
        hello(2, ""),
        [hello(1, ""), hello(1, "")].concat(),
        vec![],
    ] {
        let mut native = Native::connect(&served).await;
        native.send(&[first]).await;
        assert_eq!(native.socket.until_ended().await, Some(4400));
    }
    let other = ("sec-websocket-protocol", "roomtone.v2");
    for headers in [&[other][..], &[]] {
        let refused = Socket::connect(served.address, "/v1/connect", headers).await;
        assert_eq!(refused.err(), Some(400));
    }
    assert_eq!(get(served.address, "/v1/connect").await.status, 426);
    let foreign = [PROTOCOL, ("origin", "https://elsewhere.example")];
    let refused = Socket::connect(served.address, "/v1/connect", &foreign).await;
    assert_eq!(refused.err(), Some(403));
}

#[tokio::test]
async fn na2_what_is_not_known_is_skipped() {
    let (_world, served) = open().await;
    let mut native = Native::connect(&served).await;
    native
        .send(&[
            hello(1, ""),
            message(0, 77, b"?"),
            message(9, 4_000, b"?"),
            message(0, 4, b"are you there"),
        ])
        .await;
    assert_eq!(native.until(0, PONG).await, b"are you there");
}

#[tokio::test]
async fn na3_a_large_document_is_deflated_for_who_can_read_that() {
    let (_world, served) = open().await;
    let mut author = Native::join(&served, "long", "").await;
    let text = "Footsteps on the iron stairs, up and down. ".repeat(2_000);
    author.send(&[edit(1, 2, &yjs::insert(7, 0, &text))]).await;
    author.until_saved(1, 2).await;

    let mut plain = Native::connect(&served).await;
    plain.send(&[hello(1, ""), join(1, "long", 0, "")]).await;
    let whole = plain.until(1, DIFF).await;
    assert!(whole.len() > text.len());

    let mut able_one = Native::connect(&served).await;
    able_one.send(&[able(1, 1, ""), join(1, "long", 0, "")]).await;
    let welcome = able_one.until(0, WELCOME).await;
    assert_eq!(welcome[..2], [1, 1], "the capability is granted");
    let deflated = able_one.until(1, DEFLATED_DIFF).await;
    assert!(deflated.len() < whole.len() / 10, "{}", deflated.len());
    let mut inflated = Vec::new();
    flate2::read::DeflateDecoder::new(deflated.as_slice())
        .read_to_end(&mut inflated)
        .expect("deflate");
    assert_eq!(inflated, whole);
}

#[tokio::test]
async fn na4_saved_comes_when_it_is_on_the_disk_and_not_before() {
    let (world, served) = open().await;
    let mut native = Native::join(&served, "d", "").await;
    native.until_saved(1, 1).await;
    let mut other = Socket::connect(served.address, "/yjs/d", &[])
        .await
        .expect("a socket");
    other.send(&[0_u8, 0, 1, 0][..]).await;
    other.until(|frame| frame.starts_with(&[0, 1])).await;
    native.send(&[edit(1, 2, &yjs::insert(7, 0, "x"))]).await;
    other.until(|frame| frame.starts_with(&[0, 2])).await;
    native.until_saved(1, 2).await;
    assert_eq!(world.stored("d").await.state_vector().get(7), 1);
    world.faults.fail_appends(true);
    native
        .send(&[
            edit(1, 3, &yjs::insert(7, 1, "y")),
            edit(1, 4, &yjs::insert(7, 2, "z")),
        ])
        .await;
    // The others see it, and its author is not told that it is saved: at most what was durable, once more.
    other.until(|frame| frame.starts_with(&[0, 2])).await;
    native.send(&[message(0, 4, b"1")]).await;
    loop {
        match native.next().await {
            (0, PONG, _) => break,
            (1, SAVED, body) => assert!(number(&body) <= 2),
            _ => {}
        }
    }
    world.faults.fail_appends(false);
    native.until_saved(1, 4).await;
    world.saver.flush().await;
    assert_eq!(world.stored("d").await.state_vector().get(7), 3);
}

#[tokio::test]
async fn na4_what_builds_on_what_is_missing_is_saved_when_that_has_come() {
    let (world, served) = open().await;
    let mut native = Native::join(&served, "d", "").await;
    native.until_saved(1, 1).await;
    native
        .send(&[edit(1, 2, &yjs::insert_after(8, 0, (7, 0), "b"))])
        .await;
    // It is asked for what is missing.
    native.until(1, STATE_VECTOR).await;
    native.send(&[message(0, 4, b"1")]).await;
    loop {
        match native.next().await {
            (0, PONG, _) => break,
            (1, SAVED, body) => assert!(number(&body) <= 1),
            _ => {}
        }
    }
    native.send(&[diff(1, 3, &yjs::insert(7, 0, "a"))]).await;
    native.until_saved(1, 3).await;
    let stored = world.stored("d").await;
    assert_eq!(
        (stored.state_vector().get(7), stored.state_vector().get(8)),
        (1, 1)
    );
}

#[tokio::test]
async fn na5_a_copy_of_another_lineage_is_kept_apart() {
    let (world, served) = open().await;
    let mut native = Native::join(&served, "d", "").await;
    native.send(&[edit(1, 2, &yjs::insert(7, 0, "old"))]).await;
    native.until_saved(1, 2).await;
    drop(native);
    world.store.delete(&doc_id("d")).await.expect("deleted");
    let fresh = World::over(world.store.clone(), (*world.limits).clone());
    let served = fresh.serve(Authenticator::open(SECRET)).await;
    let mut native = Native::connect(&served).await;
    native
        .send(&[
            hello(1, ""),
            join(1, "d", 1, ""),
            diff(1, 1, &yjs::insert(7, 0, "old")),
        ])
        .await;
    let (code, _, epoch) = native.until_left(1).await;
    assert_eq!((code, epoch), (4409, 2));
    native.send(&[join(1, "d", 0, "")]).await;
    let body = native.until(1, JOINED).await;
    assert_eq!(joined(&body).0, 2);
    assert_eq!(native.until(1, DIFF).await, [0, 0]);
    native.send(&[join(1, "d", 2, "")]).await;
    assert_eq!(joined(&native.until(1, JOINED).await).0, 2);
}

#[tokio::test]
async fn na5_who_is_here_when_the_document_is_deleted_is_told() {
    let (world, served) = open().await;
    let mut native = Native::connect(&served).await;
    native
        .send(&[hello(1, ""), join(1, "d", 0, ""), join(2, "other", 0, "")])
        .await;
    native.until(2, STATE_VECTOR).await;
    native
        .send(&[
            diff(1, 1, &Update::empty()),
            edit(1, 2, &yjs::insert(7, 0, "old")),
        ])
        .await;
    native.until_saved(1, 2).await;
    world.store.delete(&doc_id("d")).await.expect("deleted");
    native.send(&[edit(1, 3, &yjs::insert(7, 3, "more"))]).await;
    assert_eq!(native.until_left(1).await.0, 4409);
    // NA6: the other room goes on.
    native.send(&[diff(2, 1, &Update::empty())]).await;
    native.until_saved(2, 1).await;
}

#[tokio::test]
async fn na6_a_room_that_is_refused_leaves_the_others_alone() {
    let (_world, served) = behind_tokens().await;
    let mut native = Native::connect(&served).await;
    native
        .send(&[
            hello(1, &token("mine-*", "editor", 60)),
            join(1, "mine-1", 0, ""),
            join(2, "theirs", 0, ""),
            join(3, "with\u{7}bell", 0, ""),
            join(4, "theirs", 0, &token("theirs", "viewer", 60)),
            join(5, "theirs", 0, "nonsense"),
        ])
        .await;
    let mut codes = Vec::new();
    let mut roles = Vec::new();
    while codes.len() + roles.len() < 5 {
        match native.next().await {
            (channel, LEFT, body) => codes.push((channel, number(&body))),
            (channel, JOINED, body) => roles.push((channel, joined(&body))),
            _ => {}
        }
    }
    codes.sort_unstable();
    roles.sort();
    assert_eq!(codes, [(2, 4403), (3, 4400), (5, 4401)]);
    let role = |channel, role: &str| (channel, (1, role.to_owned(), "user-1".to_owned()));
    assert_eq!(roles, [role(1, "editor"), role(4, "viewer")]);
    // NA6: a number is used again, and the first room is left.
    native.send(&[join(1, "mine-2", 0, "")]).await;
    native.until(1, JOINED).await;
}

#[tokio::test]
async fn na7_who_may_not_write_is_told_once() {
    let (world, served) = behind_tokens().await;
    let mut native = Native::join(&served, "d", &token("d", "viewer", 60)).await;
    native.until_saved(1, 1).await;
    for seq in 2..5 {
        native.send(&[edit(1, seq, &yjs::insert(7, seq - 2, "x"))]).await;
    }
    let reason = text(&native.until(1, REFUSED).await);
    assert_eq!(reason, "this token is read-only");
    native.send(&[message(0, 4, b"1")]).await;
    loop {
        match native.next().await {
            (0, PONG, _) => break,
            (1, SAVED, body) => assert!(number(&body) <= 1),
            (1, REFUSED, _) => panic!("told twice"),
            _ => {}
        }
    }
    world.saver.flush().await;
    assert_eq!(world.stored("d").await.state_vector().get(7), 0);
}

#[tokio::test]
async fn na8_a_new_token_is_judged_for_each_room() {
    let (_world, served) = behind_tokens().await;
    let mut native = Native::connect(&served).await;
    let own = token("c", "editor", 60);
    native
        .send(&[
            hello(1, &token("*", "viewer", 20)),
            join(1, "a", 0, ""),
            join(2, "b", 0, ""),
            join(3, "c", 0, &own),
        ])
        .await;
    // Little more than the leeway is left: it is to be renewed at once.
    let mut awaited = vec![(0, RENEW), (1, JOINED), (2, JOINED), (3, JOINED)];
    while !awaited.is_empty() {
        let (channel, kind, body) = native.next().await;
        awaited.retain(|wanted| *wanted != (channel, kind));
        assert!(kind != RENEW || number(&body) > 0);
    }
    native
        .send(&[message(0, 2, &token_body(&token("a", "editor", 3_600)))])
        .await;
    assert_eq!(text(&native.until(1, ROLE).await), "editor");
    assert_eq!(native.until_left(2).await.0, 4403);
    native
        .send(&[diff(1, 1, &Update::empty()), edit(1, 2, &yjs::insert(7, 0, "x"))])
        .await;
    native.until_saved(1, 2).await;
    native.send(&[message(0, 2, &token_body("nonsense"))]).await;
    assert_eq!(native.until_left(1).await.0, 4401);
    native
        .send(&[diff(3, 1, &Update::empty()), edit(3, 2, &yjs::insert(8, 0, "x"))])
        .await;
    native.until_saved(3, 2).await;
}

fn token_body(token: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.var_string(token);
    writer.into_bytes()
}

#[tokio::test]
async fn na8_a_room_ends_with_its_token() {
    let (_world, served) = behind_tokens().await;
    let mut native = Native::connect(&served).await;
    // 30 s of leeway: it ends two seconds from now.
    native
        .send(&[
            hello(1, &token("*", "editor", 3_600)),
            join(1, "a", 0, &token("a", "editor", -28)),
            join(2, "b", 0, ""),
        ])
        .await;
    native.until(2, JOINED).await;
    let (code, reason, _) = native.until_left(1).await;
    assert_eq!((code, reason.as_str()), (4401, "the token has expired"));
    native.send(&[diff(2, 1, &Update::empty())]).await;
    native.until_saved(2, 1).await;
}

#[tokio::test]
async fn na9_an_event_reaches_the_others_and_not_its_author() {
    let (_world, served) = behind_tokens().await;
    let mut one = Native::join(&served, "d", &token("d", "viewer", 60)).await;
    let mut two = Native::join(&served, "d", &token("d", "viewer", 60)).await;
    let mut elsewhere = Native::join(&served, "e", &token("e", "viewer", 60)).await;
    let mut body = Writer::new();
    body.var_string("wave").var_string("{\"x\":1}");
    let body = body.into_bytes();
    one.send(&[message(1, 49, &body), message(0, 4, b"1")]).await;
    let heard = two.until(1, EVENT).await;
    let mut reader = Reader::new(&heard);
    assert_eq!(reader.var_string(), Ok("user-1"));
    assert_eq!(reader.var_string(), Ok("wave"));
    assert_eq!(reader.var_string(), Ok("{\"x\":1}"));
    for (socket, is_asked) in [(&mut one, false), (&mut elsewhere, true)] {
        if is_asked {
            socket.send(&[message(0, 4, b"1")]).await;
        }
        loop {
            match socket.next().await {
                (0, PONG, _) => break,
                (_, EVENT, _) => panic!("it was not for this one"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn na11_before_a_restart_closes_the_socket_it_says_when_to_come_back() {
    let (_world, served) = open().await;
    let in_a_room = Native::join(&served, "d", "").await;
    let mut in_none = Native::connect(&served).await;
    in_none.send(&[hello(1, "")]).await;
    in_none.until(0, WELCOME).await;
    let begun = request(served.address, "POST", "/v1/drain", &[], br#"{"window_ms":0}"#).await;
    assert_eq!(begun.status, 202);
    for mut native in [in_a_room, in_none] {
        let body = native.until(0, GO_AWAY).await;
        assert!(number(&body) < 2_600);
        assert_eq!(native.socket.until_ended().await, Some(1012));
    }
}

#[tokio::test]
async fn a_native_socket_gets_little_before_it_has_shown_a_token() {
    let (_world, served) = behind_tokens().await;
    let mut bad = Native::connect(&served).await;
    bad.send(&[hello(1, "nonsense")]).await;
    assert_eq!(bad.socket.until_ended().await, Some(4401));
    let mut names = Native::connect(&served).await;
    names.send(&[hello(1, "")]).await;
    for number in 1..12 {
        names.send(&[join(number, "d", 0, "nonsense")]).await;
    }
    assert_eq!(names.socket.until_ended().await, Some(4408));
    let mut bytes = Native::connect(&served).await;
    bytes.send(&[hello(1, &"x".repeat(100_000))]).await;
    assert_eq!(bytes.socket.until_ended().await, Some(4408));
}

#[tokio::test]
async fn dialects_meet_in_one_document() {
    let (_world, served) = open().await;
    let mut native = Native::join(&served, "notes", "").await;
    let mut yws = Socket::connect(served.address, "/yjs/notes", &[])
        .await
        .expect("a socket");
    yws.send(update_frame(&yjs::insert(7, 0, "hello"))).await;
    let update = Update::check(Bytes::from(native.until(1, UPDATE).await)).expect("an update");
    assert_eq!(update.extent().structs[0].client, 7);
    let awareness = roomtone_crdt::encode::awareness(&yjs::awareness_bytes(42, 1, "{}"));
    yws.send(awareness).await;
    let seen = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let body = native.until(1, AWARENESS).await;
            if body.ends_with(b"{}") {
                return;
            }
        }
    });
    seen.await.expect("it is seen");
}
