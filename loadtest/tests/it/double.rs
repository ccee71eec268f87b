//! A small relay with one room, which serves fairly or cheats in one way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use roomtone_crdt::hocuspocus::Frame;
use roomtone_crdt::native::{self, Said};
use roomtone_crdt::{ConnectionId, Doc, Message, Update, encode, hocuspocus, ywebsocket};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as Socket;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheat {
    Nothing,
    /// One of a thousand frames to a reader is lost.
    Drops,
    /// One of a hundred comes late.
    Delays,
    /// Edits are called saved before they are taken.
    AcksEarly,
}

/// How late a frame is, or an edit that was called saved.
pub(crate) const LATE: Duration = Duration::from_millis(400);

/// What a client speaks, by where it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    YWebsocket,
    Hocuspocus,
    Native,
}

struct Room {
    doc: Doc,
    members: Vec<(u64, Dialect, mpsc::UnboundedSender<Bytes>)>,
    relayed: u64,
}

/// The address it listens at. It ends with the test's runtime.
pub(crate) async fn start(cheat: Cheat) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let room = Arc::new(Mutex::new(Room {
        doc: Doc::new(),
        members: Vec::new(),
        relayed: 0,
    }));
    tokio::spawn(async move {
        for id in 0.. {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(serve(stream, id, cheat, room.clone()));
        }
    });
    format!("ws://{address}")
}

async fn serve(stream: TcpStream, id: u64, cheat: Cheat, room: Arc<Mutex<Room>>) {
    stream.set_nodelay(true).expect("a socket");
    let mut dialect = Dialect::YWebsocket;
    #[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
    let look = |request: &Request, mut response: Response| {
        dialect = match request.uri().path() {
            "/" => Dialect::Hocuspocus,
            "/v1/connect" => Dialect::Native,
            _ => Dialect::YWebsocket,
        };
        if let Some(asked) = request.headers().get("sec-websocket-protocol") {
            let headers = response.headers_mut();
            headers.insert("sec-websocket-protocol", asked.clone());
        }
        Ok(response)
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, look).await else {
        return;
    };
    let (mut sink, mut stream) = socket.split();
    let (sender, mut outgoing) = mpsc::unbounded_channel::<Bytes>();
    tokio::spawn(async move {
        while let Some(frame) = outgoing.recv().await {
            if sink.send(Socket::Binary(frame)).await.is_err() {
                return;
            }
        }
    });
    lock(&room).members.push((id, dialect, sender.clone()));
    while let Some(Ok(frame)) = stream.next().await {
        let Socket::Binary(frame) = frame else { continue };
        let messages = match dialect {
            Dialect::Hocuspocus => match hocuspocus::decode(frame).expect("a frame") {
                Frame::Pong => Vec::new(),
                Frame::Document { message, .. } => vec![(message, None)],
            },
            Dialect::YWebsocket => {
                let messages = ywebsocket::decode(frame).expect("a frame");
                messages.into_iter().map(|message| (message, None)).collect()
            }
            Dialect::Native => {
                let said = native::decode(&frame).expect("a frame");
                said.into_iter().filter_map(|said| heard(said, &sender)).collect()
            }
        };
        for (message, seq) in messages {
            answer(message, id, dialect, cheat, &room, &sender);
            if let Some(seq) = seq {
                let _ = sender.send(native::saved(1, &native::saved_payload(seq)));
            }
        }
    }
    lock(&room).members.retain(|(member, ..)| *member != id);
}

/// What a native client says of the document, and under which number.
fn heard(said: Said, sender: &mpsc::UnboundedSender<Bytes>) -> Option<(Message, Option<u64>)> {
    match said {
        Said::Join(channel, join) => {
            let _ = sender.send(native::joined(channel, 1, "owner", ""));
            Some((Message::Step1(join.state_vector), None))
        }
        Said::Document { message, seq, .. } => Some((message, seq)),
        _ => None,
    }
}

fn answer(
    message: Message,
    id: u64,
    dialect: Dialect,
    cheat: Cheat,
    room: &Arc<Mutex<Room>>,
    sender: &mpsc::UnboundedSender<Bytes>,
) {
    // Whoever is gone hears nothing.
    let say = |body: Bytes| drop(sender.send(addressed(dialect, body)));
    match message {
        Message::Token(_) => drop(sender.send(hocuspocus::authenticated("honest", false))),
        Message::Step1(since) => {
            let room = lock(room);
            say(encode::step1(room.doc.state_vector()));
            say(encode::step2(&room.doc.diff(&since).expect("a document")));
        }
        Message::Step2(update) => lock(room).take(id, update, Cheat::Nothing),
        Message::Update(update) => {
            if cheat == Cheat::AcksEarly {
                let room = room.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(LATE).await;
                    lock(&room).take(id, update, cheat);
                });
            } else {
                // Before it says so, or a busy machine makes a liar of it.
                lock(room).take(id, update, cheat);
            }
            if dialect == Dialect::Hocuspocus {
                let _ = sender.send(hocuspocus::sync_status("honest", true));
            }
        }
        _ => {}
    }
}

fn addressed(dialect: Dialect, body: Bytes) -> Bytes {
    match dialect {
        Dialect::YWebsocket => body,
        Dialect::Hocuspocus => hocuspocus::addressed("honest", &body),
        Dialect::Native => native::addressed(1, &body),
    }
}

fn lock(room: &Mutex<Room>) -> std::sync::MutexGuard<'_, Room> {
    room.lock().expect("nothing panics under this lock")
}

impl Room {
    fn take(&mut self, author: u64, update: Update, cheat: Cheat) {
        self.doc
            .apply(&[(ConnectionId(author), update.clone())])
            .expect("a document");
        if update.is_empty() {
            return;
        }
        for (id, dialect, member) in &self.members {
            if *id == author {
                continue;
            }
            self.relayed += 1;
            let frame = addressed(*dialect, encode::update(&update));
            match cheat {
                Cheat::Drops if self.relayed.is_multiple_of(1_000) => {}
                Cheat::Delays if self.relayed.is_multiple_of(100) => {
                    let member = member.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(LATE).await;
                        let _ = member.send(frame);
                    });
                }
                _ => drop(member.send(frame)),
            }
        }
    }
}
