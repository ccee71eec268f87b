//! One socket: a reader and a writer in one task, and the deadlines around them.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Error;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use roomtone_crdt::Dialect;
use tokio::time::{Instant, sleep, timeout};

use super::Session;
use crate::close::Close;
use crate::limits::{
    BUSY_KEEPALIVE_MS, CLOSE_MS_MAX, CONTROL_FRAMES_COUNT_MAX, KEEPALIVE_MS, NO_PROGRESS_MS_MAX, PING_MS,
    PROBE_MS_MAX, SILENCE_MS_MAX,
};
use crate::listener::{Meter, TOO_EARLY};
use crate::metrics;
use crate::outbox::Outbox;

type Reader = stream::SplitStream<WebSocket>;
type Writer = stream::SplitSink<WebSocket, Message>;

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

/// Why the writer ended.
enum WriterEnd {
    /// A close frame was sent.
    Closed,
    /// The peer is gone or does not read.
    Gone,
}

/// Serves a socket until either side ends it. Dropping the session is the leave from every room.
pub(crate) async fn run(
    socket: WebSocket,
    outbox: Outbox,
    mut session: Session,
    dialect: Dialect,
    meter: Meter,
) {
    let _gauge = metrics::ConnectionGauge::open(dialect.as_str());
    let (mut sink, mut stream) = socket.split();
    let clock = Clock {
        opened: Instant::now(),
        last_inbound_ms: AtomicU64::new(0),
    };
    let close_patience = Duration::from_millis(CLOSE_MS_MAX);
    let writer_ended = {
        let mut writer = pin!(write(&mut sink, &outbox, &clock, &meter));
        let read_end = {
            let reader = pin!(read(&mut stream, &mut session, &outbox, &clock));
            tokio::select! {
                end = reader => Some(end),
                end = &mut writer => {
                    if let WriterEnd::Gone = end {
                        return outbox.shut();
                    }
                    None
                }
            }
        };
        match read_end {
            // We close: what is queued goes out first, then the code.
            Some(Err(close)) => {
                outbox.close(close);
                // The rooms learn of it now, not when the peer has finished reading.
                session.leave();
                matches!(timeout(close_patience, writer).await, Ok(WriterEnd::Closed))
            }
            // The peer closed or broke off.
            Some(Ok(())) => false,
            None => true,
        }
    };
    session.leave();
    outbox.shut();
    if writer_ended {
        // Wait for the peer's side of the close, so that it reads our code and not a reset.
        let _ = timeout(close_patience, async {
            while let Some(Ok(_)) = stream.next().await {}
        })
        .await;
    } else {
        let _ = timeout(close_patience, sink.close()).await;
    }
}

/// Reads until the peer ends. `Err` is the close that the peer shall get.
async fn read(
    stream: &mut Reader,
    session: &mut Session,
    outbox: &Outbox,
    clock: &Clock,
) -> Result<(), Close> {
    session.begin().await?;
    let mut control_frames = 0;
    let mut window_ends_ms = PING_MS;
    loop {
        let frame = match session.deadline() {
            None => stream.next().await,
            Some(at) => match tokio::time::timeout_at(at, stream.next()).await {
                Ok(frame) => frame,
                Err(_) => {
                    session.on_deadline()?;
                    continue;
                }
            },
        };
        clock.heard();
        match frame {
            None | Some(Ok(Message::Close(_))) => return Ok(()),
            Some(Ok(Message::Binary(frame))) => {
                metrics::bytes_in(frame.len());
                receive(session, frame, outbox).await?;
            }
            Some(Ok(Message::Text(_))) => {
                metrics::refused_frame("text");
                return Err(Close::TextFrame);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                let now_ms = clock.now_ms();
                if now_ms > window_ends_ms {
                    window_ends_ms = now_ms + PING_MS;
                    control_frames = 0;
                }
                control_frames += 1;
                if control_frames > CONTROL_FRAMES_COUNT_MAX {
                    return Err(Close::Flood);
                }
            }
            Some(Err(error)) => return Err(close_for(&error)),
        }
    }
}

/// Passes a frame on. While the room is full this waits, and with it everything else the client says; it still
/// hears that we are here.
async fn receive(session: &mut Session, frame: Bytes, outbox: &Outbox) -> Result<(), Close> {
    let mut receiving = pin!(session.receive(frame));
    loop {
        tokio::select! {
            biased;
            received = &mut receiving => return received,
            () = tokio::time::sleep(Duration::from_millis(BUSY_KEEPALIVE_MS)) => {
                if let Some(keepalive) = outbox.keepalive() {
                    // An outbox that is full is a sign of life itself.
                    let _ = outbox.send(keepalive);
                }
            }
        }
    }
}

/// What a transport error deserves: each kind has a code of its own. A peer that broke off never reads it.
fn close_for(error: &Error) -> Close {
    let text = error.to_string();
    if text.contains("too long") || text.contains("too big") {
        metrics::refused_frame("too_large");
        return Close::TooLarge("the message is larger than frame_bytes_max");
    }
    if text.contains(TOO_EARLY) {
        metrics::refused_frame("unauthenticated_bytes");
        return Close::AuthTimeout;
    }
    metrics::refused_frame("websocket");
    if text.contains("UTF-8") {
        Close::Encoding
    } else {
        Close::Protocol
    }
}

/// Writes what waits in the outbox, pings, and notices a peer that is gone.
async fn write(sink: &mut Writer, outbox: &Outbox, clock: &Clock, meter: &Meter) -> WriterEnd {
    let tick = Duration::from_millis(KEEPALIVE_MS / 2);
    let mut due = pin!(sleep(tick));
    let mut last_ping_ms = 0;
    let mut last_frame_ms = 0;
    let mut probe_ends: Option<Instant> = None;
    loop {
        tokio::select! {
            mut outgoing = outbox.take() => {
                let frames = std::mem::take(&mut outgoing.frames);
                if !frames.is_empty() {
                    last_frame_ms = clock.now_ms();
                }
                if !write_all(sink, frames, meter).await {
                    return WriterEnd::Gone;
                }
                if outgoing.probe && probe_ends.is_none() {
                    probe_ends = Some(Instant::now() + Duration::from_millis(PROBE_MS_MAX));
                    if sink.send(Message::Ping(Bytes::new())).await.is_err() {
                        return WriterEnd::Gone;
                    }
                }
                if let Some(close) = outgoing.close {
                    metrics::closed(close.label());
                    let frame = CloseFrame { code: close.code(), reason: close.reason().into() };
                    let patience = Duration::from_millis(CLOSE_MS_MAX);
                    return match timeout(patience, sink.send(Message::Close(Some(frame)))).await {
                        Ok(Ok(())) => WriterEnd::Closed,
                        Ok(Err(_)) | Err(_) => WriterEnd::Gone,
                    };
                }
                outgoing.drained();
            }
            () = due.as_mut() => {
                let now_ms = clock.now_ms();
                let patience_ms = SILENCE_MS_MAX.saturating_sub(clock.silence_ms());
                if patience_ms == 0 {
                    return WriterEnd::Gone;
                }
                due.as_mut().reset(Instant::now() + tick.min(Duration::from_millis(patience_ms)));
                if now_ms - last_frame_ms >= KEEPALIVE_MS
                    && let Some(frame) = outbox.keepalive() {
                        last_frame_ms = now_ms;
                        if !write_all(sink, vec![frame], meter).await {
                            return WriterEnd::Gone;
                        }
                    }
                if now_ms - last_ping_ms >= PING_MS {
                    last_ping_ms = now_ms;
                    if sink.send(Message::Ping(Bytes::new())).await.is_err() {
                        return WriterEnd::Gone;
                    }
                }
            }
            () = probe_over(probe_ends) => {
                probe_ends = None;
                if clock.silence_ms() >= PROBE_MS_MAX {
                    // Another connection claims this one's id, and this one does not answer.
                    return WriterEnd::Gone;
                }
            }
        }
    }
}

async fn probe_over(ends: Option<Instant>) {
    match ends {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Many frames, one flush. False when the peer is gone, or has read nothing for too long.
async fn write_all(sink: &mut Writer, frames: Vec<Bytes>, meter: &Meter) -> bool {
    if frames.is_empty() {
        return true;
    }
    metrics::bytes_out(frames.iter().map(Bytes::len).sum());
    let mut writing = pin!(async {
        for frame in frames {
            sink.feed(Message::Binary(frame)).await?;
        }
        sink.flush().await
    });
    let patience = Duration::from_millis(NO_PROGRESS_MS_MAX);
    loop {
        let before = meter.written_bytes();
        match timeout(patience, &mut writing).await {
            Ok(result) => return result.is_ok(),
            Err(_) if meter.written_bytes() == before => {
                metrics::closed(Close::NoProgress.label());
                return false;
            }
            Err(_) => {}
        }
    }
}
