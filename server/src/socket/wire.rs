//! One socket's bytes: frames in, frames out, straight from and to the kernel.
//!
//! Reading and writing go through buffers that the threads keep, not the sockets: what waits in a socket for nothing costs
//! nothing. Only a frame that has come in part, and one that the kernel took in part, is kept.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::frame::{BadFrame, Decoder, Incoming, Opcode, put_header};
use crate::limits::{NO_PROGRESS_MS_MAX, READ_BYTES_MAX, WRITE_BYTES_MAX};
use crate::listener::{Meter, Metered};

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into());
    static WRITE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(WRITE_BYTES_MAX));
}

/// A connection that became a socket.
pub(crate) struct Wire {
    stream: TcpStream,
    decoder: Decoder,
    meter: Meter,
    /// What came with the request and was not looked at yet.
    early: Bytes,
    /// Its place among the connections.
    _slot: OwnedSemaphorePermit,
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(super) enum ReadEnd {
    /// The peer is gone.
    Gone,
    /// It sent more than it may before it is authenticated.
    TooEarly,
    /// It sent what cannot be taken.
    Bad(BadFrame),
}

/// Why a write ended early.
#[derive(Debug)]
pub(super) enum WriteEnd {
    /// The peer is gone.
    Gone,
    /// It takes nothing any more.
    NoProgress,
}

impl Wire {
    pub(super) fn new(connection: Metered, early: Bytes, message_bytes_max: usize) -> Wire {
        let (stream, meter, slot) = connection.into_parts();
        Wire {
            stream,
            decoder: Decoder::new(message_bytes_max),
            meter,
            // A copy: however short this is, it would keep all of the 8 KiB that the request was read into.
            early: Bytes::copy_from_slice(&early),
            _slot: slot,
        }
    }

    /// What counts its bytes.
    pub(super) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The two directions.
    pub(super) fn split(&mut self) -> (Inbound<'_>, Outbound<'_>) {
        let (read, write) = self.stream.split();
        let inbound = Inbound {
            stream: read,
            decoder: &mut self.decoder,
            meter: &self.meter,
            early: &mut self.early,
            waiting: VecDeque::new(),
        };
        let outbound = Outbound {
            stream: write,
            is_between_frames: AtomicBool::new(true),
        };
        (inbound, outbound)
    }
}

/// What the client sends.
pub(super) struct Inbound<'a> {
    stream: ReadHalf<'a>,
    decoder: &'a mut Decoder,
    meter: &'a Meter,
    early: &'a mut Bytes,
    waiting: VecDeque<Incoming>,
}

impl Inbound<'_> {
    /// The next message. Nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) -> Result<Incoming, ReadEnd> {
        loop {
            if let Some(incoming) = self.waiting.pop_front() {
                return Ok(incoming);
            }
            if !self.early.is_empty() {
                let early = std::mem::take(self.early);
                self.take(&early)?;
                continue;
            }
            poll_fn(|context| self.poll_read(context)).await?;
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ReadEnd>> {
        READ.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            Poll::Ready(match read {
                Ok(()) if buffer.filled().is_empty() => Err(ReadEnd::Gone),
                Ok(()) => self.take(buffer.filled()),
                Err(_) => Err(ReadEnd::Gone),
            })
        })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ReadEnd> {
        if !self.meter.note_read(bytes.len()) {
            return Err(ReadEnd::TooEarly);
        }
        self.decoder.feed(bytes, &mut self.waiting).map_err(ReadEnd::Bad)
    }
}

/// What the client gets.
pub(super) struct Outbound<'a> {
    stream: WriteHalf<'a>,
    is_between_frames: AtomicBool,
}

impl Outbound<'_> {
    /// Whether a frame can be begun: none was left half-way by a write that was given up.
    pub(super) fn is_between_frames(&self) -> bool {
        self.is_between_frames.load(Ordering::Relaxed)
    }

    /// Writes frames of one kind, as many as fit with each system call. Ends when the kernel has taken all of them.
    pub(super) async fn write(&self, opcode: Opcode, frames: Vec<Bytes>) -> Result<(), WriteEnd> {
        let mut frames = frames.into_iter();
        // What the kernel did not take at once, and payloads that are too long to be gathered.
        let mut raw: VecDeque<Bytes> = VecDeque::new();
        match self.write_now(opcode, &mut frames, &mut raw) {
            // Boxed, because it is rare, and every socket would keep the space for it.
            Err(error) if is_to_be_tried_again(&error) => Box::pin(self.write_on(opcode, frames, raw)).await,
            result => result.map_err(|_| WriteEnd::Gone),
        }
    }

    async fn write_on(
        &self,
        opcode: Opcode,
        mut frames: std::vec::IntoIter<Bytes>,
        mut raw: VecDeque<Bytes>,
    ) -> Result<(), WriteEnd> {
        self.is_between_frames.store(false, Ordering::Relaxed);
        let patience = Duration::from_millis(NO_PROGRESS_MS_MAX);
        loop {
            match timeout(patience, self.stream.writable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(WriteEnd::Gone),
                Err(_) => return Err(WriteEnd::NoProgress),
            }
            match self.write_now(opcode, &mut frames, &mut raw) {
                Ok(()) => break,
                Err(error) if is_to_be_tried_again(&error) => {}
                Err(_) => return Err(WriteEnd::Gone),
            }
        }
        self.is_between_frames.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Writes until the kernel takes no more.
    fn write_now(
        &self,
        opcode: Opcode,
        frames: &mut std::vec::IntoIter<Bytes>,
        raw: &mut VecDeque<Bytes>,
    ) -> io::Result<()> {
        loop {
            while let Some(bytes) = raw.front_mut() {
                let written = self.stream.try_write(bytes)?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                let _ = bytes.split_to(written);
                if bytes.is_empty() {
                    raw.pop_front();
                }
            }
            let is_done = WRITE.with_borrow_mut(|scratch| {
                scratch.clear();
                gather(opcode, frames, scratch, raw);
                if scratch.is_empty() {
                    return Ok(true);
                }
                let written = match self.stream.try_write(scratch) {
                    Ok(written) => written,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                    Err(error) => return Err(error),
                };
                if written < scratch.len() {
                    raw.push_front(Bytes::copy_from_slice(&scratch[written..]));
                }
                Ok::<_, io::Error>(false)
            })?;
            if is_done && raw.is_empty() {
                return Ok(());
            }
        }
    }
}

fn is_to_be_tried_again(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Puts frames one behind the other, up to the bound. A payload that is longer than that goes out as it is, behind its
/// header.
fn gather(
    opcode: Opcode,
    frames: &mut std::vec::IntoIter<Bytes>,
    scratch: &mut Vec<u8>,
    raw: &mut VecDeque<Bytes>,
) {
    while let Some(payload) = frames.as_slice().first() {
        let is_long = payload.len() > WRITE_BYTES_MAX / 2;
        if !is_long && scratch.len() + payload.len() > WRITE_BYTES_MAX - 16 {
            return;
        }
        put_header(scratch, opcode, payload.len());
        if is_long {
            raw.extend(frames.next());
            return;
        }
        scratch.extend_from_slice(payload);
        frames.next();
    }
}
