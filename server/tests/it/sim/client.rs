//! A client of one document as its provider behaves: it keeps a copy, edits it with and without a socket, and remembers what it
//! was told is saved.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use roomtone_crdt::{AwarenessUpdate, ClockRange, Doc, Message, Reader, Update, Writer};
use roomtone_persistence::DocId;
use roomtone_server::close::Close;
use roomtone_server::room::Voice;

use super::node::{Node, SERVER, Socket};
use super::trace::Trace;
use crate::peer::{Heard, decode};
use crate::yjs;

/// Presence is renewed so often, in milliseconds (y-protocols).
const RENEWAL_MS: u64 = 15_000;
/// A socket whose client is gone without a word lives so long, in milliseconds (`SILENCE_MS_MAX`).
pub(crate) const HALF_OPEN_MS: u64 = 30_000;
/// And so long when it is asked whether it lives (`PROBE_MS_MAX`).
const PROBE_MS: u64 = 1_000;

/// What a client was told is saved.
pub(crate) enum Told {
    /// An edit of its own.
    Edit(Update),
    /// Its own writing up to this clock: it came back as an echo.
    Clock(u64, u32),
}

/// How a client loses its socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parting {
    /// It says goodbye, and what it sent arrives.
    Goodbye,
    /// Both ends notice at once; what is on its way is lost.
    Cut,
    /// The server does not notice.
    HalfOpen,
}

/// A socket whose client is gone.
struct HalfOpen {
    node: usize,
    socket: Socket,
    ends_ms: u64,
}

/// One socket.
pub(crate) struct Session {
    pub(crate) node: usize,
    socket: Socket,
    to_server: VecDeque<(u64, Message, usize)>,
    to_client: VecDeque<(u64, Bytes)>,
    closing: Option<(u64, Close)>,
    /// It does not read before this.
    pub(crate) reads_from_ms: u64,
    /// Since when it has had its answer.
    pub(crate) synced_ms: Option<u64>,
    /// Hocuspocus: messages that are not acknowledged, as its provider counts them.
    unsynced_count: i64,
    /// What it had written when it opened.
    began_clock: u64,
}

/// A client.
pub(crate) struct Client {
    number: usize,
    /// Its Yjs client id. Whoever drops a copy begins with another one.
    pub(crate) id: u64,
    voice: Voice,
    pub(crate) doc_id: DocId,
    pub(crate) doc: Doc,
    clock: u64,
    random: StdRng,
    pub(crate) late_ms_max: u64,
    /// Clock and state of everyone; `None` for who is gone.
    present: BTreeMap<u64, (u64, Option<String>)>,
    presence_ms: u64,
    pub(crate) session: Option<Session>,
    half_open: Vec<HalfOpen>,
    /// Its edits that it was not told of, by its version.
    unsaved: VecDeque<(u64, u64, Update)>,
    version: u64,
    /// When it comes back, where it has no socket.
    pub(crate) back_ms: u64,
    pub(crate) told: Vec<Told>,
    pub(crate) holes_count: u64,
    /// Whether anything ever waited in it for its past, synced or not.
    pub(crate) has_waited: bool,
    pub(crate) edits_count: u64,
    /// Whom it does not show, because it knows a later clock of them from another node than it is told now. They show when they
    /// have renewed their presence often enough.
    pub(crate) outrun: BTreeSet<u64>,
}

impl Client {
    pub(crate) fn new(number: usize, doc_id: DocId, random: StdRng) -> Client {
        let voice = match number % 4 {
            0 => Voice::Hocuspocus(Arc::from(doc_id.name())),
            1 => Voice::YWebsocket,
            2 => Voice::YSweet,
            _ => Voice::Native(1),
        };
        let id = 100 * (number as u64 + 1);
        Client {
            number,
            id,
            voice,
            doc_id,
            doc: Doc::new(),
            clock: 0,
            random,
            late_ms_max: 12,
            present: BTreeMap::new(),
            presence_ms: 0,
            session: None,
            half_open: Vec::new(),
            unsaved: VecDeque::new(),
            version: 0,
            back_ms: 0,
            told: Vec::new(),
            holes_count: 0,
            has_waited: false,
            edits_count: 0,
            outrun: BTreeSet::new(),
        }
    }

    /// Opens a socket to a node and says what a provider says first.
    pub(crate) fn connect(&mut self, number: usize, node: &Node, now_ms: u64, trace: &mut Trace) {
        trace.note(
            now_ms,
            format_args!("c{} > n{number} as {}", self.number, self.id),
        );
        self.session = Some(Session {
            node: number,
            socket: node.open(&self.doc_id, self.voice.clone()),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            closing: None,
            reads_from_ms: 0,
            synced_ms: None,
            unsynced_count: 1,
            began_clock: self.clock,
        });
        self.send(now_ms, Message::Step1(self.doc.state_vector().clone()), 16);
        self.ask_status(now_ms);
        match self.present.get(&self.id).cloned() {
            // With the clock that it had, as providers do.
            Some((clock, Some(state))) => {
                self.send(
                    now_ms,
                    Message::Awareness(yjs::awareness(self.id, clock, &state)),
                    16,
                );
            }
            Some((_, None)) | None => self.renew_presence(now_ms),
        }
        if matches!(self.voice, Voice::Hocuspocus(_)) {
            self.send(now_ms, Message::QueryAwareness, 1);
        }
    }

    /// Loses its socket, for so long.
    pub(crate) fn part(&mut self, how: Parting, back_ms: u64, now_ms: u64) {
        self.back_ms = back_ms;
        let Some(mut session) = self.session.take() else {
            return;
        };
        match how {
            Parting::Goodbye => {
                let clock = self.own_presence_clock() + 1;
                self.present.insert(self.id, (clock, None));
                for (_, message, bytes) in session.to_server.drain(..) {
                    session.socket.receive(message, bytes);
                }
                let goodbye = Message::Awareness(yjs::awareness(self.id, clock, "null"));
                session.socket.receive(goodbye, 16);
                // Dropping its sender lets the node's end take what waits, and leave.
            }
            Parting::Cut => session.socket.abort(),
            Parting::HalfOpen => self.half_open.push(HalfOpen {
                node: session.node,
                socket: session.socket,
                ends_ms: now_ms + HALF_OPEN_MS,
            }),
        }
        self.forget_others();
    }

    /// The node is dead, and what it had of this client with it.
    pub(crate) fn lose_node(&mut self, node: usize, back_ms: u64) {
        self.half_open.retain(|half| half.node != node);
        if self.session.as_ref().is_some_and(|session| session.node == node) {
            self.session = None;
            self.back_ms = back_ms;
            self.forget_others();
        }
    }

    /// Starts anew without what it had: a page that was loaded again.
    pub(crate) fn reload(&mut self, back_ms: u64, now_ms: u64) {
        self.part(Parting::Cut, back_ms, now_ms);
        self.drop_copy();
    }

    fn drop_copy(&mut self) {
        self.id += 1;
        self.doc = Doc::new();
        self.clock = 0;
        self.unsaved.clear();
        self.present.clear();
    }

    /// Edits its copy, and says so where it has a socket.
    pub(crate) fn edit(&mut self, now_ms: u64, trace: &mut Trace) {
        let update = self.make_edit();
        self.make_known(update, now_ms, trace);
    }

    fn make_known(&mut self, update: Update, now_ms: u64, trace: &mut Trace) {
        self.keep(&update);
        self.version += 1;
        self.edits_count += 1;
        trace.note(
            now_ms,
            format_args!("c{} edits: {} v{}", self.number, words(&update), self.version),
        );
        self.unsaved.push_back((now_ms, self.version, update.clone()));
        if let Some(session) = &mut self.session {
            session.unsynced_count += 1;
            let bytes = update.bytes().len();
            self.send(now_ms, Message::Update(update), bytes);
            self.ask_status(now_ms);
        }
    }

    /// Says something that was never said before: nothing else tells a room that its document was replaced.
    pub(crate) fn say_last(&mut self, now_ms: u64, trace: &mut Trace) {
        let update = self.make_insertion(&[]);
        self.make_known(update, now_ms, trace);
    }

    fn make_edit(&mut self) -> Update {
        let clocks: Vec<(u64, u32)> = self
            .doc
            .state_vector()
            .iter()
            .filter(|(_, clock)| *clock > 0)
            .collect();
        if !clocks.is_empty() && self.random.random_bool(0.2) {
            let (client, clock) = clocks[self.random.random_range(0..clocks.len())];
            let from = self.random.random_range(0..clock);
            let length = self.random.random_range(1..=(clock - from).min(3));
            return yjs::delete(client, from.into(), length.into());
        }
        self.make_insertion(&clocks)
    }

    fn make_insertion(&mut self, clocks: &[(u64, u32)]) -> Update {
        let length = self.random.random_range(1..=6);
        let text: String = (self.clock..self.clock + length)
            .map(|clock| letter(self.id, clock))
            .collect();
        let at = self.clock;
        self.clock += length;
        if !clocks.is_empty() && self.random.random_bool(0.5) {
            let (client, clock) = clocks[self.random.random_range(0..clocks.len())];
            let behind = (client, self.random.random_range(0..clock).into());
            yjs::insert_after(self.id, at, behind, &text)
        } else {
            yjs::insert(self.id, at, &text)
        }
    }

    /// Moves its cursor.
    pub(crate) fn move_cursor(&mut self, now_ms: u64) {
        if self.session.is_some() {
            self.renew_presence(now_ms);
        }
    }

    fn renew_presence(&mut self, now_ms: u64) {
        let clock = self.own_presence_clock() + 1;
        self.say_presence(clock, now_ms);
    }

    fn say_presence(&mut self, clock: u64, now_ms: u64) {
        let state = format!("{{\"at\":{now_ms}}}");
        self.present.insert(self.id, (clock, Some(state.clone())));
        self.presence_ms = now_ms;
        self.send(
            now_ms,
            Message::Awareness(yjs::awareness(self.id, clock, &state)),
            16,
        );
    }

    fn own_presence_clock(&self) -> u64 {
        self.present.get(&self.id).map_or(0, |(clock, _)| *clock)
    }

    /// As providers do when a socket ends: the others are gone, and their clocks stay known.
    fn forget_others(&mut self) {
        for (client, (_, state)) in &mut self.present {
            if *client != self.id {
                *state = None;
            }
        }
    }

    fn ask_status(&mut self, now_ms: u64) {
        // Native clients number their edits; their sockets ask in their name.
        if let Voice::YSweet | Voice::Native(_) = self.voice {
            let mut payload = Writer::new();
            payload.var_uint(self.version);
            self.send(now_ms, Message::SyncStatus(Bytes::from(payload.into_bytes())), 4);
        }
    }

    fn send(&mut self, now_ms: u64, message: Message, bytes: usize) {
        let Some(session) = &mut self.session else { return };
        let at_ms = now_ms + self.random.random_range(0..=self.late_ms_max);
        let at_ms = session
            .to_server
            .back()
            .map_or(at_ms, |(before, ..)| at_ms.max(*before));
        session.to_server.push_back((at_ms, message, bytes));
    }

    /// What happens until `now_ms` between it and its node. `alive` tells which nodes run and are not paused.
    pub(crate) fn step(&mut self, now_ms: u64, alive: &[bool], trace: &mut Trace) -> Result<(), String> {
        self.step_half_open(now_ms, alive);
        if now_ms >= self.presence_ms + RENEWAL_MS && self.session.is_some() {
            self.renew_presence(now_ms);
        }
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        while let Some((_, message, bytes)) = session.to_server.pop_front_if(|(at_ms, ..)| *at_ms <= now_ms) {
            session.socket.receive(message, bytes);
        }
        if alive[session.node]
            && now_ms >= session.reads_from_ms
            && session.closing.is_none()
            && let Some(mut outgoing) = session.socket.outbox.take().now_or_never()
        {
            let at_ms = now_ms + self.random.random_range(0..=self.late_ms_max);
            let at_ms = session
                .to_client
                .back()
                .map_or(at_ms, |(before, _)| at_ms.max(*before));
            for frame in std::mem::take(&mut outgoing.frames) {
                session.to_client.push_back((at_ms, frame));
            }
            if let Some(close) = outgoing.close {
                session.closing = Some((at_ms, close));
                session.socket.abort();
            } else {
                // It lives, and answers every probe.
                outgoing.drained();
            }
        }
        loop {
            let Some(session) = &mut self.session else {
                return Ok(());
            };
            let Some((_, frame)) = session.to_client.pop_front_if(|(at_ms, _)| *at_ms <= now_ms) else {
                break;
            };
            let heard = decode(&self.voice, &frame);
            self.hear(heard, now_ms, trace)?;
        }
        if let Some(session) = &self.session
            && let Some((at_ms, close)) = session.closing
            && now_ms >= at_ms
        {
            trace.note(now_ms, format_args!("c{} is closed: {close}", self.number));
            let pause_ms = self.random.random_range(20..400);
            self.part(Parting::Cut, now_ms + pause_ms, now_ms);
            if close == Close::StaleEpoch {
                self.drop_copy();
            } else if matches!(close.code(), 4400..=4499) {
                return Err(format!(
                    "c{} did nothing wrong and was closed with {close}",
                    self.number
                ));
            }
        }
        Ok(())
    }

    fn step_half_open(&mut self, now_ms: u64, alive: &[bool]) {
        for half in self.half_open.iter_mut().filter(|half| alive[half.node]) {
            // The kernel takes what is written; nobody reads it.
            if let Some(outgoing) = half.socket.outbox.take().now_or_never() {
                if outgoing.probe {
                    half.ends_ms = half.ends_ms.min(now_ms + PROBE_MS);
                }
                if outgoing.close.is_some() {
                    half.ends_ms = now_ms;
                }
                outgoing.drained();
            }
        }
        for over in self
            .half_open
            .extract_if(.., |half| half.ends_ms <= now_ms && alive[half.node])
        {
            over.socket.abort();
        }
    }

    fn hear(&mut self, heard: Heard, now_ms: u64, trace: &mut Trace) -> Result<(), String> {
        trace.note(now_ms, format_args!("c{} hears {}", self.number, line(&heard)));
        match heard {
            Heard::Step1(theirs) => {
                let lacks = self.doc.diff(&theirs).map_err(|broken| broken.to_string())?;
                let bytes = lacks.bytes().len();
                self.send(now_ms, Message::Step2(lacks), bytes);
            }
            Heard::Step2(update) => {
                self.take(&update);
                if let Some(session) = &mut self.session {
                    session.synced_ms.get_or_insert(now_ms);
                }
            }
            Heard::Update(update) => {
                let waited_bytes = self.doc.pending_bytes();
                self.take(&update);
                let is_synced = self
                    .session
                    .as_ref()
                    .is_some_and(|session| session.synced_ms.is_some());
                let waits = self.doc.pending_bytes() > waited_bytes;
                self.has_waited |= waits;
                self.holes_count += u64::from(is_synced && waits);
            }
            Heard::Awareness(entries) => self.meet(&entries, now_ms),
            Heard::Status(true) => {
                if let Some(session) = &mut self.session {
                    session.unsynced_count -= 1;
                    if session.unsynced_count == 0 {
                        self.believe(u64::MAX);
                    }
                }
            }
            Heard::YSweet(payload) => {
                let version = Reader::new(&payload)
                    .var_uint()
                    .map_err(|refusal| refusal.to_string())?;
                self.believe(version);
            }
            Heard::Denied(why) if why == Close::StaleEpoch.reason() => {
                let pause_ms = self.random.random_range(20..400);
                self.part(Parting::Cut, now_ms + pause_ms, now_ms);
                self.drop_copy();
            }
            Heard::Left(code, _) if code == u64::from(Close::StaleEpoch.code()) => {
                let pause_ms = self.random.random_range(20..400);
                self.part(Parting::Cut, now_ms + pause_ms, now_ms);
                self.drop_copy();
            }
            // Come back later.
            Heard::Left(code, _) if code == 1013 => {
                trace.note(now_ms, format_args!("c{} was put out: {code}", self.number));
                let pause_ms = self.random.random_range(20..400);
                self.part(Parting::Cut, now_ms + pause_ms, now_ms);
            }
            Heard::Left(code, _) => return Err(format!("c{} was put out: {code}", self.number)),
            Heard::Denied(why) => return Err(format!("c{} was denied: {why}", self.number)),
            Heard::Status(false)
            | Heard::Authenticated(_)
            | Heard::Stateless(_)
            | Heard::Joined(..)
            | Heard::Event(..) => {}
        }
        Ok(())
    }

    /// It takes all edits up to this version for saved.
    fn believe(&mut self, version: u64) {
        while let Some((_, _, update)) = self.unsaved.pop_front_if(|(_, made, _)| *made <= version) {
            self.told.push(Told::Edit(update));
        }
    }

    fn take(&mut self, update: &Update) {
        self.keep(update);
        if let Voice::YWebsocket = self.voice {
            // The echo of what was sent on this socket is how this dialect hears that it is saved. What was sent on another one
            // comes back as anybody's edit does, saved or not.
            let began = self
                .session
                .as_ref()
                .map_or(u64::MAX, |session| session.began_clock);
            let is_own = |range: &&ClockRange| range.client == self.id && u64::from(range.to) > began;
            let own = update.extent().structs.iter().filter(is_own);
            for range in own {
                self.told.push(Told::Clock(self.id, range.to));
                let to = range.to;
                self.unsaved.retain(|(_, _, edit)| {
                    let structs = &edit.extent().structs;
                    structs.first().is_some_and(|range| range.to > to)
                });
            }
        }
    }

    fn keep(&mut self, update: &Update) {
        self.doc
            .apply(&[(SERVER, update.clone())])
            .expect("a client loads it");
    }

    /// As y-protocols does it, with what providers make of it: they tell the server of every change.
    fn meet(&mut self, entries: &[(u64, u64, String)], now_ms: u64) {
        let mut changed = Vec::new();
        for (client, clock, state) in entries {
            let known = self
                .present
                .get(client)
                .map(|(clock, state)| (*clock, state.is_some()));
            let gone = state == "null";
            let known_clock = known.map_or(0, |(clock, _)| clock);
            let is_newer = *clock > known_clock
                || (*clock == known_clock && gone && known.is_some_and(|(_, here)| here));
            if !is_newer {
                if !gone && known.is_some_and(|(_, here)| !here) {
                    self.outrun.insert(*client);
                }
                continue;
            }
            self.outrun.remove(client);
            if *client == self.id && gone {
                if let Some((clock_now, Some(_))) = self.present.get_mut(client) {
                    // Nobody else takes it away: it says that it is still here.
                    *clock_now = clock + 1;
                    let clock = *clock_now;
                    self.say_presence(clock, now_ms);
                }
                continue;
            }
            self.present
                .insert(*client, (*clock, (!gone).then(|| state.clone())));
            changed.push(*client);
        }
        if changed.is_empty() {
            return;
        }
        let mut writer = Writer::new();
        writer.var_uint(changed.len() as u64);
        for client in changed {
            let (clock, state) = &self.present[&client];
            writer
                .var_uint(client)
                .var_uint(*clock)
                .var_string(state.as_deref().unwrap_or("null"));
        }
        let update =
            AwarenessUpdate::decode(Bytes::from(writer.into_bytes())).expect("it came from the server");
        self.send(now_ms, Message::Awareness(update), 32);
    }

    /// Who is here, as it sees it.
    pub(crate) fn sees(&self) -> Vec<u64> {
        let here = self.present.iter().filter(|(_, (_, state))| state.is_some());
        here.map(|(client, _)| *client).collect()
    }

    /// Since when it has waited to hear that an edit is saved, where its dialect says so.
    pub(crate) fn waits_since(&self) -> Option<u64> {
        // A deletion of y-websocket is in no state vector, so its echo says nothing.
        match self.voice {
            Voice::YWebsocket => None,
            Voice::YSweet | Voice::Hocuspocus(_) | Voice::Native(_) => {
                self.unsaved.front().map(|(made_ms, ..)| *made_ms)
            }
        }
    }
}

/// What a client writes at one of its clocks, so that it can be told what should be where.
pub(crate) fn letter(client: u64, clock: u64) -> char {
    char::from(b'a' + ((client * 7 + clock) % 26) as u8)
}

/// What an update holds. Nothing in it depends on the order of a map.
pub(crate) fn words(update: &Update) -> String {
    let of = |ranges: &[ClockRange]| {
        let ranges = ranges
            .iter()
            .map(|range| format!("{}:{}-{}", range.client, range.from, range.to));
        let mut ranges: Vec<String> = ranges.collect();
        ranges.sort_unstable();
        ranges.join(" ")
    };
    let extent = update.extent();
    match extent.deletes.as_slice() {
        [] => of(&extent.structs),
        deletes => format!("{} without {}", of(&extent.structs), of(deletes)),
    }
}

/// One line about a frame.
fn line(heard: &Heard) -> String {
    match heard {
        Heard::Step1(_) => "step 1".to_owned(),
        Heard::Step2(update) => format!("step 2 {}", words(update)),
        Heard::Update(update) => format!("update {}", words(update)),
        Heard::Awareness(entries) => {
            let mut entries = entries.clone();
            entries.sort_unstable();
            format!("awareness {entries:?}")
        }
        Heard::Denied(why) => format!("denied {why}"),
        Heard::Status(status) => format!("status {status}"),
        Heard::YSweet(payload) => format!("status {payload:?}"),
        Heard::Left(code, epoch) => format!("left {code} {epoch}"),
        Heard::Authenticated(_) | Heard::Stateless(_) | Heard::Joined(..) | Heard::Event(..) => {
            "something else".to_owned()
        }
    }
}
