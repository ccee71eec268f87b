//! Chats over real sockets (CH1 to CH5), between nodes, through a store that is away, and by HTTP.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use roomtone_crdt::{Reader, Update, Writer};
use roomtone_persistence::{Act, Actor, ChatQuery, FaultyStore, MemoryStore, Store};
use roomtone_server::auth::Authenticator;
use roomtone_server::bus::Bus;
use roomtone_server::bus::memory::Network;
use roomtone_server::limits::{CHAT_CALLS_COUNT_MAX, Limits};
use serde_json::{Value, json};

use crate::native::{Native, edit, join, message};
use crate::net::{Socket, request, token, token_of};
use crate::peer::PATIENCE;
use crate::world::{SECRET, Served, World, behind_tokens, doc_id, open};
use crate::yjs;

const PONG: u64 = 5;
const CHAT_CALL: u64 = 64;
const CHAT_ANSWER: u64 = 65;
const CHAT_CHANGE: u64 = 66;

/// A client in one room, as channel 1.
struct Client {
    native: Native,
    calls_count: u64,
    changes: Vec<Value>,
}

impl Client {
    async fn join(served: &Served, room: &str, token: &str) -> Client {
        Client {
            native: Native::join(served, room, token).await,
            calls_count: 0,
            changes: Vec::new(),
        }
    }

    /// As `user`, in a room that is open to all.
    async fn of(served: &Served, user: &str, role: &str) -> Client {
        Client::join(served, "d", &token_of(user, "*", role, 3_600)).await
    }

    /// Joins, and opens the chat.
    async fn open(served: &Served, user: &str, role: &str) -> Client {
        let mut client = Client::of(served, user, role).await;
        client.call(json!({ "open": { "last": 50 } })).await;
        client
    }

    /// Calls, and says under which number.
    async fn ask(&mut self, request: &Value) -> u64 {
        self.calls_count += 1;
        let call = self.calls_count;
        self.native
            .send(&[call_frame(1, call, &request.to_string())])
            .await;
        call
    }

    /// Calls and waits for the answer; changes that come before it are kept.
    async fn call(&mut self, request: Value) -> Value {
        let call = self.ask(&request).await;
        self.answer(call).await
    }

    async fn answer(&mut self, call: u64) -> Value {
        let answering = self.next_answer();
        let (number, answer) = tokio::time::timeout(PATIENCE, answering)
            .await
            .expect("no answer");
        assert_eq!(number, call);
        answer
    }

    async fn next_answer(&mut self) -> (u64, Value) {
        loop {
            if let Some((CHAT_ANSWER, body)) = self.next().await {
                let mut reader = Reader::new(&body);
                let number = reader.var_uint().expect("a number");
                return (number, parse(reader.var_string().expect("an answer")));
            }
        }
    }

    async fn post(&mut self, key: &str, text: &str) -> Value {
        self.call(json!({ "post": { "key": key, "text": text } })).await
    }

    /// The next change, of those that have come too.
    async fn change(&mut self) -> Value {
        let waiting = async {
            while self.changes.is_empty() {
                self.next().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("it never came");
        self.changes.remove(0)
    }

    /// All changes that came up to now.
    async fn changes_now(&mut self) -> Vec<Value> {
        self.native.send(&[message(0, 4, b"now")]).await;
        let ponging = async { while !matches!(self.next().await, Some((PONG, _))) {} };
        tokio::time::timeout(PATIENCE, ponging)
            .await
            .expect("no answer to a ping");
        std::mem::take(&mut self.changes)
    }

    /// The next message, if it is no change: those are kept.
    async fn next(&mut self) -> Option<(u64, Vec<u8>)> {
        let (channel, kind, body) = self.native.next().await;
        if kind != CHAT_CHANGE {
            return Some((kind, body));
        }
        assert_eq!(channel, 1);
        let mut reader = Reader::new(&body);
        self.changes.push(parse(reader.var_string().expect("a change")));
        None
    }
}

fn call_frame(channel: u64, call: u64, request: &str) -> Vec<u8> {
    let mut body = Writer::new();
    body.var_uint(call).var_string(request);
    message(channel, CHAT_CALL, &body.into_bytes())
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or("none")
}

fn seqs(answer: &Value) -> Vec<u64> {
    let messages = answer["messages"].as_array().expect("messages");
    messages
        .iter()
        .map(|message| message["seq"].as_u64().expect("a number"))
        .collect()
}

/// Messages by the store's own door, which nobody paces.
async fn fill(world: &World, room: &str, count: u64) {
    let by = Actor {
        user: Some("old".into()),
        name: None,
        moderates: false,
        time_ms: 1,
    };
    for n in 1..=count {
        let act = Act::Post {
            key: n.to_string(),
            text: format!("message {n}"),
            thread: None,
            mentions: Vec::new(),
        };
        let chats = world.store.chats().expect("it keeps chats");
        let _ = chats.change(&doc_id(room), &by, &act).await.expect("stored");
    }
}

async fn count_of(world: &World, room: &str) -> u64 {
    let chats = world.store.chats().expect("it keeps chats");
    let page = chats.read(&doc_id(room), ChatQuery::Last, 1, None).await;
    page.expect("it can be read").count
}

#[tokio::test]
async fn ch1_a_change_goes_to_everybody_who_has_the_chat_open_and_to_nobody_else() {
    let (world, served) = behind_tokens().await;
    let mut ada = Client::open(&served, "ada", "editor").await;
    let mut bob = Client::open(&served, "bob", "viewer").await;
    let mut shut = Client::of(&served, "cy", "editor").await;
    let mut elsewhere = Client::join(&served, "e", &token_of("dee", "*", "editor", 60)).await;
    elsewhere.call(json!({ "open": { "after": 0 } })).await;
    let posted = ada
        .call(json!({ "post": { "key": "k-1", "text": " hi @bob ", "mentions": ["bob"] } }))
        .await;
    let message = &posted["message"];
    assert_eq!(count_of(&world, "d").await, 1);
    assert_eq!(
        (
            &message["seq"],
            &message["change"],
            &message["key"],
            &message["text"]
        ),
        (&json!(1), &json!(1), &json!("k-1"), &json!("hi @bob"))
    );
    assert_eq!(
        (&message["user"], &message["name"], &message["mentions"]),
        (&json!("ada"), &json!("Ada"), &json!(["bob"]))
    );
    assert!(message["createdMs"].as_u64().expect("a time") > 1_700_000_000_000);
    assert!(message.get("thread").is_none() && message.get("deleted").is_none());
    assert_eq!(ada.change().await, posted, "its author too");
    assert_eq!(bob.change().await, posted);
    // Every kind of change.
    for (request, change) in [
        (json!({ "edit": { "seq": 1, "text": "hello" } }), 2),
        (json!({ "react": { "seq": 1, "emoji": "👍", "on": true } }), 3),
        (json!({ "delete": { "seq": 1 } }), 4),
    ] {
        let answer = ada.call(request).await;
        assert_eq!(answer["message"]["change"], change);
        assert_eq!(bob.change().await, answer);
    }
    assert_eq!(bob.call(json!({ "close": {} })).await, json!({}));
    ada.post("k-2", "x").await;
    for client in [&mut bob, &mut shut, &mut elsewhere] {
        assert_eq!(client.changes_now().await, [json!(null); 0]);
    }
}

#[tokio::test]
async fn ch1_a_marker_goes_to_the_other_connections_of_its_user() {
    let (_world, served) = behind_tokens().await;
    let mut ada = Client::open(&served, "ada", "viewer").await;
    let mut at_home = Client::open(&served, "ada", "viewer").await;
    let mut bob = Client::open(&served, "bob", "editor").await;
    for key in ["1", "2", "3"] {
        bob.post(key, "x").await;
    }
    assert_eq!(
        ada.call(json!({ "read": { "seq": 2 } })).await,
        json!({ "read": 2 })
    );
    // It never goes back, and no further than there is something to read.
    assert_eq!(
        ada.call(json!({ "read": { "seq": 1 } })).await,
        json!({ "read": 2 })
    );
    assert_eq!(
        ada.call(json!({ "read": { "seq": 99 } })).await,
        json!({ "read": 3 })
    );
    let is_marker = |change: &Value| change.get("read").is_some();
    let mut heard = at_home.changes_now().await;
    heard.retain(is_marker);
    assert_eq!(heard, [json!({ "read": 2 }), json!({ "read": 3 })]);
    for client in [&mut ada, &mut bob] {
        assert!(!client.changes_now().await.iter().any(is_marker));
    }
    let opened = Client::of(&served, "ada", "viewer")
        .await
        .call(json!({ "open": { "last": 0 } }))
        .await;
    assert_eq!((&opened["read"], &opened["count"]), (&json!(3), &json!(3)));
    assert_eq!(bob.call(json!({ "open": { "last": 1 } })).await["read"], 0);
}

#[tokio::test]
async fn ch2_who_comes_back_asks_for_what_changed_since_in_pages() {
    let (world, served) = behind_tokens().await;
    fill(&world, "d", 450).await;
    let mut ada = Client::of(&served, "ada", "editor").await;
    let first = ada.call(json!({ "open": { "last": 2 } })).await;
    assert_eq!(seqs(&first), [449, 450]);
    assert_eq!(
        (&first["change"], &first["count"], &first["read"], &first["more"]),
        (&json!(450), &json!(450), &json!(0), &json!(false))
    );
    let (mut after, mut heard, mut pages_count) = (10, Vec::new(), 0);
    loop {
        let page = ada.call(json!({ "open": { "after": after } })).await;
        assert!(seqs(&page).len() <= 200);
        heard.extend(seqs(&page));
        pages_count += 1;
        let last = page["messages"]
            .as_array()
            .and_then(|messages| messages.last().cloned());
        after = last.expect("a message")["change"].as_u64().expect("a number");
        if page["more"] == false {
            break;
        }
    }
    assert_eq!((heard, pages_count), ((11..=450).collect(), 3));
    let history = ada.call(json!({ "history": { "before": 7, "limit": 3 } })).await;
    assert_eq!(history.as_object().expect("an object").len(), 1);
    assert_eq!(seqs(&history), [6, 5, 4]);
    let answered = ada
        .call(json!({ "post": { "key": "t", "text": "in a thread", "thread": 3 } }))
        .await;
    assert_eq!(answered["message"]["thread"], 3);
    let thread = ada.call(json!({ "history": { "thread": 3 } })).await;
    assert_eq!(seqs(&thread), [451, 3]);
}

#[tokio::test]
async fn ch3_everybody_reads_commenters_write_authors_edit_and_owners_delete() {
    let (_world, served) = behind_tokens().await;
    let mut viewer = Client::open(&served, "viewer", "viewer").await;
    let mut commenter = Client::open(&served, "commenter", "commenter").await;
    let mut editor = Client::open(&served, "editor", "editor").await;
    let mut owner = Client::open(&served, "owner", "owner").await;
    assert_eq!(commenter.post("1", "mine").await["message"]["seq"], 1);
    assert_eq!(seqs(&viewer.call(json!({ "history": {} })).await), [1]);
    for request in [
        json!({ "post": { "key": "1", "text": "x" } }),
        json!({ "edit": { "seq": 1, "text": "x" } }),
        json!({ "delete": { "seq": 1 } }),
        json!({ "react": { "seq": 1, "emoji": "👍", "on": true } }),
    ] {
        let answer = viewer.call(request).await;
        assert_eq!(code(&answer), "forbidden", "{answer}");
        assert!(!answer["error"]["hint"].as_str().expect("a hint").is_empty());
    }
    let change = json!({ "edit": { "seq": 1, "text": "yours" } });
    let delete = json!({ "delete": { "seq": 1 } });
    for client in [&mut editor, &mut owner] {
        assert_eq!(code(&client.call(change.clone()).await), "forbidden");
    }
    assert_eq!(code(&editor.call(delete.clone()).await), "forbidden");
    assert_eq!(commenter.call(change.clone()).await["message"]["text"], "yours");
    let deleted = owner.call(delete).await;
    assert_eq!(
        (&deleted["message"]["deleted"], &deleted["message"]["text"]),
        (&json!(true), &json!(""))
    );
    assert_eq!(code(&commenter.call(change).await), "not_found");
    assert_eq!(
        code(&owner.call(json!({ "delete": { "seq": 2 } })).await),
        "not_found"
    );
    assert_eq!(
        code(
            &owner
                .call(json!({ "post": { "key": "t", "text": "x", "thread": 9 } }))
                .await
        ),
        "not_found"
    );
}

#[tokio::test]
async fn ch3_anonymous_people_post_and_edit_nothing() {
    let (_world, served) = open().await;
    let mut one = Client::join(&served, "d", "").await;
    let mut two = Client::join(&served, "d", "").await;
    two.call(json!({ "open": { "after": 0 } })).await;
    let posted = one.post("1", "hi").await;
    assert!(posted["message"].get("user").is_none() && posted["message"].get("name").is_none());
    assert_eq!(two.change().await, posted);
    for request in [
        json!({ "edit": { "seq": 1, "text": "x" } }),
        json!({ "react": { "seq": 1, "emoji": "👍", "on": true } }),
        json!({ "read": { "seq": 1 } }),
    ] {
        assert_eq!(code(&one.call(request).await), "forbidden");
    }
}

#[tokio::test]
async fn ch3_a_new_role_holds_from_the_next_call_on() {
    let (_world, served) = behind_tokens().await;
    let mut ada = Client::open(&served, "ada", "viewer").await;
    assert_eq!(code(&ada.post("1", "x").await), "forbidden");
    let mut body = Writer::new();
    body.var_string(&token_of("ada", "*", "editor", 3_600));
    ada.native.send(&[message(0, 2, &body.into_bytes())]).await;
    assert_eq!(ada.post("1", "x").await["message"]["seq"], 1);
}

#[tokio::test]
async fn ch4_what_people_write_is_bounded_and_stays_text() {
    let (_world, served) = behind_tokens().await;
    let mut ada = Client::open(&served, "ada", "editor").await;
    let markup = "<img src=x onerror=alert(1)>\n\t</script> \"quoted\" \\ 👍";
    assert_eq!(ada.post("1", markup).await["message"]["text"], markup);
    let post = |key: &str, text: &str, mentions: Value| json!({ "post": { "key": key, "text": text, "mentions": mentions } });
    let people: Vec<String> = (0..17).map(|n| format!("u{n}")).collect();
    for (request, expected) in [
        (post("k", &"x".repeat(4_097), json!([])), "too_long"),
        (post("k", "x", json!(people)), "too_long"),
        (post(&"k".repeat(65), "x", json!([])), "too_long"),
        (
            json!({ "react": { "seq": 1, "emoji": "x".repeat(33), "on": true } }),
            "too_long",
        ),
        (post("k", " \n ", json!([])), "bad_request"),
        (post("k", "a\u{0}b", json!([])), "bad_request"),
        (post("", "x", json!([])), "bad_request"),
        (json!({ "post": { "text": "x" } }), "bad_request"),
        (
            json!({ "post": { "key": "k", "text": "x", "html": "<b>" } }),
            "bad_request",
        ),
        (json!({ "shout": { "text": "x" } }), "bad_request"),
        (json!({ "edit": { "seq": 1, "text": "" } }), "bad_request"),
        (json!([]), "bad_request"),
    ] {
        let answer = ada.call(request.clone()).await;
        assert_eq!(code(&answer), expected, "{request}: {answer}");
    }
    // None of them counted as a change, and the room has one message.
    for n in 0..9 {
        let emoji = format!("e{n}");
        let react = json!({ "react": { "seq": 1, "emoji": emoji, "on": true } });
        assert_eq!(ada.call(react).await["message"]["change"], n + 2);
    }
    assert_eq!(ada.call(json!({ "open": { "last": 9 } })).await["count"], 1);
}

#[tokio::test]
async fn ch4_a_request_that_is_no_message_of_the_dialect_ends_the_socket() {
    let (_world, served) = open().await;
    let mut ada = Client::join(&served, "d", "").await;
    ada.native.send(&[call_frame(1, 1, &"x".repeat(64 * 1024))]).await;
    assert_eq!(ada.native.socket.until_ended().await, Some(4400));
}

#[tokio::test]
async fn ch5_ten_changes_at_once_and_then_two_a_second_over_all_sockets_of_a_user() {
    let (_world, served) = behind_tokens().await;
    let mut ada = Client::open(&served, "ada", "editor").await;
    let mut at_home = Client::open(&served, "ada", "editor").await;
    let mut bob = Client::open(&served, "bob", "editor").await;
    let mut is_slow = false;
    for n in 0..14 {
        let client = if n % 2 == 0 { &mut ada } else { &mut at_home };
        let answer = client.post(&format!("k{n}"), "x").await;
        if n < 10 {
            assert_eq!(answer["message"]["seq"], n + 1);
        }
        if code(&answer) == "too_fast" {
            is_slow = true;
            let retry_ms = answer["error"]["retryMs"].as_u64().expect("a time");
            assert!((1..=500).contains(&retry_ms), "{retry_ms}");
            // Somebody else is not held up, and reading is no change.
            assert!(bob.post(&format!("k{n}"), "x").await.get("message").is_some());
            assert_eq!(
                seqs(&ada.call(json!({ "history": { "limit": 1 } })).await).len(),
                1
            );
            tokio::time::sleep(Duration::from_millis(retry_ms)).await;
            let again = ada.post(&format!("k{n}"), "x").await;
            assert!(again.get("message").is_some(), "{again}");
            break;
        }
    }
    assert!(is_slow);
}

#[tokio::test]
async fn ch5_calls_that_pile_up_are_refused_and_the_others_keep_their_order() {
    let (world, served) = behind_tokens().await;
    let mut ada = Client::open(&served, "ada", "editor").await;
    world.faults.delay_loads(Duration::from_millis(20));
    let calls_count = 2 * CHAT_CALLS_COUNT_MAX as u64;
    let frames: Vec<Vec<u8>> = (1..=calls_count)
        .map(|call| call_frame(1, 100 + call, r#"{"history":{}}"#))
        .collect();
    ada.native.send(&frames).await;
    let (mut served_calls, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..calls_count {
        let (call, answer) = ada.next_answer().await;
        match code(&answer) {
            "none" => served_calls.push(call),
            "too_fast" => refused.push(call),
            other => panic!("{other}"),
        }
    }
    assert!(served_calls.len() >= CHAT_CALLS_COUNT_MAX, "{served_calls:?}");
    assert!(!refused.is_empty());
    assert!(
        served_calls.is_sorted() && refused.is_sorted(),
        "{served_calls:?} {refused:?}"
    );
}

#[tokio::test]
async fn while_the_store_is_away_calls_say_so_and_edits_go_on() {
    let (world, served) = behind_tokens().await;
    let mut ada = Client::open(&served, "ada", "editor").await;
    let mut bob = Client::open(&served, "bob", "editor").await;
    world.faults.fail_appends(true);
    world.faults.fail_loads(true);
    for request in [
        json!({ "post": { "key": "1", "text": "x" } }),
        json!({ "open": { "after": 0 } }),
        json!({ "history": {} }),
        json!({ "read": { "seq": 1 } }),
    ] {
        assert_eq!(code(&ada.call(request).await), "away");
    }
    world.faults.fail_appends(false);
    world.faults.fail_loads(false);
    // It hangs: the call waits, and what the same socket writes does not.
    world.faults.delay_appends(Duration::from_secs(3));
    let call = ada.ask(&json!({ "post": { "key": "1", "text": "x" } })).await;
    ada.native.send(&[edit(1, 2, &yjs::insert(7, 0, "here"))]).await;
    let update = bob.native.until(1, 34).await;
    let update = Update::check(update.into()).expect("an update");
    assert_eq!(update.extent().structs[0].client, 7);
    assert!(bob.changes_now().await.is_empty());
    assert_eq!(ada.answer(call).await["message"]["seq"], 1);
    assert_eq!(bob.change().await["message"]["text"], "x");
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_there_once_when_it_is_tried_again() {
    let (world, served) = behind_tokens().await;
    let mut ada = Client::open(&served, "ada", "editor").await;
    let mut bob = Client::open(&served, "bob", "editor").await;
    world.faults.lose_answers(true);
    assert_eq!(code(&ada.post("1", "x").await), "away");
    world.faults.lose_answers(false);
    assert_eq!(count_of(&world, "d").await, 1);
    assert!(bob.changes_now().await.is_empty(), "nobody knew");
    let posted = ada.post("1", "x").await;
    assert_eq!(posted["message"]["seq"], 1);
    assert_eq!(bob.change().await, posted);
    assert_eq!(count_of(&world, "d").await, 1);
}

#[tokio::test]
async fn nothing_is_answered_on_a_channel_that_belongs_to_another_room_by_now() {
    let (world, served) = behind_tokens().await;
    fill(&world, "d", 1).await;
    fill(&world, "e", 2).await;
    let mut ada = Client::of(&served, "ada", "editor").await;
    world.faults.delay_loads(Duration::from_millis(100));
    ada.native
        .send(&[
            call_frame(1, 1, r#"{"history":{}}"#),
            join(1, "e", 0, ""),
            call_frame(1, 2, r#"{"history":{}}"#),
            // Nobody is there.
            call_frame(9, 3, r#"{"history":{}}"#),
            call_frame(1, 4, r#"{"history":{"limit":1}}"#),
        ])
        .await;
    let (call, answer) = ada.next_answer().await;
    assert_eq!((call, seqs(&answer)), (2, vec![2, 1]));
    let (call, answer) = ada.next_answer().await;
    assert_eq!((call, seqs(&answer)), (4, vec![2]));
}

/// A client that loses its socket now and then, and in the end has all.
struct Flaky<'a> {
    served: &'a Served,
    name: String,
    client: Option<Client>,
    /// Everything up to this change is in `messages`.
    known: u64,
    messages: BTreeMap<u64, Value>,
}

impl Flaky<'_> {
    /// Connects where need be, and asks for what was missed.
    async fn connected(&mut self) -> &mut Client {
        if self.client.is_none() {
            let token = token_of(&self.name, "*", "editor", 3_600);
            self.client = Some(Client::join(self.served, "d", &token).await);
            self.catch_up().await;
        }
        self.client.as_mut().expect("it was just made")
    }

    async fn catch_up(&mut self) {
        loop {
            let client = self.client.as_mut().expect("it is connected");
            let page = client.call(json!({ "open": { "after": self.known } })).await;
            let messages = page["messages"].as_array().expect("messages").clone();
            let last = messages.last().map(|message| message["change"].as_u64());
            for message in messages {
                self.take(message);
            }
            if page["more"] == false {
                let change = page["change"].as_u64().expect("a number");
                self.known = self.known.max(change);
                return;
            }
            self.known = last.flatten().expect("there is more behind something");
        }
    }

    fn take(&mut self, message: Value) {
        let seq = message["seq"].as_u64().expect("a number");
        let newer = |known: &Value| known["change"].as_u64() < message["change"].as_u64();
        if self.messages.get(&seq).is_none_or(newer) {
            self.messages.insert(seq, message);
        }
    }

    /// What was sent meanwhile.
    fn take_changes(&mut self) {
        let changes = self
            .client
            .as_mut()
            .map(|client| std::mem::take(&mut client.changes));
        for change in changes.unwrap_or_default() {
            let message = change["message"].clone();
            let is_next = message["change"] == self.known + 1;
            self.take(message);
            self.known += u64::from(is_next);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_who_post_and_lose_their_sockets_all_have_the_same_list_in_the_end() {
    const CLIENTS: u64 = 20;
    const EACH: u64 = 10;
    let (world, served) = behind_tokens().await;
    let play = async |number: u64| {
        let mut random = StdRng::seed_from_u64(number);
        let mut flaky = Flaky {
            served: &served,
            name: format!("u{number}"),
            client: None,
            known: 0,
            messages: BTreeMap::new(),
        };
        for n in 0..EACH {
            let text = format!("{number} says {n}");
            let request = json!({ "post": { "key": format!("k{n}"), "text": text } });
            loop {
                let drops = random.random_bool(0.2);
                let client = flaky.connected().await;
                let call = client.ask(&request).await;
                if drops {
                    // Sent or not, stored or not: it is sent again.
                    flaky.take_changes();
                    flaky.client = None;
                    continue;
                }
                let answer = client.answer(call).await;
                flaky.take_changes();
                match answer["error"]["retryMs"].as_u64() {
                    Some(retry_ms) => tokio::time::sleep(Duration::from_millis(retry_ms)).await,
                    None => {
                        assert_eq!(answer["message"]["text"], text, "{answer}");
                        break;
                    }
                }
            }
        }
        flaky
    };
    let mut all = futures_util::future::join_all((0..CLIENTS).map(play)).await;
    assert_eq!(count_of(&world, "d").await, CLIENTS * EACH);
    let mut lists = Vec::new();
    for flaky in &mut all {
        flaky.connected().await;
        flaky.take_changes();
        flaky.catch_up().await;
        lists.push(flaky.messages.values().cloned().collect::<Vec<_>>());
    }
    let whole = &lists[0];
    let numbers: Vec<u64> = whole
        .iter()
        .filter_map(|message| message["seq"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=CLIENTS * EACH).collect::<Vec<_>>());
    let mut said: HashMap<&str, Vec<&str>> = HashMap::new();
    for message in whole {
        let user = message["user"].as_str().expect("a user");
        said.entry(user)
            .or_default()
            .push(message["key"].as_str().expect("a key"));
    }
    let in_order: Vec<String> = (0..EACH).map(|n| format!("k{n}")).collect();
    assert_eq!(said.len() as u64, CLIENTS);
    assert!(said.values().all(|keys| *keys == in_order), "{said:?}");
    for (number, list) in lists.iter().enumerate() {
        assert_eq!(list, whole, "{number}");
    }
}

/// Two servers over one store and a bus.
async fn two_nodes() -> [(World, Served); 2] {
    let network = Network::new(1);
    nodes_on([network.node(), network.node()]).await
}

async fn nodes_on([one, two]: [Bus; 2]) -> [(World, Served); 2] {
    let store = std::sync::Arc::new(FaultyStore::new(MemoryStore::new()));
    let node = async |bus| {
        let world = World::on_bus(store.clone(), Limits::default(), Some(bus));
        let served = world.serve(Authenticator::jwt(SECRET, None, None)).await;
        (world, served)
    };
    [node(one).await, node(two).await]
}

#[tokio::test]
async fn ch1_changes_and_markers_cross_between_nodes() {
    let [(_one, here), (_two, there)] = two_nodes().await;
    let mut ada = Client::open(&here, "ada", "editor").await;
    let mut ada_there = Client::open(&there, "ada", "editor").await;
    let mut bob = Client::open(&there, "bob", "editor").await;
    let mut shut = Client::of(&there, "cy", "editor").await;
    let posted = ada.post("1", "from here").await;
    assert_eq!(bob.change().await, posted);
    assert_eq!(ada_there.change().await, posted);
    let answered = bob.post("1", "from there").await;
    assert_eq!(answered["message"]["seq"], 2);
    assert_eq!(ada.change().await, posted);
    assert_eq!(ada.change().await, answered);
    assert_eq!(ada_there.change().await, answered);
    ada.call(json!({ "read": { "seq": 2 } })).await;
    assert_eq!(ada_there.change().await, json!({ "read": 2 }));
    assert_eq!(bob.change().await, answered);
    // What comes behind the marker would come behind it for them as well.
    let last = ada.post("2", "last").await;
    assert_eq!(bob.change().await, last);
    assert!(shut.changes_now().await.is_empty());
}

#[tokio::test]
async fn ch2_a_node_that_was_cut_off_says_that_something_may_be_missing() {
    let network = Network::new(1);
    let buses = [network.node(), network.node()];
    let [(_one, here), (_two, there)] = nodes_on(buses.clone()).await;
    let mut ada = Client::open(&here, "ada", "editor").await;
    let mut bob = Client::open(&there, "bob", "editor").await;
    let mut shut = Client::of(&there, "cy", "editor").await;
    let first = ada.post("1", "before").await;
    assert_eq!(bob.change().await, first);
    network.set_away(&buses[1], true);
    let lost = ada.post("2", "meanwhile").await;
    network.set_away(&buses[1], false);
    assert_eq!(bob.change().await, json!({ "missed": true }));
    let answer = bob
        .call(json!({ "open": { "after": first["message"]["change"] } }))
        .await;
    assert_eq!(answer["messages"], json!([lost["message"]]));
    assert!(shut.changes_now().await.is_empty());
}

#[tokio::test]
async fn ch1_what_a_back_end_posts_where_the_room_sleeps_reaches_those_who_listen_elsewhere() {
    let [(_one, here), (_two, there)] = two_nodes().await;
    let mut bob = Client::open(&there, "bob", "editor").await;
    let bearer = format!("Bearer {}", token_of("bot", "*", "commenter", 60));
    let posted = request(
        here.address,
        "POST",
        "/v1/rooms/d/messages",
        &[("authorization", &bearer)],
        br#"{"key":"build-7","text":"the build is green"}"#,
    )
    .await;
    assert_eq!(posted.status, 200, "{}", posted.text());
    assert_eq!(bob.change().await, posted.json());
}

#[tokio::test]
async fn by_http_messages_are_read_and_posted() {
    let (world, served) = behind_tokens().await;
    fill(&world, "team/plan b", 7).await;
    let path = "/v1/rooms/team%2Fplan%20b/messages";
    let bearer = |role: &str| format!("Bearer {}", token("team/*", role, 60));
    let ask = async |method: &str, query: &str, role: &str, body: &str| {
        let bearer = bearer(role);
        let headers = [("authorization", bearer.as_str())];
        let path = format!("{path}{query}");
        request(served.address, method, &path, &headers, body.as_bytes()).await
    };
    let all = ask("GET", "", "viewer", "").await;
    assert!(
        all.head.contains("content-type: application/json"),
        "{}",
        all.head
    );
    assert_eq!(seqs(&all.json()), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(all.json()["change"], 7);
    for (query, expected) in [
        ("?before=4&limit=2", vec![3, 2]),
        ("?after=4", vec![5, 6, 7]),
        ("?after=4&limit=1", vec![5]),
        ("?thread=2", vec![2]),
    ] {
        let page = ask("GET", query, "viewer", "").await.json();
        assert_eq!(seqs(&page), expected, "{query}");
        assert_eq!(page["more"], query == "?after=4&limit=1");
    }
    let posted = ask("POST", "", "commenter", r#"{"key":"k","text":"hi","thread":2}"#).await;
    assert_eq!(
        (posted.status, &posted.json()["message"]["seq"]),
        (200, &json!(8))
    );
    assert_eq!(posted.json()["message"]["name"], "Ada");
    let again = ask("POST", "", "commenter", r#"{"key":"k","text":"hi","thread":2}"#).await;
    assert_eq!(again.json(), posted.json());
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let answer = ask("POST", "", "commenter", r#"{"key":"k","text":"hi"}"#).await;
        if answer.status != 200 {
            assert!(
                answer.is_problem() && answer.head.contains("retry-after: 1"),
                "{}",
                answer.head
            );
        }
        statuses.push(answer.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(count_of(&world, "team/plan b").await, 8);
}

#[tokio::test]
async fn by_http_what_is_wrong_is_said_in_a_problem_document() {
    let (world, served) = behind_tokens().await;
    let post = br#"{"key":"k","text":"hi"}"#;
    let large = vec![b'x'; 70_000];
    let cases: [(&str, &str, &str, &[u8], u16); 12] = [
        ("GET", "d/messages", "", b"", 401),
        ("POST", "d/messages", "", post, 401),
        ("GET", "e/messages", "editor", b"", 403),
        ("POST", "d/messages", "viewer", post, 403),
        ("POST", "d/messages", "editor", b"{", 400),
        ("POST", "d/messages", "editor", br#"{"key":"k","text":" "}"#, 400),
        ("POST", "d/messages", "editor", br#"{"post":{}}"#, 400),
        (
            "POST",
            "d/messages",
            "editor",
            br#"{"key":"k","text":"x","thread":9}"#,
            404,
        ),
        ("POST", "d/messages", "editor", &large, 413),
        ("GET", "d/messages?after=x", "editor", b"", 400),
        ("GET", "d/messages?after=1&before=2", "editor", b"", 400),
        ("GET", "a%ffb/messages", "editor", b"", 400),
    ];
    for (method, rest, role, body, status) in cases {
        let bearer = format!("Bearer {}", token("d", role, 60));
        let headers: &[(&str, &str)] = if role.is_empty() {
            &[]
        } else {
            &[("authorization", &bearer)]
        };
        let answer = request(
            served.address,
            method,
            &format!("/v1/rooms/{rest}"),
            headers,
            body,
        )
        .await;
        assert_eq!(answer.status, status, "{method} {rest}: {}", answer.text());
        assert!(answer.is_problem(), "{method} {rest}: {}", answer.text());
    }
    let bearer = format!("Bearer {}", token("d", "editor", 60));
    let headers = [("authorization", bearer.as_str())];
    world.faults.fail_appends(true);
    let away = request(served.address, "POST", "/v1/rooms/d/messages", &headers, post).await;
    assert_eq!((away.status, away.is_problem()), (503, true));
    assert!(away.head.contains("retry-after"), "{}", away.head);
    world.faults.fail_appends(false);
    // Pages of foreign origins are kept out, those of ours may ask.
    let foreign = [
        ("authorization", bearer.as_str()),
        ("origin", "https://elsewhere.example"),
    ];
    let refused = request(served.address, "GET", "/v1/rooms/d/messages", &foreign, b"").await;
    assert_eq!((refused.status, refused.is_problem()), (403, true));
    let ours = [
        ("origin", "http://localhost:5173"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    let preflight = request(served.address, "OPTIONS", "/v1/rooms/d/messages", &ours, b"").await;
    assert!(
        preflight
            .head
            .contains("access-control-allow-origin: http://localhost:5173"),
        "{}",
        preflight.head
    );
    world.hub.begin_stop();
    let stopping = request(served.address, "GET", "/v1/rooms/d/messages", &headers, b"").await;
    assert_eq!((stopping.status, stopping.is_problem()), (503, true));
}

/// The document's own dialects know nothing of it.
#[tokio::test]
async fn a_chat_makes_no_document_and_other_dialects_hear_nothing_of_it() {
    let (world, served) = open().await;
    let mut yws = Socket::connect(served.address, "/yjs/d", &[])
        .await
        .expect("a socket");
    yws.next().await.expect("a step 1");
    let mut ada = Client::join(&served, "d", "").await;
    ada.call(json!({ "open": { "after": 0 } })).await;
    ada.post("1", "x").await;
    ada.change().await;
    assert!(!world.store.exists(&doc_id("d")).await.expect("it can be asked"));
    ada.native.send(&[edit(1, 2, &yjs::insert(7, 0, "x"))]).await;
    // An edit is the next thing that it hears but presence.
    let heard = yws.until(|frame| frame[0] != 1).await;
    assert_eq!(&heard[..2], [0, 2]);
}
