//! Sessions of the native dialect over plain HTTP, for networks that let no WebSocket pass: what a client says comes with POST, what it
//! hears is fetched with GET.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use roomtone_crdt::{Dialect, native};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::app::App;
use crate::close::Close;
use crate::limits::{
    CLOSE_MS_MAX, POLL_MS_MAX, POLLED_FRAMES_COUNT_MAX, POLLED_SESSIONS_COUNT_MAX, POLLED_SILENCE_MS_MAX,
    PROBE_MS_MAX,
};
use crate::listener::Meter;
use crate::metrics;
use crate::outbox::{Outbox, Outgoing};
use crate::socket::Native;

/// The sessions of this node, by the names that their clients drew.
#[derive(Clone, Default)]
pub struct Sessions {
    by_name: Arc<DashMap<String, Arc<Polled>>>,
}

/// One session.
pub(crate) struct Polled {
    inbound: mpsc::Sender<Bytes>,
    outbox: Outbox,
    meter: Meter,
    opened: Instant,
    /// When something was heard of the client last, in milliseconds after it was opened.
    heard_ms: AtomicU64,
    /// The number of the last frame that was taken.
    taken: Mutex<u64>,
    fetched: Mutex<Fetched>,
    /// The number of the newest fetch: an older one gives way.
    newest: watch::Sender<u64>,
    /// The client has left.
    goodbye: Notify,
    /// The client has been handed the end.
    told: Notify,
    /// When the client has to show life, because another connection claims its awareness id.
    probed_ms: watch::Sender<Option<u64>>,
}

/// What was handed out last, for a client that did not get it.
#[derive(Default)]
struct Fetched {
    number: u64,
    body: Bytes,
    has_ended: bool,
}

/// Why a request about a session cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is none of that name, or not any more: the client begins anew.
    Gone,
    /// Its number is not the next one.
    OutOfStep,
    /// It holds more than may be said before a token was shown.
    TooEarly,
    /// There are too many sessions.
    Full,
}

impl Sessions {
    /// The session of this name. A first frame opens one.
    pub(crate) fn of(&self, app: &App, name: &str, is_first: bool) -> Result<Arc<Polled>, Fault> {
        if !is_first {
            let known = self.by_name.get(name).map(|polled| polled.clone());
            return known.ok_or(Fault::Gone);
        }
        if self.by_name.len() >= POLLED_SESSIONS_COUNT_MAX {
            return Err(Fault::Full);
        }
        match self.by_name.entry(name.to_owned()) {
            // The answer to its first frame was lost.
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(vacant) => {
                let (inbound, frames) = mpsc::channel(POLLED_FRAMES_COUNT_MAX);
                let polled = Arc::new(Polled {
                    inbound,
                    outbox: Outbox::new(app.limits().outbox_bytes_max),
                    meter: Meter::default(),
                    opened: Instant::now(),
                    heard_ms: AtomicU64::new(0),
                    taken: Mutex::default(),
                    fetched: Mutex::default(),
                    newest: watch::Sender::new(0),
                    goodbye: Notify::new(),
                    told: Notify::new(),
                    probed_ms: watch::Sender::new(None),
                });
                vacant.insert(polled.clone());
                tokio::spawn(
                    self.clone()
                        .serve(app.clone(), name.to_owned(), polled.clone(), frames),
                );
                Ok(polled)
            }
        }
    }

    /// The client says goodbye.
    pub(crate) fn end(&self, name: &str) {
        // Its task ends when nobody can send to it any more.
        if let Some((_, polled)) = self.by_name.remove(name) {
            polled.outbox.shut();
            polled.goodbye.notify_one();
            polled.newest.send_modify(|newest| *newest += 1);
        }
    }

    async fn serve(self, app: App, name: String, polled: Arc<Polled>, mut frames: mpsc::Receiver<Bytes>) {
        let _gauge = metrics::ConnectionGauge::open(Dialect::Native.as_str());
        let _entry = app.drain().clients().enter(polled.outbox.clone());
        let mut session = Native::new(app, polled.outbox.clone(), polled.meter.clone());
        let ended = polled.run(&mut session, &mut frames).await;
        session.leave();
        drop(frames);
        if let Err(close) = ended {
            polled.outbox.close(close);
        }
        // Whoever fetches once more hears why it ended.
        if self.by_name.contains_key(&name) {
            let _ = timeout(Duration::from_millis(CLOSE_MS_MAX), polled.told.notified()).await;
        }
        self.by_name
            .remove_if(&name, |_, known| Arc::ptr_eq(known, &polled));
        polled.outbox.shut();
    }
}

impl Polled {
    /// Takes a frame, if it is the next one. One that was taken already is a repetition: its answer was lost.
    pub(crate) async fn take(&self, number: u64, frame: Bytes) -> Result<(), Fault> {
        self.heard();
        let mut taken = self.taken.lock().await;
        if number <= *taken {
            return Ok(());
        }
        if number != *taken + 1 {
            return Err(Fault::OutOfStep);
        }
        if !self.meter.note_read(frame.len()) {
            self.outbox.close(Close::AuthTimeout);
            return Err(Fault::TooEarly);
        }
        metrics::bytes_in(frame.len());
        if self.inbound.send(frame).await.is_err() {
            return Err(Fault::Gone);
        }
        *taken = number;
        Ok(())
    }

    /// What waits for the client, once something does; nothing after a while. The same number again gets the same again.
    pub(crate) async fn fetch(&self, number: u64) -> Result<Bytes, Fault> {
        self.heard();
        let mut newest = self.newest.subscribe();
        let mine = {
            let mut mine = 0;
            self.newest.send_modify(|newest| {
                *newest += 1;
                mine = *newest;
            });
            mine
        };
        let mut fetched = self.fetched.lock().await;
        if number == fetched.number {
            return Ok(fetched.body.clone());
        }
        if number != fetched.number + 1 {
            return Err(Fault::OutOfStep);
        }
        if fetched.has_ended {
            return Err(Fault::Gone);
        }
        let give_way = async {
            // The sender is ours: it never ends before.
            let _ = newest.wait_for(|newest| *newest > mine).await;
        };
        let outgoing = tokio::select! {
            outgoing = self.outbox.take() => outgoing,
            () = give_way => Outgoing::default(),
            () = sleep(Duration::from_millis(POLL_MS_MAX)) => Outgoing::default(),
        };
        // No waiting from here on: what was taken out is kept.
        if outgoing.close.is_some() {
            fetched.has_ended = true;
            self.told.notify_one();
        }
        fetched.body = self.body_of(outgoing);
        fetched.number = number;
        self.heard();
        Ok(fetched.body.clone())
    }

    fn body_of(&self, outgoing: Outgoing) -> Bytes {
        let mut body = BytesMut::new();
        for frame in &outgoing.frames {
            body.extend_from_slice(frame);
        }
        if outgoing.probe {
            body.extend_from_slice(&native::ping(&[]));
            let ends_ms = self.now_ms() + PROBE_MS_MAX;
            self.probed_ms.send_replace(Some(ends_ms));
        }
        if let Some(close) = outgoing.close {
            metrics::closed(close.label());
            body.extend_from_slice(&native::closed(close.code(), close.reason()));
        }
        metrics::bytes_out(body.len());
        outgoing.drained();
        body.freeze()
    }

    /// Passes frames on until the session ends. `Err`: we end it.
    async fn run(&self, session: &mut Native, frames: &mut mpsc::Receiver<Bytes>) -> Result<(), Close> {
        let mut probed = self.probed_ms.subscribe();
        loop {
            let probe_ends_ms = *probed.borrow_and_update();
            let silent_at = self.opened
                + Duration::from_millis(self.heard_ms.load(Ordering::Relaxed) + POLLED_SILENCE_MS_MAX);
            let probe_at = probe_ends_ms.map(|ms| self.opened + Duration::from_millis(ms));
            let due = [session.deadline(), probe_at]
                .into_iter()
                .flatten()
                .fold(silent_at, Instant::min);
            tokio::select! {
                frame = frames.recv() => match frame {
                    Some(frame) => session.receive(frame).await?,
                    None => return Ok(()),
                },
                _ = probed.changed() => {}
                () = self.goodbye.notified() => return Ok(()),
                () = sleep_until(due) => {
                    let heard_ms = self.heard_ms.load(Ordering::Relaxed);
                    if probe_ends_ms.is_some_and(|ends_ms| self.now_ms() >= ends_ms) {
                        if probe_ends_ms.is_some_and(|ends_ms| heard_ms + PROBE_MS_MAX < ends_ms) {
                            return Ok(());
                        }
                        self.probed_ms.send_replace(None);
                    }
                    if self.now_ms() >= heard_ms + POLLED_SILENCE_MS_MAX {
                        return Ok(());
                    }
                    if session.deadline().is_some_and(|at| at <= Instant::now()) {
                        session.on_deadline()?;
                    }
                }
            }
        }
    }

    fn heard(&self) {
        self.heard_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64
    }
}
