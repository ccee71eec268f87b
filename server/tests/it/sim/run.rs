//! One run: a plan from the seed, a time in which everything goes wrong, a time to heal, and what must hold.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use roomtone_crdt::{Doc, Update};
use roomtone_persistence::DocId;
use roomtone_server::ambient;
use roomtone_server::limits::Limits;
use tokio::time::Duration;

use super::client::{Client, HALF_OPEN_MS, Parting, Session, Told};
use super::disk::{Disk, Mood};
use super::node::Node;
use super::plan::{Fault, Plan};
use super::trace::{Detail, Trace};
use super::wire::{Weather, Wire};
use crate::peer::same;
use crate::world::doc_id;

/// Within this, everyone is equal once nothing goes wrong any more, in milliseconds: a node that knows of no other tells what
/// it has every 30 s, and presence is renewed every 15 s.
const HEAL_MS_MAX: u64 = 60_000;
/// Within this, rooms that nobody needs are asleep, in milliseconds: sockets that are half-open live for 30 s.
const SLEEP_MS_MAX: u64 = 45_000;
/// Longest time without an acknowledgement while the store is well, in milliseconds: the pause of the saver, the slowest commit
/// that was on its way, and some.
const ACKNOWLEDGED_MS_MAX: u64 = 3_000;

/// A room that knows of no other tells what it has within this, in milliseconds.
const ALONE_MS_MAX: u64 = 40_000;

/// What keeps everyone from being equal.
enum Difference {
    None,
    /// Nothing but what the store has of a document and no client of it.
    OnlyStored(DocId),
    Other(String),
}

impl Difference {
    fn words(&self) -> String {
        match self {
            Difference::None => "somebody has not spoken yet".to_owned(),
            Difference::OnlyStored(doc) => format!("only the store has all of {}", doc.name()),
            Difference::Other(what) => what.clone(),
        }
    }
}

/// Something that ends by itself.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Mood,
    DiskCut(usize),
    Weather,
    Parted(usize, usize),
    /// With or without a word to the rooms.
    WireCut(usize, bool),
}

/// What a run came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) hash: u64,
    pub(crate) lines_count: u64,
    pub(crate) edits_count: u64,
    pub(crate) commits_count: u64,
    pub(crate) compactions_count: u64,
    pub(crate) told_count: u64,
    pub(crate) faults_count: u64,
    pub(crate) crashes_count: u64,
    pub(crate) published_bytes: u64,
    /// Documents of which only the store had everything.
    pub(crate) reopened_count: u64,
    /// How long it took until all were equal, in milliseconds of the simulated clock.
    pub(crate) healed_ms: u64,
}

impl Outcome {
    /// Counts another run in.
    pub(crate) fn add(&mut self, other: &Outcome) {
        self.edits_count += other.edits_count;
        self.commits_count += other.commits_count;
        self.compactions_count += other.compactions_count;
        self.told_count += other.told_count;
        self.faults_count += other.faults_count;
        self.crashes_count += other.crashes_count;
        self.published_bytes += other.published_bytes;
        self.reopened_count += other.reopened_count;
        self.healed_ms = self.healed_ms.max(other.healed_ms);
    }
}

/// Everything there is.
pub(crate) struct Run {
    plan: Plan,
    random: StdRng,
    now_ms: u64,
    trace: Trace,
    disk: Disk,
    wire: Wire,
    nodes: Vec<Option<Node>>,
    /// When a node that is down starts.
    starts_ms: Vec<u64>,
    starts_count: u64,
    clients: Vec<Client>,
    docs: Vec<DocId>,
    ending: Vec<(u64, Ends)>,
    /// Since when the store can be reached and works, for each node.
    well_since_ms: Vec<u64>,
    outcome: Outcome,
}

/// Runs a seed.
///
/// # Errors
/// What did not hold.
pub(crate) fn simulate(seed: u64, detail: Detail) -> Result<Outcome, String> {
    let mut run = Run::new(seed, detail);
    let result = run.all();
    let at_ms = run.now_ms;
    run.end();
    let (hash, lines_count) = run.trace.hash();
    run.outcome.hash = hash;
    run.outcome.lines_count = lines_count;
    result.map_err(|what| format!("at {at_ms} ms: {what}"))?;
    Ok(run.outcome)
}

impl Run {
    fn new(seed: u64, detail: Detail) -> Run {
        let mut random = StdRng::seed_from_u64(seed);
        let plan = Plan::draw(&mut random);
        ambient::seed_chance(random.random());
        let mut fork = || StdRng::seed_from_u64(random.random());
        let (disk_chance, wire_chance) = (fork(), fork());
        let docs: Vec<DocId> = (0..plan.docs_count)
            .map(|number| doc_id(&format!("d{number}")))
            .collect();
        let clients = (0..plan.clients_count)
            .map(|number| Client::new(number, docs[number % docs.len()].clone(), fork()))
            .collect();
        let mut trace = Trace::new(detail);
        trace.note(0, format_args!("{plan:?}"));
        Run {
            disk: Disk::new(disk_chance, plan.nodes_count),
            wire: Wire::new(seed, wire_chance, plan.nodes_count),
            nodes: (0..plan.nodes_count).map(|_| None).collect(),
            starts_ms: vec![0; plan.nodes_count],
            starts_count: 0,
            well_since_ms: vec![0; plan.nodes_count],
            plan,
            random,
            now_ms: 0,
            trace,
            clients,
            docs,
            ending: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    fn all(&mut self) -> Result<(), String> {
        while self.now_ms < self.plan.meddles_ms {
            let step_ms = self.random.random_range(1..=self.plan.step_ms_max);
            self.meddle(step_ms);
            self.live(step_ms);
            self.step(step_ms)?;
        }
        self.heal();
        self.settle()?;
        self.all_equal()?;
        self.fall_asleep()
    }

    /// Time passes for everyone.
    fn step(&mut self, step_ms: u64) -> Result<(), String> {
        self.now_ms += step_ms;
        let now_ms = self.now_ms;
        self.end_faults();
        for number in 0..self.nodes.len() {
            self.start_and_stop(number);
            if let Some(node) = &mut self.nodes[number] {
                node.step(now_ms);
            }
        }
        self.disk.step(now_ms, &mut self.trace);
        self.wire.step(now_ms, &mut self.trace);
        let alive = self.alive();
        for client in &mut self.clients {
            client.step(now_ms, &alive, &mut self.trace)?;
        }
        self.check_told()
    }

    fn alive(&self) -> Vec<bool> {
        let now_ms = self.now_ms;
        let is_alive = |node: &Option<Node>| node.as_ref().is_some_and(|node| !node.is_paused(now_ms));
        self.nodes.iter().map(is_alive).collect()
    }

    fn start_and_stop(&mut self, number: usize) {
        if self.nodes[number].as_mut().is_some_and(Node::has_stopped) {
            self.trace
                .note(self.now_ms, format_args!("n{number} has stopped"));
            self.lose(number, 300);
        }
        if self.nodes[number].is_none() && self.now_ms >= self.starts_ms[number] {
            self.starts_count += 1;
            self.trace.note(self.now_ms, format_args!("n{number} starts"));
            let store = self.disk.client(number, self.starts_count);
            let bus = self.wire.connect(number);
            let limits = Limits {
                outbox_bytes_max: self.plan.outbox_bytes_max,
                backlog_bytes_max: self.plan.backlog_bytes_max,
                relay_deadline_ms: self.plan.relay_deadline_ms,
                room_idle_ms: self.plan.room_idle_ms,
                ..Limits::default()
            };
            self.nodes[number] = Some(Node::start(self.now_ms, store, bus, limits));
            self.well_since_ms[number] = self.now_ms;
        }
    }

    /// A node is gone, with everything that was only there.
    fn lose(&mut self, number: usize, down_ms: u64) {
        self.wire.disconnect(number, self.now_ms);
        self.disk.crash(number);
        for client in &mut self.clients {
            let pause_ms = self.random.random_range(20..400);
            client.lose_node(number, self.now_ms + pause_ms);
        }
        self.nodes[number] = None;
        // Its last words are not heard.
        self.wire.collect(self.now_ms);
        self.starts_ms[number] = self.now_ms + down_ms;
    }

    /// What people do.
    fn live(&mut self, step_ms: u64) {
        for number in 0..self.clients.len() {
            let is_away = self.clients[number].session.is_none();
            if is_away && self.now_ms >= self.clients[number].back_ms {
                self.connect(number);
            }
            let client = &mut self.clients[number];
            if self.random.random_range(0..self.plan.edit_every_ms) < step_ms {
                client.edit(self.now_ms, &mut self.trace);
            }
            if self.random.random_range(0..600) < step_ms {
                client.move_cursor(self.now_ms);
            }
        }
    }

    /// To any node that runs, as a load balancer would.
    fn connect(&mut self, number: usize) {
        let alive: Vec<usize> = (0..self.nodes.len())
            .filter(|node| self.nodes[*node].as_ref().is_some_and(|node| !node.is_stopping()))
            .collect();
        if alive.is_empty() {
            return;
        }
        let chosen = alive[self.random.random_range(0..alive.len())];
        if let Some(node) = &self.nodes[chosen] {
            self.clients[number].connect(chosen, node, self.now_ms, &mut self.trace);
        }
    }

    /// Something goes wrong, now and then.
    fn meddle(&mut self, step_ms: u64) {
        if self.plan.faults.is_empty() || self.random.random_range(0..self.plan.fault_every_ms) >= step_ms {
            return;
        }
        let fault = self.plan.faults[self.random.random_range(0..self.plan.faults.len())];
        let node = self.random.random_range(0..self.nodes.len());
        let other = self.random.random_range(0..self.nodes.len());
        let client = self.random.random_range(0..self.clients.len());
        let lasts_ms = self.random.random_range(20..self.plan.lasts_ms_max);
        let back_ms = self.now_ms + lasts_ms;
        self.trace.note(
            self.now_ms,
            format_args!("fault {fault:?} n{node} n{other} c{client} for {lasts_ms} ms"),
        );
        self.outcome.faults_count += 1;
        match fault {
            Fault::Store => {
                let moods = [
                    Mood::Refuses,
                    Mood::LosesAnswers,
                    Mood::CommitsLate,
                    Mood::Slow,
                    Mood::Hangs,
                    Mood::Moody,
                ];
                self.disk.mood = moods[self.random.random_range(0..moods.len())];
                self.trace
                    .note(self.now_ms, format_args!("the store {:?}", self.disk.mood));
                self.ending.push((back_ms, Ends::Mood));
            }
            Fault::StoreCut => {
                self.disk.cut[node] = true;
                self.disk.hang_up(node);
                self.ending.push((back_ms, Ends::DiskCut(node)));
            }
            Fault::Bus => {
                self.wire.weather = Weather {
                    lost_permille: self.random.random_range(0..600),
                    doubled_permille: self.random.random_range(0..300),
                    late_ms_max: self.random.random_range(0..400),
                };
                self.ending.push((back_ms, Ends::Weather));
            }
            Fault::BusCut => {
                self.wire.cut[node] = true;
                let is_told = self.random.random_bool(0.7);
                self.ending.push((back_ms, Ends::WireCut(node, is_told)));
            }
            Fault::BusReset => self.wire.reset(node),
            Fault::Partition => {
                if node != other {
                    let pair = (node.min(other), node.max(other));
                    self.wire.parted.push(pair);
                    self.ending.push((back_ms, Ends::Parted(pair.0, pair.1)));
                }
            }
            Fault::Crash => {
                if self.nodes[node].is_some() {
                    self.outcome.crashes_count += 1;
                    self.lose(node, lasts_ms);
                }
            }
            Fault::Stop => {
                if let Some(node) = self.nodes[node].as_mut().filter(|node| !node.is_stopping()) {
                    node.stop(Duration::from_secs(9));
                }
            }
            Fault::Pause => {
                if let Some(node) = &mut self.nodes[node] {
                    // Up to longer than others wait for a sign of life.
                    node.paused_until_ms = self.now_ms + lasts_ms * 4;
                }
            }
            Fault::Clock => {
                let hours = self.random.random_range(-30..=30);
                if let Some(node) = &mut self.nodes[node] {
                    node.ahead_ms = hours * 3_600_000;
                }
            }
            Fault::Leave => {
                let how = [Parting::Goodbye, Parting::Cut, Parting::HalfOpen][self.random.random_range(0..3)];
                self.clients[client].part(how, back_ms, self.now_ms);
            }
            Fault::Reload => self.clients[client].reload(back_ms, self.now_ms),
            Fault::SlowReader => {
                if let Some(session) = &mut self.clients[client].session {
                    session.reads_from_ms = back_ms;
                }
            }
            Fault::Late => self.clients[client].late_ms_max = self.random.random_range(0..300),
            Fault::Delete => {
                let doc = self.docs[self.random.random_range(0..self.docs.len())].clone();
                self.disk.delete(&doc);
            }
            Fault::Compact => {
                let doc = &self.docs[self.random.random_range(0..self.docs.len())];
                if let Some(node) = &self.nodes[node] {
                    node.compact(doc);
                }
            }
        }
    }

    fn end_faults(&mut self) {
        let now_ms = self.now_ms;
        for (_, ends) in self.ending.extract_if(.., |(at_ms, _)| *at_ms <= now_ms) {
            self.trace.note(now_ms, format_args!("over: {ends:?}"));
            match ends {
                Ends::Mood => self.disk.mood = Mood::Well,
                Ends::DiskCut(node) => self.disk.cut[node] = false,
                Ends::Weather => self.wire.weather = Weather::default(),
                Ends::Parted(one, other) => self.wire.parted.retain(|pair| *pair != (one, other)),
                Ends::WireCut(node, is_told) => {
                    self.wire.cut[node] = false;
                    if is_told {
                        self.wire.reset(node);
                    }
                }
            }
        }
        for node in 0..self.nodes.len() {
            let is_well = self.disk.mood == Mood::Well
                && !self.disk.cut[node]
                && self.nodes[node]
                    .as_ref()
                    .is_some_and(|node| !node.is_paused(now_ms) && !node.is_stopping());
            if !is_well {
                self.well_since_ms[node] = now_ms;
            }
        }
    }

    /// Nothing goes wrong from here on.
    fn heal(&mut self) {
        self.trace
            .note(self.now_ms, format_args!("nothing goes wrong any more"));
        for (at_ms, _) in &mut self.ending {
            *at_ms = self.now_ms;
        }
        self.end_faults();
        for node in self
            .nodes
            .iter_mut()
            .flatten()
            .filter(|node| node.paused_until_ms > 0)
        {
            // It still finds that time has passed.
            node.paused_until_ms = node.paused_until_ms.min(self.now_ms);
        }
        for starts_ms in &mut self.starts_ms {
            *starts_ms = self.now_ms;
        }
        for client in &mut self.clients {
            client.back_ms = client.back_ms.min(self.now_ms + 50);
            client.late_ms_max = client.late_ms_max.min(20);
            if let Some(session) = &mut client.session {
                session.reads_from_ms = 0;
            }
        }
    }

    /// Everyone comes back, says one thing more, and is equal within [`HEAL_MS_MAX`].
    fn settle(&mut self) -> Result<(), String> {
        let healed_ms = self.now_ms;
        let mut until_ms = healed_ms + HEAL_MS_MAX;
        // Whoever has to drop its copy is somebody else then, and speaks again.
        let mut said_as: Vec<u64> = self.clients.iter().map(|_| 0).collect();
        let mut differs = Difference::None;
        let mut looked_ms = 0;
        let mut reopened = false;
        while self.now_ms < until_ms {
            let mut all_said = true;
            for (number, said_as) in said_as.iter_mut().enumerate() {
                if self.clients[number].session.is_none() && self.now_ms >= self.clients[number].back_ms {
                    self.connect(number);
                }
                let is_synced = |session: &Session| session.synced_ms.is_some();
                if *said_as != self.clients[number].id
                    && self.clients[number].session.as_ref().is_some_and(is_synced)
                {
                    *said_as = self.clients[number].id;
                    self.clients[number].say_last(self.now_ms, &mut self.trace);
                }
                all_said &= *said_as == self.clients[number].id;
            }
            let step_ms = if self.now_ms < healed_ms + 5_000 { 10 } else { 50 };
            self.step(step_ms)?;
            if self.now_ms < looked_ms + 200 || !all_said {
                continue;
            }
            looked_ms = self.now_ms;
            differs = self.difference();
            match &differs {
                Difference::None => {
                    self.outcome.healed_ms = self.now_ms - healed_ms;
                    return Ok(());
                }
                Difference::OnlyStored(doc) if !reopened && self.now_ms > healed_ms + ALONE_MS_MAX => {
                    // What no awake room has, no awake room is asked for: it is in the store, and whoever opens the room has it.
                    reopened = true;
                    self.outcome.reopened_count += 1;
                    until_ms += HEAL_MS_MAX;
                    let back_ms = self.now_ms + HALF_OPEN_MS + self.plan.room_idle_ms + 500;
                    for client in self.clients.iter_mut().filter(|client| client.doc_id == *doc) {
                        client.part(Parting::Cut, back_ms, self.now_ms);
                    }
                }
                Difference::OnlyStored(_) | Difference::Other(_) => {}
            }
        }
        Err(format!(
            "not equal after {} ms without faults: {}; clients by the id they spoke as: {said_as:?}",
            self.now_ms - healed_ms,
            differs.words()
        ))
    }

    /// What keeps clients and store from being equal.
    fn difference(&self) -> Difference {
        let is_up = |node: &Option<Node>| node.as_ref().is_some_and(|node| !node.is_stopping());
        if !self.nodes.iter().all(is_up) {
            return Difference::Other("a node is still on its way out".to_owned());
        }
        for doc in &self.docs {
            let stored = self.stored(doc);
            let clients: Vec<&Client> = self
                .clients
                .iter()
                .filter(|client| client.doc_id == *doc)
                .collect();
            // What a client was sent of a document that was then deleted, and could not read for want of its past, it reads
            // when somebody brings that past into the new one: then it has more than anybody.
            let is_deleted = self.plan.faults.contains(&Fault::Delete);
            let readers: Vec<&&Client> = clients
                .iter()
                .filter(|client| !client.has_waited || !is_deleted)
                .collect();
            if readers.iter().all(|client| covers(&stored, &client.doc)) {
                let lack = clients
                    .iter()
                    .filter(|client| !same(&client.doc, &stored))
                    .count();
                if lack > 0 && readers.iter().any(|client| !same(&client.doc, &readers[0].doc)) {
                    // One that is awake has it, and could tell the others.
                    return Difference::Other(format!("clients of {} differ", doc.name()));
                }
                if lack > 0 {
                    return Difference::OnlyStored(doc.clone());
                }
            } else {
                let more = readers.iter().find(|client| !covers(&stored, &client.doc));
                let id = more.map_or(0, |client| client.id);
                return Difference::Other(format!("client {id} has more of {} than the store", doc.name()));
            }
            let mut here: Vec<u64> = clients.iter().map(|client| client.id).collect();
            here.sort_unstable();
            for client in clients {
                // Of what builds on a deleted document the past never comes.
                if client.doc.pending_bytes() > 0 && !self.plan.faults.contains(&Fault::Delete) {
                    return Difference::Other(format!("client {} still waits for something", client.id));
                }
                let sees = client.sees();
                let is_right = |id: &u64| sees.contains(id) || client.outrun.contains(id);
                if !here.iter().all(is_right) || !sees.iter().all(|id| here.contains(id)) {
                    return Difference::Other(format!(
                        "client {} sees {sees:?}, here are {here:?}",
                        client.id
                    ));
                }
                if client.waits_since().is_some() {
                    return Difference::Other(format!("client {} was not told that all is saved", client.id));
                }
            }
        }
        Difference::None
    }

    fn stored(&self, doc: &DocId) -> Doc {
        let stored = self.disk.load(doc);
        let updates = stored
            .updates()
            .map(|bytes| Update::check(bytes.clone()).expect("it passed the gate before"));
        Doc::load(updates).expect("it loads")
    }

    /// All nodes hold what the store holds, and the store all that was ever committed to it.
    fn all_equal(&mut self) -> Result<(), String> {
        // Rooms without clients may still be at it, or have to fall asleep first: nobody tells them of what only the store has, or
        // of a deletion.
        let pauses_ms = [0, 3_000, HALF_OPEN_MS + self.plan.room_idle_ms + 1_000];
        let mut differs = None;
        for pause_ms in pauses_ms {
            let begins_ms = self.now_ms + pause_ms;
            while self.now_ms < begins_ms {
                self.step(50)?;
            }
            differs = self.ask_rooms()?;
            if differs.is_none() {
                return self.check_store();
            }
        }
        Err(differs.unwrap_or_default())
    }

    fn ask_rooms(&mut self) -> Result<Option<String>, String> {
        let mut answers = Vec::new();
        for doc in &self.docs {
            for (number, node) in self.nodes.iter().enumerate() {
                let node = node
                    .as_ref()
                    .ok_or("a node is down although nothing goes wrong")?;
                answers.push((doc.clone(), number, node.ask(doc)));
            }
        }
        let gives_up_ms = self.now_ms + 10_000;
        let mut differs = None;
        for (doc, number, mut answer) in answers {
            let room = loop {
                match answer.try_recv() {
                    Ok(Ok(room)) => break room,
                    Ok(Err(close)) => {
                        return Err(format!("n{number} does not serve {}: {close}", doc.name()));
                    }
                    Err(_) if self.now_ms > gives_up_ms => {
                        return Err(format!("n{number} does not answer for {}", doc.name()));
                    }
                    Err(_) => self.step(10)?,
                }
            };
            if !same(&room, &self.stored(&doc)) {
                differs = Some(format!(
                    "the room of {} on n{number} is not what is stored",
                    doc.name()
                ));
            }
        }
        Ok(differs)
    }

    /// Whoever leaves is gone; rooms that nobody is in fall asleep; and nothing waits anywhere.
    fn fall_asleep(&mut self) -> Result<(), String> {
        for client in &mut self.clients {
            client.part(Parting::Goodbye, u64::MAX, self.now_ms);
        }
        let left_ms = self.now_ms;
        loop {
            self.step(100)?;
            let nodes = self.nodes.iter().flatten();
            let awake: Vec<usize> = nodes.map(|node| node.hub.rooms_count()).collect();
            let is_saved = self
                .nodes
                .iter()
                .flatten()
                .all(|node| node.saver.has_space_for(usize::MAX >> 1));
            if awake.iter().all(|awake| *awake == 0) && is_saved {
                break;
            }
            if self.now_ms > left_ms + SLEEP_MS_MAX {
                return Err(format!(
                    "rooms that nobody is in: {awake:?} by node; all saved: {is_saved}"
                ));
            }
        }
        self.check_store()
    }

    /// Who was told that something is saved was told the truth.
    fn check_told(&mut self) -> Result<(), String> {
        for client in &mut self.clients {
            if client.holes_count > 0 && !self.plan.may_stall() {
                return Err(format!(
                    "client {} was sent what builds on something that it was not sent",
                    client.id
                ));
            }
            for told in client.told.drain(..) {
                self.outcome.told_count += 1;
                let ledger = self.disk.ledgers.get(client.doc_id.name());
                let is_saved = ledger.is_some_and(|ledger| match &told {
                    Told::Edit(update) => !ledger.ever.is_news(update).expect("it can be asked"),
                    Told::Clock(id, clock) => ledger.ever.state_vector().get(*id) >= *clock,
                });
                if !is_saved {
                    let what = match told {
                        Told::Edit(update) => format!("{:?}", update.extent()),
                        Told::Clock(id, clock) => format!("{id} up to {clock}"),
                    };
                    return Err(format!(
                        "client {} was told that this is saved, and it is not: {what}",
                        client.id
                    ));
                }
            }
            // Whatever the bus does.
            if let (Some(session), Some(since_ms)) = (&client.session, client.waits_since())
                && let Some(synced_ms) = session.synced_ms
            {
                let since_ms = since_ms
                    .max(synced_ms)
                    .max(self.well_since_ms[session.node])
                    .max(session.reads_from_ms);
                if self.now_ms > since_ms + ACKNOWLEDGED_MS_MAX + 2 * client.late_ms_max {
                    return Err(format!(
                        "client {} waits for an acknowledgement since {since_ms} ms",
                        client.id
                    ));
                }
            }
        }
        Ok(())
    }

    /// The store holds all that was committed in the current epoch of each document, and no more.
    fn check_store(&self) -> Result<(), String> {
        for doc in &self.docs {
            if let Some(ledger) = self.disk.ledgers.get(doc.name()) {
                let stored = self.disk.load(doc);
                if stored.epoch != ledger.epoch || !same(&self.stored(doc), &ledger.current) {
                    return Err(format!("{} is not all that was committed to it", doc.name()));
                }
            }
        }
        Ok(())
    }

    /// Lets go of everything, and counts.
    fn end(&mut self) {
        self.outcome.edits_count = self.clients.iter().map(|client| client.edits_count).sum();
        self.outcome.commits_count = self.disk.commits_count;
        self.outcome.published_bytes = self.wire.published_bytes;
        self.outcome.compactions_count = self.disk.compactions_count;
        self.clients.clear();
        self.nodes.clear();
    }
}

/// Whether one document holds all of another.
fn covers(one: &Doc, other: &Doc) -> bool {
    let whole = other.snapshot().expect("it can be encoded");
    !one.is_news(&whole).expect("it can be asked")
}
