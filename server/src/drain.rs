//! The way out: no more joins, everybody sent away a few at a time, everything saved. With the end of the process behind it, or not.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use crate::hub::Hub;
use crate::limits::{DRAIN_STEP_MS, DRAIN_WINDOW_MS_MAX, DRAIN_WINDOW_MS_MIN, RETURN_MS_MAX, STOP_MS_MAX};
use crate::metrics;
use crate::outbox::Outbox;
use crate::saver::Saver;

/// The time over which clients are sent away: none at all, or so long that no more than a fifth of them go in any second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(Duration);

/// A window that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a window is 0 (all at once) or from {DRAIN_WINDOW_MS_MIN} to {DRAIN_WINDOW_MS_MAX} ms: no more than a fifth of the clients go in any second"
)]
pub struct BadWindow;

impl Window {
    /// Everybody at once.
    pub const NONE: Window = Window(Duration::ZERO);

    /// So many milliseconds.
    ///
    /// # Errors
    /// [`BadWindow`] says what fits.
    pub fn from_ms(ms: u64) -> Result<Window, BadWindow> {
        match ms {
            0 | DRAIN_WINDOW_MS_MIN..=DRAIN_WINDOW_MS_MAX => Ok(Window(Duration::from_millis(ms))),
            _ => Err(BadWindow),
        }
    }

    /// Its length in milliseconds.
    pub fn as_ms(self) -> u64 {
        self.0.as_millis() as u64
    }

    /// Whether everybody goes at once.
    pub fn is_none(self) -> bool {
        self.0.is_zero()
    }
}

/// How far the drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// There is none: joins are welcome.
    Serving,
    /// Clients are sent away, and rooms save.
    Draining,
    /// Nobody is here any more, and everything is saved.
    Drained,
    /// Nobody is here any more, and the store has not taken everything. What is missing was never acknowledged, and is tried again
    /// for as long as the process lives.
    Unsaved,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Serving => "serving",
            Stage::Draining => "draining",
            Stage::Drained => "drained",
            Stage::Unsaved => "unsaved",
        })
    }
}

/// What there is to know about a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How far it is.
    pub stage: Stage,
    /// Over how long clients are sent away, in milliseconds; 0 before it begins.
    pub window_ms: u64,
    /// Sockets that were open when it began.
    pub clients_at_start_count: usize,
    /// Sockets that are open.
    pub clients_count: usize,
    /// Rooms in memory.
    pub rooms_count: usize,
    /// Accepted edits that the store has not taken yet, in bytes.
    pub unsaved_bytes: usize,
}

/// The open sockets of this node, so that each can be sent away.
#[derive(Clone, Default)]
pub struct Clients {
    shared: Arc<Open>,
}

#[derive(Default)]
struct Open {
    outboxes: DashMap<u64, Outbox>,
    last: AtomicU64,
}

impl Clients {
    /// A socket opens. Dropping the entry is its end.
    pub fn enter(&self, outbox: Outbox) -> Entry {
        let number = self.shared.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared.outboxes.insert(number, outbox);
        Entry {
            open: self.shared.clone(),
            number,
        }
    }

    /// Sockets that are open.
    pub fn count(&self) -> usize {
        self.shared.outboxes.len()
    }

    /// All of them, in the order in which they came.
    fn all(&self) -> Vec<(u64, Outbox)> {
        let mut all: Vec<_> = self
            .shared
            .outboxes
            .iter()
            .map(|open| (*open.key(), open.value().clone()))
            .collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all
    }

    fn is_here(&self, number: u64) -> bool {
        self.shared.outboxes.contains_key(&number)
    }
}

/// The place of one socket among the open ones.
pub struct Entry {
    open: Arc<Open>,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.open.outboxes.remove(&self.number);
    }
}

/// A cheap handle to the one drain that a node has.
#[derive(Clone)]
pub struct Drain {
    shared: Arc<Shared>,
}

struct Shared {
    hub: Hub,
    saver: Saver,
    clients: Clients,
    begun: OnceLock<Begun>,
    stage: watch::Sender<Stage>,
}

struct Begun {
    window: Window,
    clients_count: usize,
}

impl Drain {
    /// Of a node that serves.
    pub fn new(hub: Hub, saver: Saver) -> Drain {
        Drain {
            shared: Arc::new(Shared {
                hub,
                saver,
                clients: Clients::default(),
                begun: OnceLock::new(),
                stage: watch::Sender::new(Stage::Serving),
            }),
        }
    }

    /// The open sockets.
    pub fn clients(&self) -> &Clients {
        &self.shared.clients
    }

    /// Begins: readiness turns red and joins are refused before this returns. There is one drain in the life of a process; a
    /// second beginning changes nothing.
    pub fn begin(&self, window: Window) {
        self.shared.hub.begin_stop();
        let mut is_first = false;
        self.shared.begun.get_or_init(|| {
            is_first = true;
            Begun {
                window,
                clients_count: self.shared.clients.count(),
            }
        });
        if is_first {
            self.shared.stage.send_replace(Stage::Draining);
            tokio::spawn(run(self.shared.clone(), window));
        }
    }

    /// Waits for its end, or until the store was given long enough. For ever while nobody begins it.
    pub async fn ended(&self) -> Stage {
        let mut stage = self.shared.stage.subscribe();
        let ended = stage
            .wait_for(|stage| matches!(stage, Stage::Drained | Stage::Unsaved))
            .await;
        // The sender is ours.
        ended.map_or(Stage::Unsaved, |stage| *stage)
    }

    /// How far it is, and a way to wait for more.
    pub fn watch(&self) -> watch::Receiver<Stage> {
        self.shared.stage.subscribe()
    }

    /// What there is to know.
    pub fn status(&self) -> Status {
        let begun = self.shared.begun.get();
        Status {
            stage: *self.shared.stage.borrow(),
            window_ms: begun.map_or(0, |begun| begun.window.as_ms()),
            clients_at_start_count: begun.map_or(0, |begun| begun.clients_count),
            clients_count: self.shared.clients.count(),
            rooms_count: self.shared.hub.rooms_count(),
            unsaved_bytes: self.shared.saver.backlog_bytes(),
        }
    }
}

async fn run(shared: Arc<Shared>, window: Window) {
    metrics::draining(true);
    tracing::info!(
        clients = shared.clients.count(),
        rooms = shared.hub.rooms_count(),
        window_ms = window.as_ms(),
        "draining: saving and telling clients to come back"
    );
    if window.is_none() {
        space_returns(&shared.clients);
    } else {
        send_away(&shared.clients, window).await;
    }
    let ends = Instant::now() + Duration::from_millis(STOP_MS_MAX);
    // Whoever is still in a room is sent away by it, once all that it said is saved.
    let is_saved = shared
        .hub
        .stop(ends.saturating_duration_since(Instant::now()))
        .await
        && timeout_at(ends, shared.saver.flush()).await.is_ok();
    // Sockets that are in no room.
    for (_, outbox) in shared.clients.all() {
        outbox.send_away();
    }
    if !is_saved {
        tracing::error!("not everything reached the store in time; what is missing was never acknowledged");
        shared.stage.send_replace(Stage::Unsaved);
        shared.saver.flush().await;
    }
    tracing::info!("drained");
    shared.stage.send_replace(Stage::Drained);
}

/// Sends everybody away, evenly over the window: those first who came first. A step that comes late makes the window longer, and
/// never two steps one. Ends early when nobody is left.
async fn send_away(clients: &Clients, window: Window) {
    let all = clients.all();
    let steps = (window.as_ms() / DRAIN_STEP_MS).max(1) as usize;
    let mut step = interval(Duration::from_millis(DRAIN_STEP_MS));
    step.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = 0;
    for number in 1..=steps {
        step.tick().await;
        let due = all.len() * number / steps;
        for (_, outbox) in &all[sent..due] {
            farewell(outbox);
        }
        sent = due;
        let is_anybody_left = all[sent..].iter().any(|(number, _)| clients.is_here(*number));
        if !is_anybody_left {
            break;
        }
    }
    // Their sockets read the code and go; what they said last is in their rooms by then.
    let gone = async {
        let mut look = interval(Duration::from_millis(DRAIN_STEP_MS));
        while all.iter().any(|(number, _)| clients.is_here(*number)) {
            look.tick().await;
        }
    };
    let _ = timeout(Duration::from_millis(crate::limits::CLOSE_MS_MAX), gone).await;
}

/// A client is told to come back at once: another node is there, and it was this one's turn.
fn farewell(outbox: &Outbox) {
    outbox.set_return_ms(0);
    outbox.send_away();
}

/// All go at once, and are told to come back one after the other: the node that they meet is not to be overrun.
fn space_returns(clients: &Clients) {
    let all = clients.all();
    let count = all.len().max(1) as u64;
    for (place, (_, outbox)) in (0..).zip(&all) {
        outbox.set_return_ms(place * RETURN_MS_MAX / count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_lets_no_more_than_a_fifth_go_in_a_second() {
        assert_eq!(Window::from_ms(0), Ok(Window::NONE));
        assert!(Window::from_ms(5_000).is_ok() && Window::from_ms(600_000).is_ok());
        for bad in [1, 4_999, 600_001, u64::MAX] {
            assert_eq!(Window::from_ms(bad), Err(BadWindow));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_go_evenly_and_never_more_than_a_fifth_in_a_second() {
        for count in [1_usize, 3, 7, 200, 1_001] {
            let clients = Clients::default();
            let outboxes: Vec<Outbox> = (0..count).map(|_| Outbox::new(1_000)).collect();
            let mut goings = Vec::new();
            for outbox in &outboxes {
                let (outbox, entry) = (outbox.clone(), clients.enter(outbox.clone()));
                goings.push(tokio::spawn(async move {
                    assert_eq!(outbox.take().await.close, Some(Close::Restart));
                    drop(entry);
                    Instant::now()
                }));
            }
            let started = Instant::now();
            send_away(&clients, Window::from_ms(5_000).expect("a window")).await;
            assert!(
                started.elapsed() <= Duration::from_millis(5_200),
                "{:?}",
                started.elapsed()
            );
            let mut at_ms = Vec::new();
            for going in goings {
                at_ms.push((going.await.expect("it went") - started).as_millis());
            }
            at_ms.sort_unstable();
            for (n, from) in at_ms.iter().enumerate() {
                let in_a_second = at_ms[n..].iter().take_while(|at| **at < from + 1_000).count();
                assert!(
                    in_a_second <= count.div_ceil(5),
                    "{count}: {in_a_second} from {from} ms on"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_does_not_wait_for_nobody() {
        let started = Instant::now();
        let clients = Clients::default();
        send_away(&clients, Window::from_ms(60_000).expect("a window")).await;
        // They leave by themselves.
        let entries = [(); 5].map(|()| clients.enter(Outbox::new(1_000)));
        let leaving = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(entries);
        });
        send_away(&clients, Window::from_ms(60_000).expect("a window")).await;
        leaving.await.expect("they left");
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "{:?}",
            started.elapsed()
        );
    }
}
