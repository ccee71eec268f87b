//! One virtual user: it connects, writes by its rates, counts what comes, and tells at the end what did not.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use roomtone_crdt::{ClientId, ConnectionId, Doc, Reader, StateVector, Update};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::connect::connect;
use crate::ledger::{Received, RoomLedger, Sent};
use crate::metrics::{Counter, Metrics, Trend};
use crate::pen::Pen;
use crate::scenario::{Action, Choose, Habit, Kind, Scenario, Speech, Target};
use crate::wire::{Heard, Wire};

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
    /// Its seed.
    pub seed: u64,
    /// Who wrote what in its room.
    pub ledger: Arc<RoomLedger>,
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
    /// Edits that wait for "saved": the clock behind each, and when it was sent.
    unsaved: VecDeque<(u32, Instant)>,
    verified_at: Option<Instant>,
    is_slow: bool,
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
    let mut user = User {
        wire: Wire::new(brief.scenario.dialect, room.clone()),
        pen: Pen::new(client),
        own,
        actions: draw(&brief.scenario, &mut rng),
        rng,
        acted: 0,
        received: HashMap::new(),
        strangers: HashMap::new(),
        doc: brief.keeps_doc.then(Doc::new),
        presence_clock: 0,
        unsaved: VecDeque::new(),
        verified_at: None,
        is_slow: false,
        brief,
    };
    let mut is_first = true;
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
    Remains {
        doc: user.doc.take().map(|doc| (room, doc)),
    }
}

/// What it does, each with the time of its first: spread over one interval, so that a crowd does not march in step.
fn draw(scenario: &Scenario, rng: &mut SmallRng) -> Vec<(Action, Instant)> {
    let chosen: Vec<&Action> = match scenario.choose {
        Choose::All => scenario.actions.iter().collect(),
        Choose::ByWeight => {
            let mut left = rng.random_range(
                0.0..scenario
                    .actions
                    .iter()
                    .map(|one| one.weight)
                    .sum::<f64>()
                    .max(1e-9),
            );
            let one = scenario.actions.iter().find(|one| {
                left -= one.weight;
                left < 0.0
            });
            one.or(scenario.actions.last()).into_iter().collect()
        }
    };
    let now = Instant::now();
    chosen
        .into_iter()
        .map(|one| {
            (
                one.clone(),
                now + Duration::from_secs_f64(rng.random_range(0.0..1.0) / one.per_s),
            )
        })
        .collect()
}

impl User {
    fn is_over(&self) -> bool {
        *self.brief.phase.borrow() == Phase::End || self.brief.leaves.is_some_and(|at| Instant::now() >= at)
    }

    /// When the next action is due. Never while the run drains.
    fn next_action(&self) -> Option<Instant> {
        if *self.brief.phase.borrow() != Phase::Run
            || self.brief.actions_max.is_some_and(|max| self.acted >= max)
        {
            return None;
        }
        self.actions.iter().map(|(_, at)| *at).min()
    }

    /// Does what is due and gives the frames that say so.
    fn act(&mut self) -> Vec<Bytes> {
        let now = Instant::now();
        let mut frames = Vec::new();
        for place in 0..self.actions.len() {
            while self.actions[place].1 <= now {
                let (action, at) = &mut self.actions[place];
                *at += Duration::from_secs_f64(1.0 / action.per_s);
                // What could not be done in time is left out, not made up for all at once.
                if *at + Duration::from_secs(1) < now {
                    *at = now;
                    self.brief.metrics.error("generator too slow");
                }
                let action = action.clone();
                self.acted += 1;
                self.perform(&action, &mut frames);
            }
        }
        frames
    }

    fn perform(&mut self, action: &Action, frames: &mut Vec<Bytes>) {
        let update = match action.kind {
            Kind::Cursor => {
                frames.push(self.presence());
                return;
            }
            Kind::Typing => self.pen.write(action.chars),
            Kind::Drag => self.pen.drag(),
            Kind::Chat => self.pen.chat(action.chars),
        };
        let now = Instant::now();
        self.own.lock().edits.push((self.pen.clock(), now));
        self.brief.metrics.add(Counter::Edits, 1);
        frames.push(self.wire.update(&update));
        if self.wire.speech() != Speech::YWebsocket {
            self.unsaved.push_back((self.pen.clock(), now));
        }
        frames.extend(self.wire.ask_saved(u64::from(self.pen.clock())));
        if action.cursor {
            frames.push(self.presence());
        }
        let mine = Bytes::from(update);
        self.apply(&mine);
    }

    fn presence(&mut self) -> Bytes {
        self.presence_clock += 1;
        let number = {
            let mut sent = self.own.lock();
            sent.presence.push(Instant::now());
            sent.presence.len()
        };
        self.brief.metrics.add(Counter::PresenceSent, 1);
        // As large as what editors send: who, which colour, where.
        let state = format!(
            "{{\"n\":{number},\"user\":{{\"name\":\"virtual user {}\",\"color\":\"#30bced\",\"colorLight\":\"#30bced33\"}},\
             \"cursor\":{{\"anchor\":{{\"type\":null,\"tname\":\"text\",\"item\":{{\"client\":{},\"clock\":{}}},\"assoc\":0}}}}}}",
            self.brief.vu,
            self.pen.client(),
            self.pen.clock()
        );
        self.wire.presence(self.pen.client(), self.presence_clock, &state)
    }

    /// One connection, from its first byte to its end.
    async fn session(&mut self, is_first: &mut bool) -> Ended {
        let metrics = self.brief.metrics.clone();
        let began = Instant::now();
        let url = self.wire.url(&self.brief.target, self.brief.token.as_deref());
        let mut socket = match timeout(SYNC_PATIENCE, connect(&url)).await {
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
        metrics.record(Trend::Connect, &[ms(began)]);
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
        let mut frames = vec![self.wire.step1(&StateVector::from_pairs(clocks))];
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
        loop {
            let is_draining = *phase.borrow() != Phase::Run;
            if self.is_over() {
                return Ended::Done;
            }
            if is_draining && paused_until.is_none() && synced.is_some() && self.has_all() {
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
                () = tokio::time::sleep(LOOK_PAUSE), if is_draining => {}
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

    fn hear(
        &mut self,
        frame: &Bytes,
        opened: Instant,
        synced: &mut Option<Instant>,
    ) -> Result<Vec<Bytes>, String> {
        let heard = self
            .wire
            .read(frame)
            .map_err(|error| format!("a frame that cannot be read: {error}"))?;
        let mut answers = Vec::new();
        for one in heard {
            match one {
                Heard::Authenticated => answers.extend(self.opening()),
                Heard::Step1(have) => {
                    let have =
                        StateVector::decode(&have).map_err(|error| format!("a bad state vector: {error}"))?;
                    let mine = self.pen.since(have.get(self.pen.client()));
                    answers.push(self.wire.step2(&mine));
                }
                Heard::Step2(update) => {
                    let now = *synced.get_or_insert_with(|| {
                        self.brief.metrics.record(Trend::Sync, &[ms(opened)]);
                        Instant::now()
                    });
                    // Who returns counts what it missed from the moment it was sent.
                    self.take(&update, if self.received.is_empty() { now } else { opened }, true)?;
                }
                Heard::Update(update) => self.take(&update, opened, synced.is_some())?,
                Heard::Awareness(payload) => {
                    if self.take_presence(&payload, opened)? && self.brief.scenario.echo_presence {
                        answers.push(self.wire.awareness(&payload));
                    }
                }
                Heard::Status(true) => {
                    if let Some((clock, at)) = self.unsaved.pop_front() {
                        self.saved(clock, at);
                    }
                }
                Heard::Status(false) => {
                    self.unsaved.pop_front();
                    self.brief.metrics.error("an edit was refused");
                }
                Heard::Saved(version) => {
                    while let Some((clock, at)) = self
                        .unsaved
                        .pop_front_if(|(clock, _)| u64::from(*clock) <= version)
                    {
                        self.saved(clock, at);
                    }
                }
                Heard::Denied(why) => return Err(format!("denied: {why}")),
                Heard::Other => {}
            }
        }
        Ok(answers)
    }

    fn saved(&mut self, clock: u32, at: Instant) {
        self.brief.metrics.record(Trend::Ack, &[ms(at)]);
        let is_due = self
            .verified_at
            .is_none_or(|at| at.elapsed() > Duration::from_millis(100));
        if is_due && self.brief.verify_acks > 0.0 && self.rng.random_bool(self.brief.verify_acks) {
            self.verified_at = Some(Instant::now());
            tokio::spawn(verify(
                self.wire.clone(),
                self.brief.target.clone(),
                self.brief.token.clone(),
                (self.pen.client(), clock),
                self.brief.metrics.clone(),
            ));
        }
    }

    /// Before it is synced a hole is nothing strange: the rest is still to come.
    fn take(&mut self, update: &Bytes, since: Instant, is_synced: bool) -> Result<(), String> {
        let checked = Update::check(update.clone())
            .map_err(|error| format!("an update that cannot be read: {error}"))?;
        let metrics = &self.brief.metrics;
        for range in &checked.extent().structs {
            if range.client == self.pen.client() {
                continue;
            }
            let received = match self.received.get_mut(&range.client) {
                Some(received) => received,
                None => match self.brief.ledger.writer(range.client) {
                    Some(sent) => self.received.entry(range.client).or_insert(Received::new(sent)),
                    // What was in the document before this run.
                    None => {
                        let known = self.strangers.entry(range.client).or_default();
                        *known = range.to.max(*known);
                        continue;
                    }
                },
            };
            let arrived = received.take(range.from, range.to, since);
            metrics.add(Counter::Gaps, u64::from(arrived.is_gap && is_synced));
            metrics.add(Counter::Deliveries, arrived.delivery_ms.len() as u64);
            metrics.record(Trend::Delivery, &arrived.delivery_ms);
        }
        self.apply(update);
        Ok(())
    }

    fn apply(&mut self, update: &Bytes) {
        if let Some(doc) = &mut self.doc
            && let Ok(update) = Update::check(update.clone())
            && let Err(error) = doc.apply(&[(ConnectionId(1), update)])
        {
            self.brief.metrics.error(&format!("a document broke: {error}"));
            self.doc = None;
        }
    }

    /// Whether anything in it was new.
    fn take_presence(&mut self, payload: &Bytes, since: Instant) -> Result<bool, String> {
        let mut reader = Reader::new(payload);
        let bad = |error| format!("presence that cannot be read: {error}");
        let mut is_news = false;
        for _ in 0..reader.var_uint().map_err(bad)? {
            let client = reader.var_uint().map_err(bad)?;
            reader.var_uint().map_err(bad)?;
            let state = reader.var_string().map_err(bad)?;
            if client == self.pen.client() {
                continue;
            }
            if state == "null" {
                // Of somebody who has left there is no last state.
                if let Some(received) = self.received.get_mut(&client) {
                    received.forget_presence();
                }
                continue;
            }
            let Some(number) = number_of(state) else {
                continue;
            };
            let received = match self.received.get_mut(&client) {
                Some(received) => received,
                None => match self.brief.ledger.writer(client) {
                    Some(sent) => self.received.entry(client).or_insert(Received::new(sent)),
                    None => continue,
                },
            };
            if let Some(latency_ms) = received.take_presence(number, since) {
                is_news = true;
                self.brief.metrics.add(Counter::PresenceReceived, 1);
                self.brief.metrics.record(Trend::Presence, &[latency_ms]);
            }
        }
        Ok(is_news)
    }

    /// Whether everything that anybody in the room sent is here.
    fn has_all(&self) -> bool {
        self.unsaved.is_empty() && self.missing() == (0, 0)
    }

    fn missing(&self) -> (usize, usize) {
        let mut sum = (0, 0);
        for (client, sent) in self.brief.ledger.all() {
            if client == self.pen.client() {
                continue;
            }
            let (edits, presence) = match self.received.get(&client) {
                Some(received) => received.missing(),
                None => Received::new(sent).missing(),
            };
            sum.0 += edits;
            sum.1 += presence;
        }
        sum
    }
}

impl Drop for User {
    /// Whoever stayed to the end says what never came.
    fn drop(&mut self) {
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

/// The number that every presence state of ours begins with.
fn number_of(state: &str) -> Option<usize> {
    let rest = &state[state.find("\"n\":")? + 4..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok().filter(|number| *number > 0)
}

/// Looks with a fresh connection whether an edit that was called saved is there.
async fn verify(
    wire: Wire,
    target: Arc<Target>,
    token: Option<Arc<str>>,
    edit: (ClientId, u32),
    metrics: Arc<Metrics>,
) {
    let looking = async {
        let mut socket = connect(&wire.url(&target, token.as_deref())).await.ok()?;
        let step1 = wire.step1(&StateVector::default());
        let first = wire.auth(token.as_deref()).unwrap_or_else(|| step1.clone());
        socket.send(Message::Binary(first)).await.ok()?;
        while let Some(Ok(frame)) = socket.next().await {
            let Message::Binary(frame) = frame else { continue };
            for heard in wire.read(&frame).ok()? {
                match heard {
                    Heard::Authenticated => socket.send(Message::Binary(step1.clone())).await.ok()?,
                    Heard::Step2(update) => {
                        let update = Update::check(update).ok()?;
                        let has =
                            |range: &roomtone_crdt::ClockRange| range.client == edit.0 && range.to >= edit.1;
                        return Some(update.extent().structs.iter().any(has));
                    }
                    _ => {}
                }
            }
        }
        None
    };
    match timeout(SYNC_PATIENCE, looking).await {
        Ok(Some(true)) => {}
        Ok(Some(false)) => metrics.add(Counter::EarlyAcks, 1),
        Ok(None) | Err(_) => metrics.error("an acknowledgement could not be checked"),
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
