//! The floor: a broadcaster that keeps no document and no log, as a reference for what delivering costs at all.
//!
//! It speaks just enough of y-websocket for the load tester: a Step1 is answered with an empty Step2 and every frame so far,
//! updates go to everyone else in the room, presence to everyone. What waits for a socket goes out in one write (`batch`), or each frame in a write of
//! its own (`each`). One thread.
//!
//! ```sh
//! cargo run --release -p roomtone-loadtest --example floor -- 127.0.0.1:4999 batch
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// An empty Step2 of y-protocols in a frame.
const NOTHING_NEW: [u8; 7] = [0x82, 5, 0, 1, 2, 0, 0];

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// All that waits in one write.
    Batch,
    /// A write for each frame.
    Each,
}

/// What waits for one socket.
#[derive(Default)]
struct Queue {
    frames: RefCell<Vec<Vec<u8>>>,
    ready: Notify,
}

/// Who is in a room, and every update that was written there.
#[derive(Default)]
struct Members {
    queues: HashMap<u64, Rc<Queue>>,
    updates: Vec<Vec<u8>>,
}

type Room = Rc<RefCell<Members>>;
type Rooms = Rc<RefCell<HashMap<String, Room>>>;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().context("usage: floor HOST:PORT [batch|each]")?;
    let mode = match words.next().as_deref() {
        None | Some("batch") => Mode::Batch,
        Some("each") => Mode::Each,
        Some(other) => bail!("`{other}` is neither batch nor each"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind(&address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        let rooms = Rooms::default();
        for number in 0.. {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A client that breaks off is none of our concern.
            spawn_local(serve(number, stream, rooms.clone(), mode));
        }
        anyhow::Ok(())
    })
}

async fn serve(number: u64, mut stream: TcpStream, rooms: Rooms, mode: Mode) -> io::Result<()> {
    let path = shake_hands(&mut stream).await?;
    let room = rooms.borrow_mut().entry(path).or_default().clone();
    let own = Rc::new(Queue::default());
    room.borrow_mut().queues.insert(number, own.clone());
    let (read, write) = stream.into_split();
    let writer = spawn_local(write_on(write, own.clone(), mode));
    let ended = read_on(number, read, &own, &room).await;
    room.borrow_mut().queues.remove(&number);
    writer.abort();
    ended
}

async fn shake_hands(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
    let key = head
        .lines()
        .find_map(|line| {
            line.split_once(": ")
                .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        })
        .map_or("", |(_, key)| key.trim());
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(path)
}

async fn read_on(number: u64, mut read: OwnedReadHalf, own: &Queue, room: &Room) -> io::Result<()> {
    let mut buffer: Vec<u8> = Vec::with_capacity(64 * 1024);
    loop {
        if read.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let mut at = 0;
        while let Some((opcode, payload, bytes)) = parse(&buffer[at..]) {
            at += bytes;
            match (opcode, payload.as_slice()) {
                (8, _) => return Ok(()),
                (2, [0, 0, ..]) => {
                    say(own, NOTHING_NEW.to_vec());
                    for update in &room.borrow().updates {
                        say(own, update.clone());
                    }
                }
                (2, [0, 2, ..]) => {
                    let update = frame(&payload);
                    broadcast(room, &update, Some(number));
                    room.borrow_mut().updates.push(update);
                }
                (2, [1, ..]) => broadcast(room, &frame(&payload), None),
                _ => {}
            }
        }
        buffer.drain(..at);
    }
}

/// A whole frame of a client, unmasked, and how long it was.
fn parse(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let length = bytes.get(1)? & 0x7f;
    let (length, at) = match length {
        126 => (
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            4,
        ),
        127 => (
            usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
            10,
        ),
        short => (usize::from(short), 2),
    };
    let mask = bytes.get(at..at + 4)?;
    let masked = bytes.get(at + 4..at + 4 + length)?;
    let payload = masked
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    Some((bytes[0] & 0x0f, payload, at + 4 + length))
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(0x82);
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        middle @ 126..=0xffff => {
            frame.push(126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

fn broadcast(room: &Room, frame: &[u8], but: Option<u64>) {
    for (number, queue) in &room.borrow().queues {
        if Some(*number) != but {
            say(queue, frame.to_vec());
        }
    }
}

fn say(queue: &Queue, frame: Vec<u8>) {
    queue.frames.borrow_mut().push(frame);
    queue.ready.notify_one();
}

async fn write_on(mut write: OwnedWriteHalf, queue: Rc<Queue>, mode: Mode) -> io::Result<()> {
    loop {
        let frames = std::mem::take(&mut *queue.frames.borrow_mut());
        match mode {
            _ if frames.is_empty() => queue.ready.notified().await,
            Mode::Batch => write.write_all(&frames.concat()).await?,
            Mode::Each => {
                for frame in frames {
                    write.write_all(&frame).await?;
                }
            }
        }
    }
}
