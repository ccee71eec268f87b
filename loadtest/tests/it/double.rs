//! A small relay with one room, which serves fairly or cheats in one way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use roomtone_crdt::hocuspocus::Frame;
use roomtone_crdt::{ConnectionId, Doc, Message, Update, encode, hocuspocus, ywebsocket};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as Socket;

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

struct Room {
    doc: Doc,
    members: Vec<(u64, bool, mpsc::UnboundedSender<Bytes>)>,
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
    let mut is_hocuspocus = false;
    #[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
    let look = |request: &tokio_tungstenite::tungstenite::handshake::server::Request, response| {
        is_hocuspocus = request.uri().path() == "/";
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
    lock(&room).members.push((id, is_hocuspocus, sender.clone()));
    while let Some(Ok(frame)) = stream.next().await {
        let Socket::Binary(frame) = frame else { continue };
        let messages = if is_hocuspocus {
            match hocuspocus::decode(frame).expect("a frame") {
                Frame::Pong => Vec::new(),
                Frame::Document { message, .. } => vec![message],
            }
        } else {
            ywebsocket::decode(frame).expect("a frame")
        };
        for message in messages {
            answer(message, id, is_hocuspocus, cheat, &room, &sender);
        }
    }
    lock(&room).members.retain(|(member, ..)| *member != id);
}

fn answer(
    message: Message,
    id: u64,
    is_hocuspocus: bool,
    cheat: Cheat,
    room: &Arc<Mutex<Room>>,
    sender: &mpsc::UnboundedSender<Bytes>,
) {
    // Whoever is gone hears nothing.
    let say = |body: Bytes| drop(sender.send(addressed(is_hocuspocus, body)));
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
            if is_hocuspocus {
                let _ = sender.send(hocuspocus::sync_status("honest", true));
            }
        }
        _ => {}
    }
}

fn addressed(is_hocuspocus: bool, body: Bytes) -> Bytes {
    if is_hocuspocus {
        hocuspocus::addressed("honest", &body)
    } else {
        body
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
        for (id, is_hocuspocus, member) in &self.members {
            if *id == author {
                continue;
            }
            self.relayed += 1;
            let frame = addressed(*is_hocuspocus, encode::update(&update));
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
