//! The native dialect without WebSockets (HT1 to HT4).

use roomtone_crdt::{Reader, Update, Writer};
use roomtone_server::auth::Authenticator;

use crate::native::{Said, apart, diff, edit, hello, join, message};
use crate::net::{Answer, Socket, get, request, token, update_frame};
use crate::world::{SECRET, Served, World, open};
use crate::yjs;

const SAVED: u64 = 36;
const UPDATE: u64 = 34;
const CLOSED: u64 = 7;

/// A client that fetches.
struct Polled<'a> {
    served: &'a Served,
    name: String,
    said: u64,
    fetched: u64,
}

impl Polled<'_> {
    fn new(served: &Served) -> Polled<'_> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        Polled {
            served,
            name,
            said: 0,
            fetched: 0,
        }
    }

    async fn post(&self, number: u64, frame: &[u8]) -> Answer {
        let path = format!("/v1/sessions/{}?n={number}", self.name);
        request(self.served.address, "POST", &path, &[], frame).await
    }

    async fn say(&mut self, messages: &[Vec<u8>]) {
        self.said += 1;
        let answer = self.post(self.said, &messages.concat()).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    async fn get(&self, number: u64) -> Answer {
        get(
            self.served.address,
            &format!("/v1/sessions/{}?n={number}", self.name),
        )
        .await
    }

    async fn fetch(&mut self) -> Vec<Said> {
        self.fetched += 1;
        let answer = self.get(self.fetched).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        apart(&answer.body)
    }

    async fn until(&mut self, kind: u64) -> Vec<u8> {
        loop {
            let said = self.fetch().await;
            if let Some((_, _, body)) = said.into_iter().find(|(_, its, _)| *its == kind) {
                return body;
            }
        }
    }
}

#[tokio::test]
async fn ht1_a_session_does_what_a_socket_does() {
    let (world, served) = open().await;
    let mut other = Socket::connect(served.address, "/yjs/d", &[])
        .await
        .expect("a socket");
    let mut polled = Polled::new(&served);
    polled.say(&[hello(1, ""), join(1, "d", 0, "")]).await;
    let first = polled.fetch().await;
    assert_eq!((first[0].0, first[0].1), (0, 1), "welcome");
    polled
        .say(&[diff(1, 1, &Update::empty()), edit(1, 2, &yjs::insert(7, 0, "x"))])
        .await;
    loop {
        let saved = polled.until(SAVED).await;
        if Reader::new(&saved).var_uint() == Ok(2) {
            break;
        }
    }
    assert_eq!(world.stored("d").await.state_vector().get(7), 1);
    other.send(update_frame(&yjs::insert(8, 0, "y"))).await;
    let update = Update::check(polled.until(UPDATE).await.into()).expect("an update");
    assert_eq!(update.extent().structs[0].client, 8);
}

#[tokio::test]
async fn ht2_what_was_lost_on_the_way_is_asked_for_or_said_again() {
    let (world, served) = open().await;
    let mut polled = Polled::new(&served);
    polled
        .say(&[hello(1, ""), join(1, "d", 0, ""), diff(1, 1, &Update::empty())])
        .await;
    // The answer to the first frame was lost, and then that to a fetch.
    assert_eq!(polled.post(1, &hello(1, "")).await.status, 204);
    let first = polled.get(1).await;
    let again = polled.get(1).await;
    assert_eq!((first.status, first.body), (200, again.body));
    polled.fetched = 1;
    // A frame that was taken is not taken twice.
    let edit = edit(1, 2, &yjs::insert(7, 0, "x"));
    polled.say(std::slice::from_ref(&edit)).await;
    assert_eq!(polled.post(2, &edit).await.status, 204);
    polled.until(SAVED).await;
    assert_eq!(world.stored("d").await.state_vector().get(7), 1);
    // What is neither the next one nor a repetition ends it.
    assert_eq!(polled.post(9, &edit).await.status, 409);
    assert_eq!(polled.get(99).await.status, 409);
}

#[tokio::test]
async fn ht3_a_newer_fetch_takes_over_and_a_silent_one_returns_empty() {
    let (_world, served) = open().await;
    let mut polled = Polled::new(&served);
    polled.say(&[hello(1, "")]).await;
    polled.fetch().await;
    let older = polled.get(2);
    let newer = async {
        // Behind the other, on a connection of its own.
        tokio::task::yield_now().await;
        polled.get(2).await
    };
    let pong = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        polled.post(2, &message(0, 4, b"1")).await
    };
    let (older, newer, pong) = tokio::join!(older, newer, pong);
    assert_eq!((older.status, newer.status, pong.status), (200, 200, 204));
    assert_eq!(older.body, newer.body, "the same number is the same answer");
}

#[tokio::test]
async fn ht4_the_end_is_told_and_then_there_is_no_session() {
    let (_world, served) = open().await;
    let mut polled = Polled::new(&served);
    polled.say(&[hello(2, "")]).await;
    let closed = polled.until(CLOSED).await;
    assert_eq!(Reader::new(&closed).var_uint(), Ok(4400));
    assert_eq!(polled.get(polled.fetched + 1).await.status, 410);
    assert_eq!(polled.post(2, &[]).await.status, 410);
    let nobody = Polled::new(&served);
    assert_eq!(nobody.get(1).await.status, 410);
    assert_eq!(nobody.post(2, &hello(1, "")).await.status, 410);
    let path = "/v1/sessions/short?n=1";
    assert_eq!(
        request(served.address, "POST", path, &[], &hello(1, ""))
            .await
            .status,
        400
    );
    let foreign = [("origin", "https://elsewhere.example")];
    let path = format!("/v1/sessions/{}?n=1", nobody.name);
    assert_eq!(
        request(served.address, "POST", &path, &foreign, &hello(1, ""))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn ht4_who_says_goodbye_is_gone_at_once() {
    let (_world, served) = open().await;
    let mut other = Socket::connect(served.address, "/yjs/d", &[])
        .await
        .expect("a socket");
    let mut polled = Polled::new(&served);
    polled.say(&[hello(1, ""), join(1, "d", 0, "")]).await;
    polled.fetch().await;
    polled
        .say(&[message(1, 48, &yjs::awareness_bytes(42, 1, "{}"))])
        .await;
    other.until(|frame| frame[0] == 1 && frame.ends_with(b"{}")).await;
    let path = format!("/v1/sessions/{}", polled.name);
    assert_eq!(
        request(served.address, "DELETE", &path, &[], &[]).await.status,
        204
    );
    other.until(|frame| frame.ends_with(b"\x04null")).await;
    assert_eq!(polled.get(2).await.status, 410);
}

#[tokio::test]
async fn before_a_token_was_shown_little_is_taken() {
    let world = World::new();
    let served = world.serve(Authenticator::jwt(SECRET, None, None)).await;
    let mut polled = Polled::new(&served);
    let mut long = Writer::new();
    long.raw(&vec![0; 100_000]);
    assert_eq!(polled.post(1, &long.into_bytes()).await.status, 503);
    let closed = polled.until(CLOSED).await;
    assert_eq!(Reader::new(&closed).var_uint(), Ok(4408));
    let mut good = Polled::new(&served);
    good.say(&[hello(1, &token("d", "editor", 60)), join(1, "d", 0, "")])
        .await;
    good.until(17).await;
}
