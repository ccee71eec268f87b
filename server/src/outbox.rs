//! The bounded way back to one socket: rooms put frames in, the socket's writer takes all that wait.
//!
//! It sits below both the room and the connection, so that a room can speak to a connection without
//! knowing what one is.

use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use roomtone_crdt::ConnectionId;
use tokio::sync::mpsc;

use crate::close::Close;
use crate::deflate::Deflater;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Queued {
    /// It waits for the socket.
    Yes,
    /// The outbox is over its bound: nothing was queued, and the room owes this member a resync.
    Full,
}

/// Makes the frame that tells a client when to come back, in milliseconds from now, and why it has to.
pub type Goodbye = fn(u64, &str) -> Bytes;

/// Everything the writer takes at once.
#[derive(Default)]
pub struct Outgoing {
    /// Frames in order.
    pub frames: Vec<Bytes>,
    /// Set when the socket shall be closed after these frames.
    pub close: Option<Close>,
    /// Set when the peer shall show life within the probe's deadline.
    pub probe: bool,
    /// What the peer asked to hear back as a sign of life.
    pub pong: Option<Bytes>,
    /// Rooms to tell when these frames are written, see [`Outbox::tell_when_drained`].
    drained: Vec<(mpsc::UnboundedSender<ConnectionId>, ConnectionId)>,
}

impl Outgoing {
    /// Tells the rooms that asked that everything that waited has been written.
    pub fn drained(self) {
        for (room, member) in self.drained {
            // The room may have ended meanwhile; then nobody waits for the answer.
            let _ = room.send(member);
        }
    }
}

/// A cheap handle to one socket's outgoing queue.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    frames: Vec<Bytes>,
    bytes: usize,
    /// The part of `bytes` that no resync can replace.
    always_bytes: usize,
    /// Everyone's presence, one frame for each membership of the socket.
    presence: Vec<(ConnectionId, Bytes)>,
    close: Option<Close>,
    probe: bool,
    pong: Option<Bytes>,
    closed: bool,
    /// The writer, while it waits.
    writer: Option<Waker>,
    keepalive: Option<Bytes>,
    goodbye: Option<Goodbye>,
    deflater: Option<Arc<Deflater>>,
    /// When its client is asked to come back after a restart, in milliseconds after it. Four bytes: with eight, the allocator
    /// takes 64 more for each outbox.
    return_ms: Option<u32>,
    drained: Vec<(mpsc::UnboundedSender<ConnectionId>, ConnectionId)>,
}

impl Outbox {
    /// An outbox that takes frames as long as less than `bytes_max` wait: at most that and one frame, of any size,
    /// because a whole document is one frame.
    pub fn new(bytes_max: usize) -> Outbox {
        Outbox {
            shared: Arc::new(Shared {
                bytes_max,
                state: Mutex::new(State::default()),
            }),
        }
    }

    /// Queues a frame that a resync can replace: an update or an awareness frame.
    pub fn send(&self, frame: Bytes) -> Queued {
        let state = self.lock();
        if state.closed || state.close.is_some() {
            // Nobody will read it; the member's leave is already on its way.
            return Queued::Yes;
        }
        if state.bytes >= self.shared.bytes_max {
            return Queued::Full;
        }
        self.push(state, frame);
        Queued::Yes
    }

    /// Queues a frame that no resync can replace: an acknowledgement or an answer about authentication. These
    /// are small. They have a bound of their own, of the same size: a peer that lets more of them gather is closed.
    pub fn send_always(&self, frame: Bytes) {
        let mut state = self.lock();
        if state.closed || state.close.is_some() {
            return;
        }
        state.always_bytes += frame.len();
        if state.always_bytes > self.shared.bytes_max {
            state.close = Some(Close::NoProgress);
            return wake(state);
        }
        self.push(state, frame);
    }

    /// Queues everyone's presence for `member`, in place of what waits for it: of a crowd it may be larger than any
    /// bound, and only the last one counts. It goes out behind all frames.
    pub fn send_presence(&self, member: ConnectionId, frame: Bytes) {
        let mut state = self.lock();
        if state.closed || state.close.is_some() {
            return;
        }
        match state.presence.iter_mut().find(|(known, _)| *known == member) {
            Some((_, waiting)) => *waiting = frame,
            None => state.presence.push((member, frame)),
        }
        wake(state);
    }

    /// Closes the socket after what is queued. The first reason stands.
    pub fn close(&self, close: Close) {
        let mut state = self.lock();
        if !state.closed && state.close.is_none() {
            state.close = Some(close);
            wake(state);
        }
    }

    /// How this socket's dialect says when to come back. Others are only closed.
    pub fn set_goodbye(&self, goodbye: Goodbye) {
        self.lock().goodbye = Some(goodbye);
    }

    /// Large diffs are deflated when the writer takes them: its client understands that.
    pub fn set_deflater(&self, deflater: Arc<Deflater>) {
        self.lock().deflater = Some(deflater);
    }

    /// When its client shall come back, once the socket is closed for a restart. One that nobody set a time for comes back by its own.
    pub fn set_return_ms(&self, return_ms: u64) {
        self.lock().return_ms = Some(u32::try_from(return_ms).unwrap_or(u32::MAX));
    }

    /// Closes the socket for a restart, after what is queued and a hint for those that understand one.
    pub fn send_away(&self) {
        let close = Close::Restart;
        let (goodbye, return_ms) = {
            let state = self.lock();
            // Once.
            (state.goodbye.filter(|_| state.close.is_none()), state.return_ms)
        };
        if let (Some(goodbye), Some(return_ms)) = (goodbye, return_ms) {
            self.send_always(goodbye(return_ms.into(), close.reason()));
        }
        self.close(close);
    }

    /// Asks the peer for a sign of life: another connection claims its awareness id.
    pub fn probe(&self) {
        let mut state = self.lock();
        state.probe = true;
        wake(state);
    }

    /// Answers the peer's question for a sign of life. Of many only the last one is answered (RFC 6455, section 5.5.3).
    pub fn pong(&self, payload: Bytes) {
        let mut state = self.lock();
        state.pong = Some(payload);
        wake(state);
    }

    /// The frame that keeps the peer's own watchdog quiet when there is nothing else to send.
    pub fn set_keepalive(&self, frame: Bytes) {
        self.lock().keepalive = Some(frame);
    }

    /// The keepalive frame, if one was set.
    pub fn keepalive(&self) -> Option<Bytes> {
        self.lock().keepalive.clone()
    }

    /// Sends `member` to `room` once everything that is queued now has been written to the socket. Of a socket that is gone
    /// nothing is heard: the sender is dropped.
    pub fn tell_when_drained(&self, room: &mpsc::UnboundedSender<ConnectionId>, member: ConnectionId) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.drained.push((room.clone(), member));
        wake(state);
    }

    /// Waits until there is something to do and takes all of it. One waits at a time: the socket's writer.
    pub async fn take(&self) -> Outgoing {
        let (mut outgoing, deflater) = poll_fn(|context| self.poll_take(context)).await;
        // Outside the lock: it takes its time.
        if let Some(deflater) = deflater {
            let pack = |frame| deflater.pack(frame);
            outgoing.frames = outgoing.frames.into_iter().map(pack).collect();
        }
        outgoing
    }

    fn poll_take(&self, context: &mut Context<'_>) -> Poll<(Outgoing, Option<Arc<Deflater>>)> {
        let mut state = self.lock();
        let idle = state.frames.is_empty()
            && state.presence.is_empty()
            && state.close.is_none()
            && !state.probe
            && state.pong.is_none()
            && state.drained.is_empty();
        if idle {
            match &mut state.writer {
                Some(writer) => writer.clone_from(context.waker()),
                None => state.writer = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        state.bytes = 0;
        state.always_bytes = 0;
        let mut frames = mem::take(&mut state.frames);
        frames.extend(state.presence.drain(..).map(|(_, frame)| frame));
        let outgoing = Outgoing {
            frames,
            close: state.close,
            probe: mem::take(&mut state.probe),
            pong: state.pong.take(),
            drained: mem::take(&mut state.drained),
        };
        Poll::Ready((outgoing, state.deflater.clone()))
    }

    /// Frees the queue: the socket is gone, and later frames are dropped.
    pub fn shut(&self) {
        let mut state = self.lock();
        *state = State {
            closed: true,
            ..State::default()
        };
    }

    fn push(&self, mut state: MutexGuard<'_, State>, frame: Bytes) {
        state.bytes += frame.len();
        state.frames.push(frame);
        wake(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way, so a poisoned lock still guards a whole state.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the writer, outside the lock that it is about to take.
fn wake(mut state: MutexGuard<'_, State>) {
    let writer = state.writer.take();
    drop(state);
    if let Some(writer) = writer {
        writer.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Bytes {
        Bytes::from(vec![0; bytes])
    }

    #[tokio::test]
    async fn over_the_bound_nothing_is_queued_and_the_room_hears_when_it_drained() {
        let outbox = Outbox::new(100);
        assert_eq!(outbox.send(frame(80)), Queued::Yes);
        assert_eq!(outbox.send(frame(80)), Queued::Yes);
        assert_eq!(outbox.send(frame(80)), Queued::Full);
        let (tell, mut told) = mpsc::unbounded_channel();
        outbox.tell_when_drained(&tell, ConnectionId(7));
        let outgoing = outbox.take().await;
        assert_eq!(outgoing.frames.len(), 2);
        assert!(told.try_recv().is_err(), "told before it was written");
        outgoing.drained();
        assert_eq!(told.recv().await, Some(ConnectionId(7)));
    }

    #[tokio::test]
    async fn one_frame_of_any_size_fits_behind_a_small_one() {
        let outbox = Outbox::new(100);
        assert_eq!(outbox.send(frame(1)), Queued::Yes);
        assert_eq!(outbox.send(frame(5_000)), Queued::Yes);
        assert_eq!(outbox.take().await.frames[1].len(), 5_000);
    }

    #[tokio::test]
    async fn acknowledgements_outlive_the_bound_and_then_close() {
        let outbox = Outbox::new(100);
        assert_eq!(outbox.send(frame(100)), Queued::Yes);
        outbox.send_always(frame(90));
        assert_eq!(outbox.send(frame(1)), Queued::Full);
        outbox.send_always(frame(90));
        let outgoing = outbox.take().await;
        assert_eq!(
            (outgoing.frames.len(), outgoing.close),
            (2, Some(Close::NoProgress))
        );
    }

    #[tokio::test]
    async fn the_first_close_stands_and_ends_the_queue() {
        let outbox = Outbox::new(100);
        outbox.close(Close::Restart);
        outbox.close(Close::Internal);
        assert_eq!(outbox.send(frame(1)), Queued::Yes);
        let outgoing = outbox.take().await;
        assert_eq!(outgoing.close, Some(Close::Restart));
        assert!(outgoing.frames.is_empty());
    }
}
