//! One virtual user: it connects, writes by its rates, counts what comes, and tells at the end what did not.

mod acting;
mod catching_up;
mod hearing;
mod probe;
mod replaying;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use roomtone_crdt::{ClientId, Doc, StateVector};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use acting::draw;
use catching_up::Goal;
use replaying::{FLAT_OUT_WRITE_BYTES, Haste, Replayer};

use crate::connect::connect;
use crate::ledger::{Received, RoomLedger, Sent};
use crate::metrics::{Counter, Metrics, Trend};
use crate::pen::Pen;
use crate::replay::Replays;
use crate::scenario::{Action, Habit, Kind, Scenario, Target};
use crate::wire::Wire;

/// What the whole run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everybody works.
    Run,
    /// Nobody writes any more; what is on its way arrives.
    Drain,
    /// Time is up.
    End,
}

/// What a virtual user is made of.
pub struct Brief {
    /// Its crowd.
    pub scenario: Arc<Scenario>,
    /// Where the server is.
    pub target: Arc<Target>,
    /// The token, if there is one.
    pub token: Option<Arc<str>>,
    /// Which of its crowd it is.
    pub vu: usize,
    /// When it leaves; none stays.
    pub leaves: Option<Instant>,
    /// How often it acts at most.
    pub actions_max: Option<u64>,
    /// Whether it keeps a real document.
    pub keeps_doc: bool,
    /// Share of acknowledgements that are checked.
    pub verify_acks: f64,
    /// When its scenario began: those who do something together count from here.
    pub scenario_began: Instant,
    /// When it is to come.
    pub due: Instant,
    /// Whether it says that it is through as soon as it has caught up.
    pub ends_caught_up: bool,
    /// Its seed.
    pub seed: u64,
    /// Who wrote what in its room.
    pub ledger: Arc<RoomLedger>,
    /// The traces of the run.
    pub replays: Arc<Replays>,
    /// Told once: when it has replayed all that it had and somebody has it, or when it has caught up.
    pub through: mpsc::UnboundedSender<()>,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
    /// What the run is doing.
    pub phase: watch::Receiver<Phase>,
}

/// What is left of it.
#[derive(Default)]
pub struct Remains {
    /// The room it was in at the end, and its document where it kept one.
    pub doc: Option<(String, Doc)>,
}

type Socket = WebSocketStream<TcpStream>;

/// A connection that is lost for good is tried again after this.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How often it looks whether all has arrived, when nobody writes any more.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// Nobody leaves before this, when nobody writes any more.
const SETTLE_TIME: Duration = Duration::from_millis(300);
const SYNC_PATIENCE: Duration = Duration::from_secs(30);

struct User {
    brief: Brief,
    wire: Wire,
    pen: Pen,
    own: Arc<Sent>,
    rng: SmallRng,
    actions: Vec<(Action, Instant)>,
    acted: u64,
    received: HashMap<ClientId, Received>,
    strangers: HashMap<ClientId, u32>,
    doc: Option<Doc>,
    presence_clock: u64,
    /// Edits that wait for "saved".
    unsaved: VecDeque<Unsaved>,
    /// How many edits it sent.
    sent_count: u64,
    replayer: Option<Replayer>,
    /// How far it has to come before it has caught up, on this connection; none when it has.
    goal: Option<Goal>,
    /// Whether it has said so.
    is_caught_up: bool,
    verified_at: Option<Instant>,
    is_slow: bool,
}

/// An edit that waits for "saved".
#[derive(Clone, Copy)]
struct Unsaved {
    /// Which of the edits it is, from 1.
    version: u64,
    /// The clock behind it.
    clock: u32,
    /// When it was sent.
    at: Instant,
}

/// How a connection ended.
enum Ended {
    /// The user is done.
    Done,
    /// It drops the connection on purpose, and returns then.
    Away(Instant),
    /// It was cut off.
    Cut,
}

/// Lives a virtual user's life.
pub async fn live(brief: Brief) -> Remains {
    let mut rng = SmallRng::seed_from_u64(brief.seed);
    let client = rng.random_range(1..u64::from(u32::MAX));
    let room = brief.scenario.room_of(brief.vu);
    let own = brief.ledger.enter(client);
    let actions = draw(&brief.scenario, &mut rng);
    let mut user = User {
        wire: Wire::new(brief.scenario.dialect, room.clone()),
        pen: Pen::new(client),
        own,
        replayer: Replayer::of(&actions, &brief.replays),
        actions,
        rng,
        acted: 0,
        received: HashMap::new(),
        strangers: HashMap::new(),
        doc: brief.keeps_doc.then(Doc::new),
        presence_clock: 0,
        unsaved: VecDeque::new(),
        sent_count: 0,
        goal: None,
        is_caught_up: false,
        verified_at: None,
        is_slow: false,
        brief,
    };
    let mut is_first = true;
    let metrics = user.brief.metrics.clone();
    loop {
        if user.is_over() {
            break;
        }
        match user.session(&mut is_first).await {
            Ended::Done => break,
            Ended::Away(until) => user.work_offline(until).await,
            Ended::Cut => tokio::time::sleep(RETRY_PAUSE).await,
        }
    }
    metrics.add(Counter::Clocks, u64::from(user.pen.clock()));
    if user.replayer.is_some() && user.doc.is_some() {
        // As a whole and not edit by edit: a document beside the replay would slow it down.
        let mine = Bytes::from(user.pen.since(0));
        user.apply(&mine);
    }
    Remains {
        doc: user.doc.take().map(|doc| (room, doc)),
    }
}

impl User {
    /// Into a trend, where what it sees is measured.
    fn measure(&self, trend: Trend, values_ms: &[f64]) {
        if self.brief.scenario.measured {
            self.brief.metrics.record(trend, values_ms);
        }
    }

    fn is_over(&self) -> bool {
        *self.brief.phase.borrow() == Phase::End || self.brief.leaves.is_some_and(|at| Instant::now() >= at)
    }

    /// One connection, from its first byte to its end.
    async fn session(&mut self, is_first: &mut bool) -> Ended {
        let metrics = self.brief.metrics.clone();
        let began = Instant::now();
        // The first time from when it was to come: what the generator makes it wait is not hidden.
        self.goal = Some(self.goal_from(if *is_first { self.brief.due } else { began }));
        let url = self.wire.url(&self.brief.target, self.brief.token.as_deref());
        let write_buffer_bytes = match &self.replayer {
            Some(replayer) if replayer.is_flat_out() => FLAT_OUT_WRITE_BYTES,
            _ => 0,
        };
        self.wire.begin();
        let connecting = connect(&url, self.wire.subprotocol(), write_buffer_bytes);
        let mut socket = match timeout(SYNC_PATIENCE, connecting).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => {
                metrics.error(&format!("connect: {error}"));
                return Ended::Cut;
            }
            Err(_) => {
                metrics.error("connect: no answer in 30 s");
                return Ended::Cut;
            }
        };
        self.measure(Trend::Connect, &[ms(began)]);
        metrics.add(Counter::Connections, 1);
        if !std::mem::replace(is_first, false) {
            metrics.add(Counter::Reconnects, 1);
        }
        // What was not confirmed on the old connection is told again in the handshake.
        self.unsaved.clear();
        let opened = Instant::now();
        let first = match self.wire.auth(self.brief.token.as_deref()) {
            Some(auth) => vec![auth],
            None => self.opening(),
        };
        if send(&mut socket, &metrics, first).await.is_err() {
            return Ended::Cut;
        }
        let ended = self.converse(&mut socket, opened).await;
        match ended {
            // A real client says good-bye.
            Ended::Done => drop(timeout(Duration::from_secs(1), socket.close(None)).await),
            Ended::Away(_) | Ended::Cut => {}
        }
        ended
    }

    fn opening(&mut self) -> Vec<Bytes> {
        let mut clocks: Vec<(ClientId, u32)> = self
            .received
            .iter()
            .map(|(client, received)| (*client, received.clock()))
            .collect();
        clocks.extend(self.strangers.iter().map(|(client, clock)| (*client, *clock)));
        clocks.push((self.pen.client(), self.pen.clock()));
        let have = StateVector::from_pairs(clocks);
        let mut frames = vec![self.wire.step1(&have, self.brief.token.as_deref())];
        if self
            .actions
            .iter()
            .any(|(action, _)| action.kind == Kind::Cursor || action.cursor)
        {
            frames.push(self.presence());
        }
        frames
    }

    async fn converse(&mut self, socket: &mut Socket, opened: Instant) -> Ended {
        let metrics = self.brief.metrics.clone();
        let mut synced: Option<Instant> = None;
        let mut phase = self.brief.phase.clone();
        let mut paused_until: Option<Instant> = None;
        let mut pauses = match self.brief.scenario.habit {
            Habit::SlowReader { after_s, for_s } if !self.is_slow => Some((seconds(after_s), seconds(for_s))),
            Habit::SlowReader { .. } | Habit::Stay | Habit::Away { .. } => None,
        };
        let leaves_for = self.next_absence();
        let own = self.own.clone();
        let mut draining_since: Option<Instant> = None;
        loop {
            self.tell_through();
            let haste = self.haste(synced.is_some());
            let is_draining = *phase.borrow() != Phase::Run;
            if self.is_over() {
                return Ended::Done;
            }
            // Not at once: somebody may be in the middle of an edit that nobody knows of yet.
            let is_settled =
                is_draining && draining_since.get_or_insert_with(Instant::now).elapsed() > SETTLE_TIME;
            if is_settled && paused_until.is_none() && synced.is_some() && self.has_all() {
                return Ended::Done;
            }
            let pause_at = pauses
                .filter(|_| paused_until.is_none())
                .map(|(after, _)| opened + after);
            tokio::select! {
                frame = socket.next(), if paused_until.is_none() => {
                    let Some(Ok(frame)) = frame else {
                        metrics.error("the server ended the connection");
                        return Ended::Cut;
                    };
                    let is_news = matches!(frame, Message::Binary(_));
                    let answers = match frame {
                        Message::Binary(frame) => {
                            metrics.add(Counter::MessagesIn, 1);
                            metrics.add(Counter::BytesIn, frame.len() as u64);
                            match self.hear(&frame, opened, &mut synced) {
                                Ok(answers) => answers,
                                Err(what) => {
                                    metrics.error(&what);
                                    return Ended::Cut;
                                }
                            }
                        }
                        Message::Close(why) => {
                            let code = why.map_or(1005, |why| u16::from(why.code));
                            metrics.error(&format!("closed with {code}"));
                            return Ended::Cut;
                        }
                        Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Vec::new(),
                    };
                    if is_news && synced.is_some() {
                        self.look_whether_caught_up();
                    }
                    if send(socket, &metrics, answers).await.is_err() {
                        return Ended::Cut;
                    }
                }
                () = at(self.next_action().filter(|_| synced.is_some())) => {
                    let frames = self.act();
                    if send(socket, &metrics, frames).await.is_err() {
                        return Ended::Cut;
                    }
                }
                () = std::future::ready(()), if haste == Haste::Now => {
                    let frames = self.act_flat_out();
                    if send(socket, &metrics, frames).await.is_err() {
                        return Ended::Cut;
                    }
                }
                // The loop looks again.
                () = own.arrival.notified(), if haste == Haste::Waits => {}
                () = at(self.brief.leaves) => return Ended::Done,
                () = at(leaves_for.filter(|_| !is_draining).map(|(from, _)| from)) => {
                    return Ended::Away(leaves_for.map_or(opened, |(_, until)| until));
                }
                () = at(pause_at) => {
                    paused_until = pauses.take().map(|(_, length)| Instant::now() + length);
                    self.is_slow = true;
                }
                () = at(paused_until) => paused_until = None,
                () = at(synced.is_none().then(|| opened + SYNC_PATIENCE)) => {
                    metrics.error("no document in 30 s");
                    return Ended::Cut;
                }
                _ = phase.changed() => {}
                () = tokio::time::sleep(LOOK_PAUSE), if is_draining || haste == Haste::Waits => {}
            }
        }
    }

    /// When it drops its connection, and when it returns.
    fn next_absence(&mut self) -> Option<(Instant, Instant)> {
        let Habit::Away {
            every_s,
            away_s,
            together,
        } = self.brief.scenario.habit
        else {
            return None;
        };
        let from = if together {
            let turns = (self.brief.scenario_began.elapsed().as_secs_f64() / every_s).floor() + 1.0;
            self.brief.scenario_began + seconds(turns * every_s)
        } else {
            Instant::now() + seconds(every_s * self.rng.random_range(0.5..1.5))
        };
        Some((from, from + seconds(away_s)))
    }

    /// It writes on without a connection; what it wrote goes out with the next handshake.
    async fn work_offline(&mut self, until: Instant) {
        loop {
            let mut phase = self.brief.phase.clone();
            tokio::select! {
                () = at(self.next_action()) => drop(self.act()),
                () = sleep_until(until.into()) => return,
                _ = phase.changed() => return,
            }
        }
    }
}

impl Drop for User {
    /// Whoever stayed to the end says what never came.
    fn drop(&mut self) {
        self.brief.ledger.leave();
        if *self.brief.phase.borrow() == Phase::Run || self.brief.leaves.is_some() {
            return;
        }
        let (edits, presence) = self.missing();
        self.brief.metrics.add(Counter::Undelivered, edits as u64);
        self.brief
            .metrics
            .add(Counter::UndeliveredPresence, presence as u64);
    }
}

async fn send(socket: &mut Socket, metrics: &Metrics, frames: Vec<Bytes>) -> Result<(), ()> {
    if frames.is_empty() {
        return Ok(());
    }
    for frame in frames {
        metrics.add(Counter::MessagesOut, 1);
        metrics.add(Counter::BytesOut, frame.len() as u64);
        socket.feed(Message::Binary(frame)).await.map_err(|_| ())?;
    }
    socket.flush().await.map_err(|_| ())
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}
