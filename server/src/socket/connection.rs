//! One socket: a reader and a writer in one task, and the deadlines around them.

use std::convert::Infallible;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use roomtone_crdt::Dialect;
use tokio::time::{Instant, sleep, timeout};

use super::Session;
use super::frame::{BadFrame, Incoming, Opcode};
use super::wire::{Inbound, Outbound, ReadEnd, Wire, WriteEnd};
use crate::close::Close;
use crate::drain::Entry;
use crate::limits::{
    BUSY_KEEPALIVE_MS, CLOSE_MS_MAX, CONTROL_FRAMES_COUNT_MAX, KEEPALIVE_MS, PING_MS, PROBE_MS_MAX,
    SILENCE_MS_MAX,
};
use crate::metrics;
use crate::outbox::Outbox;

/// Milliseconds on this socket's own clock.
struct Clock {
    opened: Instant,
    last_inbound_ms: AtomicU64,
}

impl Clock {
    fn now_ms(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64
    }

    fn heard(&self) {
        self.last_inbound_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn silence_ms(&self) -> u64 {
        self.now_ms()
            .saturating_sub(self.last_inbound_ms.load(Ordering::Relaxed))
    }
}

/// A ping that asks whether the peer still lives, because another connection claims its id.
struct Probe {
    sent_ms: u64,
    ends: Instant,
}

impl Probe {
    fn new(clock: &Clock) -> Probe {
        Probe {
            sent_ms: clock.now_ms(),
            ends: Instant::now() + Duration::from_millis(PROBE_MS_MAX),
        }
    }

    /// Whether anything came since it was sent. Not how long the peer has been silent by now: one that answers within a
    /// millisecond and has no more to say has then been silent for the whole deadline.
    fn is_answered(&self, clock: &Clock) -> bool {
        clock.last_inbound_ms.load(Ordering::Relaxed) >= self.sent_ms
    }
}

/// Why the reader ended.
enum ReaderEnd {
    /// The peer closes, with this code.
    Closing(Option<u16>),
    /// The peer broke off.
    Gone,
    /// The peer is to be closed.
    Refused(Close),
}

impl From<Close> for ReaderEnd {
    fn from(close: Close) -> ReaderEnd {
        ReaderEnd::Refused(close)
    }
}

/// Why the writer ended without a close frame: the peer is gone or does not read.
struct Gone;

impl From<WriteEnd> for Gone {
    fn from(end: WriteEnd) -> Gone {
        if let WriteEnd::NoProgress = end {
            metrics::closed(Close::NoProgress.label());
        }
        Gone
    }
}

/// Serves a socket until either side ends it. Dropping the session is the leave from every room.
// What an async fn is given it keeps twice, as it came and as it is used; a block keeps it once. Every idle socket pays for it.
#[expect(clippy::manual_async_fn, reason = "half a kilobyte a socket")]
pub(crate) fn run(
    mut wire: Wire,
    outbox: Outbox,
    entry: Entry,
    mut session: Session,
    dialect: Dialect,
) -> impl Future<Output = ()> + Send {
    async move {
        let _gauge = metrics::ConnectionGauge::open(dialect.as_str());
        let (mut inbound, outbound) = wire.split();
        let clock = Clock {
            opened: Instant::now(),
            last_inbound_ms: AtomicU64::new(0),
        };
        let close_patience = Duration::from_millis(CLOSE_MS_MAX);
        let (peer_closes, is_closed) = {
            let mut writer = pin!(write(&outbound, &outbox, &clock));
            let reader_end = {
                let reader = pin!(read(&mut inbound, &mut session, &outbox, &clock));
                tokio::select! {
                    biased;
                    written = &mut writer => {
                        if let Err(Gone) = written {
                            return outbox.shut();
                        }
                        None
                    }
                    Err(end) = reader => Some(end),
                }
            };
            match reader_end {
                // We close: what is queued goes out first, then the code.
                Some(ReaderEnd::Refused(close)) => {
                    outbox.close(close);
                    // The rooms learn of it now, not when the peer has finished reading.
                    session.leave();
                    let closed = Box::pin(timeout(close_patience, writer)).await;
                    (None, matches!(closed, Ok(Ok(()))))
                }
                Some(ReaderEnd::Closing(code)) => (Some(code), false),
                Some(ReaderEnd::Gone) => (None, false),
                None => (None, true),
            }
        };
        session.leave();
        outbox.shut();
        if is_closed {
            // Wait for the peer's side of the close, so that it reads our code and not a reset.
            let peer_closes =
                async { while !matches!(inbound.next().await, Err(_) | Ok(Incoming::Close(_))) {} };
            let _ = Box::pin(timeout(close_patience, peer_closes)).await;
        } else if let Some(code) = peer_closes.filter(|_| outbound.is_between_frames()) {
            let payload = code.map_or(Bytes::new(), |code| close_payload(code, ""));
            let sending = outbound.write(Opcode::Close, vec![payload]);
            let _ = Box::pin(timeout(close_patience, sending)).await;
        }
        // Not moved before: the future would keep it twice.
        drop(entry);
    }
}

/// Reads until the peer ends, or has to.
async fn read(
    inbound: &mut Inbound<'_>,
    session: &mut Session,
    outbox: &Outbox,
    clock: &Clock,
) -> Result<Infallible, ReaderEnd> {
    session.begin().await?;
    let mut control_frames = 0;
    let mut window_ends_ms = PING_MS;
    loop {
        let incoming = match session.deadline() {
            None => inbound.next().await,
            Some(at) => match Box::pin(tokio::time::timeout_at(at, inbound.next())).await {
                Ok(incoming) => incoming,
                Err(_) => {
                    session.on_deadline()?;
                    continue;
                }
            },
        };
        clock.heard();
        let receiving = match incoming.map_err(end_for)? {
            Incoming::Binary(frame) => {
                metrics::bytes_in(frame.len());
                // Boxed: it is half a kilobyte that each idle socket would keep.
                Some(Box::pin(receive(session, frame, outbox)))
            }
            Incoming::Close(code) => return Err(ReaderEnd::Closing(code)),
            Incoming::Ping(payload) => {
                outbox.pong(payload);
                None
            }
            Incoming::Pong => None,
        };
        if let Some(receiving) = receiving {
            receiving.await?;
            continue;
        }
        let now_ms = clock.now_ms();
        if now_ms > window_ends_ms {
            window_ends_ms = now_ms + PING_MS;
            control_frames = 0;
        }
        control_frames += 1;
        if control_frames > CONTROL_FRAMES_COUNT_MAX {
            return Err(Close::Flood.into());
        }
    }
}

/// Passes a frame on. While the room is full this waits, and with it everything else the client says; it still
/// hears that we are here.
async fn receive(session: &mut Session, frame: Bytes, outbox: &Outbox) -> Result<(), Close> {
    let mut receiving = pin!(session.receive(frame));
    if let Poll::Ready(received) = futures_util::poll!(receiving.as_mut()) {
        return received;
    }
    loop {
        let busy = Duration::from_millis(BUSY_KEEPALIVE_MS);
        if let Ok(received) = Box::pin(timeout(busy, receiving.as_mut())).await {
            return received;
        }
        if let Some(keepalive) = outbox.keepalive() {
            // An outbox that is full is a sign of life itself.
            let _ = outbox.send(keepalive);
        }
    }
}

/// What an end of reading deserves: each kind has a code of its own. A peer that broke off never reads it.
fn end_for(end: ReadEnd) -> ReaderEnd {
    let (label, close) = match end {
        ReadEnd::Gone => return ReaderEnd::Gone,
        ReadEnd::TooEarly => ("unauthenticated_bytes", Close::AuthTimeout),
        ReadEnd::Bad(BadFrame::TooLarge) => (
            "too_large",
            Close::TooLarge("the message is larger than frame_bytes_max"),
        ),
        ReadEnd::Bad(BadFrame::Text) => ("text", Close::TextFrame),
        ReadEnd::Bad(BadFrame::Protocol) => ("websocket", Close::Protocol),
    };
    metrics::refused_frame(label);
    ReaderEnd::Refused(close)
}

/// Writes what waits in the outbox, pings, and notices a peer that is gone. `Ok` when a close frame was sent.
async fn write(outbound: &Outbound<'_>, outbox: &Outbox, clock: &Clock) -> Result<(), Gone> {
    let tick = Duration::from_millis(KEEPALIVE_MS / 2);
    // One timer for all that is due: it is there for each idle socket.
    let mut due = pin!(sleep(tick));
    let mut next_tick = clock.opened + tick;
    let mut last_ping_ms = 0;
    let mut last_frame_ms = 0;
    let mut probe: Option<Probe> = None;
    loop {
        // By reference from here on: moved, it would be kept twice.
        let mut taken = None;
        tokio::select! {
            biased;
            outgoing = outbox.take() => taken = Some(outgoing),
            () = due.as_mut() => {}
        }
        if let Some(outgoing) = &mut taken {
            let frames = mem::take(&mut outgoing.frames);
            if !frames.is_empty() {
                last_frame_ms = clock.now_ms();
                send(outbound, frames).await?;
            }
            if let Some(payload) = outgoing.pong.take() {
                // Boxed, as below: what is rare has no space of its own in each socket.
                Box::pin(outbound.write(Opcode::Pong, vec![payload])).await?;
            }
            if outgoing.probe && probe.is_none() {
                let asked = Probe::new(clock);
                due.as_mut().reset(asked.ends.min(next_tick));
                probe = Some(asked);
                outbound.write(Opcode::Ping, vec![Bytes::new()]).await?;
            }
            if let Some(close) = outgoing.close {
                metrics::closed(close.label());
                let payload = close_payload(close.code(), close.reason());
                let sending = outbound.write(Opcode::Close, vec![payload]);
                return match Box::pin(timeout(Duration::from_millis(CLOSE_MS_MAX), sending)).await {
                    Ok(sent) => Ok(sent?),
                    Err(_) => Err(Gone),
                };
            }
            mem::take(outgoing).drained();
            continue;
        }
        let now = Instant::now();
        if probe
            .take_if(|asked| now >= asked.ends)
            .is_some_and(|asked| !asked.is_answered(clock))
        {
            // Another connection claims this one's id, and this one does not answer.
            return Err(Gone);
        }
        if now >= next_tick {
            let now_ms = clock.now_ms();
            let patience_ms = SILENCE_MS_MAX.saturating_sub(clock.silence_ms());
            if patience_ms == 0 {
                return Err(Gone);
            }
            next_tick = now + tick.min(Duration::from_millis(patience_ms));
            if now_ms - last_frame_ms >= KEEPALIVE_MS
                && let Some(frame) = outbox.keepalive()
            {
                last_frame_ms = now_ms;
                Box::pin(send(outbound, vec![frame])).await?;
            }
            if now_ms - last_ping_ms >= PING_MS {
                last_ping_ms = now_ms;
                outbound.write(Opcode::Ping, vec![Bytes::new()]).await?;
            }
        }
        due.as_mut().reset(
            probe
                .as_ref()
                .map_or(next_tick, |asked| asked.ends.min(next_tick)),
        );
    }
}

fn send(outbound: &Outbound<'_>, frames: Vec<Bytes>) -> impl Future<Output = Result<(), WriteEnd>> {
    metrics::bytes_out(frames.iter().map(Bytes::len).sum());
    outbound.write(Opcode::Binary, frames)
}

/// A close frame's payload. Reasons are ours and short.
fn close_payload(code: u16, reason: &str) -> Bytes {
    let mut payload = Vec::with_capacity(2 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    payload.into()
}
