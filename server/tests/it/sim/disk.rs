//! The store that all nodes share: it commits whole groups, and fails in every way that a database on a network can.
//!
//! A call waits here until the simulator decides what becomes of it. What was committed stays whatever happens to the
//! node that asked, and a commit whose node is gone may still happen, or not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use roomtone_crdt::{ConnectionId, Doc, Update};
use roomtone_persistence::{
    AppendId, Appended, Batch, Compacted, Compaction, DocId, DocInfo, Epoch, HistoryCursor, HistoryPage,
    MemoryStore, Quarantined, Record, Store, StoreError, Stored, Written,
};
use tokio::sync::oneshot;

use super::client::words;
use super::trace::Trace;

/// What a node asks.
#[derive(Clone)]
enum Call {
    Load(DocId),
    Append(AppendId, Vec<Batch>),
    /// As `Append`, but it reaches the disk with the next call of another kind.
    Write(Vec<Batch>),
    Sync,
    Claim(DocId),
    Compact(DocId, Compaction),
    Quarantine(DocId, Record, String),
    Health,
}

/// What it is answered.
#[derive(Clone)]
enum Reply {
    Loaded(Stored),
    Appended(Vec<Appended>),
    Written(Written),
    Claimed(bool),
    Compacted(Compacted),
    Done,
}

type Answer = Result<Reply, StoreError>;

/// How the store behaves at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    /// Quick and right.
    Well,
    /// Refuses everything, and does nothing.
    Refuses,
    /// Commits, and says that it failed.
    LosesAnswers,
    /// Says that it failed, and commits a little later.
    CommitsLate,
    /// Takes a long time.
    Slow,
    /// Does not move until the mood changes.
    Hangs,
    /// Each call anything of the above.
    Moody,
}

/// What becomes of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Done,
    Refused,
    AnswerLost,
    Late,
}

struct Asked {
    number: u64,
    node: usize,
    run: u64,
    call: Call,
    reply: Option<oneshot::Sender<Answer>>,
    /// None until the simulator has seen it.
    fate: Option<(Fate, u64, u64)>,
    result: Option<Answer>,
}

/// Everything that was ever committed to a document.
pub(crate) struct Ledger {
    /// In any epoch.
    pub(crate) ever: Doc,
    /// In the current one.
    pub(crate) current: Doc,
    pub(crate) epoch: Epoch,
}

struct State {
    asked: Vec<Asked>,
    asked_count: u64,
}

/// The store.
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    inner: MemoryStore,
    random: StdRng,
    pub(crate) mood: Mood,
    /// Whether writes come before syncs, as in the store that a single node has for itself.
    writes_first: bool,
    /// What was written and is not on the disk.
    unsynced: Vec<Batch>,
    /// Nodes that cannot reach it.
    pub(crate) cut: Vec<bool>,
    /// The answer to each append that has one, by the run of the node and the name: as PostgreSQL keeps them.
    appended: BTreeMap<(u64, AppendId), Vec<Appended>>,
    pub(crate) ledgers: BTreeMap<String, Ledger>,
    pub(crate) commits_count: u64,
    pub(crate) compactions_count: u64,
}

impl Disk {
    pub(crate) fn new(mut random: StdRng, nodes_count: usize) -> Disk {
        Disk {
            writes_first: nodes_count == 1 && random.random_bool(0.7),
            unsynced: Vec::new(),
            state: Arc::new(Mutex::new(State {
                asked: Vec::new(),
                asked_count: 0,
            })),
            inner: MemoryStore::new(),
            random,
            mood: Mood::Well,
            cut: vec![false; nodes_count],
            appended: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            commits_count: 0,
            compactions_count: 0,
        }
    }

    /// The store as one run of one node sees it.
    pub(crate) fn client(&self, node: usize, run: u64) -> Arc<dyn Store> {
        Arc::new(DiskClient {
            state: self.state.clone(),
            writes_first: self.writes_first,
            node,
            run,
        })
    }

    /// What happens until `now_ms`.
    pub(crate) fn step(&mut self, now_ms: u64, trace: &mut Trace) {
        let mut asked = std::mem::take(&mut self.lock().asked);
        for one in &mut asked {
            if one.fate.is_none() {
                one.fate = Some(self.decide(one.node, now_ms));
            }
        }
        asked.sort_by_key(|one| (one.fate.map_or(0, |(_, at_ms, _)| at_ms), one.number));
        let hangs = self.mood == Mood::Hangs;
        for one in &mut asked {
            let Some((fate, applied_ms, answered_ms)) = one.fate else {
                continue;
            };
            if now_ms >= applied_ms && one.result.is_none() && !hangs {
                let result = match fate {
                    Fate::Refused => Err(unavailable("refused")),
                    Fate::Done | Fate::AnswerLost | Fate::Late => self.commit(one.run, &one.call),
                };
                trace.note(
                    now_ms,
                    format_args!(
                        "store n{} {} {fate:?} {}",
                        one.node,
                        name(&one.call),
                        told(&result)
                    ),
                );
                one.result = Some(result);
            }
            let early = fate == Fate::Late;
            if now_ms >= answered_ms
                && (early || one.result.is_some())
                && !hangs
                && let Some(reply) = one.reply.take()
            {
                let result = match fate {
                    Fate::Late | Fate::AnswerLost => Err(unavailable("the answer was lost")),
                    Fate::Done | Fate::Refused => one.result.clone().expect("it was asked above"),
                };
                // Whoever asked may have given up, or be dead.
                let _ = reply.send(result);
            }
        }
        asked.retain(|one| one.reply.is_some() || one.result.is_none());
        let mut state = self.lock();
        // Nothing is asked while nobody runs.
        state.asked = asked;
    }

    /// Which fate, when it is applied, and when it is answered.
    fn decide(&mut self, node: usize, now_ms: u64) -> (Fate, u64, u64) {
        let mood = match self.mood {
            Mood::Moody => match self.random.random_range(0..10) {
                0 => Mood::Refuses,
                1 => Mood::LosesAnswers,
                2 => Mood::CommitsLate,
                3 | 4 => Mood::Slow,
                _ => Mood::Well,
            },
            mood => mood,
        };
        let fate = match mood {
            _ if self.cut[node] => Fate::Refused,
            Mood::Well | Mood::Slow | Mood::Hangs | Mood::Moody => Fate::Done,
            Mood::Refuses => Fate::Refused,
            Mood::LosesAnswers => Fate::AnswerLost,
            Mood::CommitsLate => Fate::Late,
        };
        let most_ms = match mood {
            Mood::Slow => 900,
            _ => 12,
        };
        let first = now_ms + self.random.random_range(0..=most_ms);
        let second = first + self.random.random_range(0..=12);
        match fate {
            // Up to well behind the next try.
            Fate::Late => (fate, second + self.random.random_range(0..400), first),
            Fate::Done | Fate::Refused | Fate::AnswerLost => (fate, first, second),
        }
    }

    /// A node is gone, or its connections are: what it asked is answered to nobody, and happens or does not.
    pub(crate) fn hang_up(&mut self, node: usize) {
        let mut asked = std::mem::take(&mut self.lock().asked);
        asked.retain_mut(|one| {
            if one.node != node {
                return true;
            }
            one.reply = None;
            if one.fate.is_none() {
                // It never left the machine.
                return false;
            }
            let is_whole = one.result.is_some();
            !is_whole && self.random.random_bool(0.5)
        });
        self.lock().asked = asked;
    }

    /// A node is gone, and at times the power with it: what was not on the disk is lost then.
    pub(crate) fn crash(&mut self, node: usize) {
        self.hang_up(node);
        if self.random.random_bool(0.5) {
            self.unsynced.clear();
        }
    }

    /// All that was written reaches the disk.
    fn sync(&mut self) {
        for batch in std::mem::take(&mut self.unsynced) {
            let appended =
                now(self.inner.append(std::slice::from_ref(&batch))).expect("memory does not fail");
            if appended == [Appended::Stored] {
                self.commits_count += 1;
                self.enter(&batch);
            }
        }
    }

    /// Deletes a document, as another process would.
    pub(crate) fn delete(&mut self, doc: &DocId) {
        self.sync();
        let epoch = now(self.inner.delete(doc)).expect("memory does not fail");
        let ledger = self
            .ledgers
            .entry(doc.name().to_owned())
            .or_insert_with(Ledger::new);
        ledger.current = Doc::new();
        ledger.epoch = epoch;
    }

    /// What is on the disk now.
    pub(crate) fn load(&self, doc: &DocId) -> Stored {
        now(self.inner.load(doc)).expect("memory does not fail")
    }

    fn commit(&mut self, run: u64, call: &Call) -> Answer {
        if let Call::Write(batches) = call {
            return self.write(batches);
        }
        self.sync();
        Ok(match call {
            Call::Load(doc) => Reply::Loaded(now(self.inner.load(doc))?),
            Call::Append(id, batches) => {
                if let Some(known) = self.appended.get(&(run, *id)) {
                    return Ok(Reply::Appended(known.clone()));
                }
                let appended = now(self.inner.append(batches))?;
                self.commits_count += 1;
                for (batch, what) in batches.iter().zip(&appended) {
                    if *what == Appended::Stored {
                        self.enter(batch);
                    }
                }
                self.appended.insert((run, *id), appended.clone());
                Reply::Appended(appended)
            }
            Call::Claim(doc) => Reply::Claimed(now(self.inner.claim_compaction(doc))?),
            Call::Compact(doc, merge) => {
                let compacted = now(self.inner.compact(doc, merge.clone()))?;
                self.compactions_count += u64::from(compacted != Compacted::Stale);
                Reply::Compacted(compacted)
            }
            Call::Quarantine(doc, record, reason) => {
                now(self.inner.quarantine(doc, record, reason))?;
                Reply::Done
            }
            Call::Sync | Call::Health => Reply::Done,
            Call::Write(_) => unreachable!("written above"),
        })
    }

    fn write(&mut self, batches: &[Batch]) -> Answer {
        let mut appended = Vec::with_capacity(batches.len());
        for batch in batches {
            let is_current = now(self.inner.load(&batch.doc))?.epoch == batch.epoch;
            if is_current {
                self.unsynced.push(batch.clone());
            }
            appended.push(if is_current {
                Appended::Stored
            } else {
                Appended::StaleEpoch
            });
        }
        Ok(Reply::Written(Written {
            appended,
            is_on_disk: false,
        }))
    }

    fn enter(&mut self, batch: &Batch) {
        let ledger = self
            .ledgers
            .entry(batch.doc.name().to_owned())
            .or_insert_with(Ledger::new);
        for record in &batch.records {
            let update = Update::check(record.update.clone()).expect("what is stored has passed the gate");
            let update = [(ConnectionId(1), update)];
            ledger.ever.apply(&update).expect("it can be loaded");
            ledger.current.apply(&update).expect("it can be loaded");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Ledger {
    fn new() -> Ledger {
        Ledger {
            ever: Doc::new(),
            current: Doc::new(),
            epoch: Epoch::FIRST,
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A run that failed has nothing left to protect.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(what: &str) -> StoreError {
    StoreError::Unavailable(format!("simulated: {what}"))
}

/// A store in memory never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory does not wait")
}

fn name(call: &Call) -> String {
    match call {
        Call::Load(doc) => format!("load {}", doc.name()),
        Call::Sync => "sync".to_owned(),
        Call::Append(_, batches) | Call::Write(batches) => {
            let mut text = "append".to_owned();
            for batch in batches {
                let words = |record: &Record| {
                    Update::check(record.update.clone())
                        .map_or_else(|refusal| refusal.to_string(), |update| words(&update))
                };
                let records: Vec<String> = batch.records.iter().map(words).collect();
                text += &format!(" {}@{}: {}", batch.doc.name(), batch.epoch, records.join("; "));
            }
            text
        }
        Call::Claim(doc) => format!("claim {}", doc.name()),
        Call::Compact(doc, merge) => format!("compact {} of {} rows", doc.name(), merge.rows.len()),
        Call::Quarantine(doc, _, reason) => format!("quarantine {} {reason}", doc.name()),
        Call::Health => "health".to_owned(),
    }
}

fn told(answer: &Answer) -> String {
    match answer {
        Ok(Reply::Loaded(stored)) => format!("epoch {} rows {}", stored.epoch, stored.rows.len()),
        Ok(Reply::Appended(appended) | Reply::Written(Written { appended, .. })) => format!("{appended:?}"),
        Ok(Reply::Claimed(claimed)) => format!("{claimed}"),
        Ok(Reply::Compacted(compacted)) => format!("{compacted:?}"),
        Ok(Reply::Done) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// One run of one node's connection to the store.
struct DiskClient {
    state: Arc<Mutex<State>>,
    writes_first: bool,
    node: usize,
    run: u64,
}

impl DiskClient {
    async fn ask(&self, call: Call) -> Answer {
        let (reply, answer) = oneshot::channel();
        {
            let mut state = lock(&self.state);
            state.asked_count += 1;
            let number = state.asked_count;
            state.asked.push(Asked {
                number,
                node: self.node,
                run: self.run,
                call,
                reply: Some(reply),
                fate: None,
                result: None,
            });
        }
        answer
            .await
            .unwrap_or_else(|_| Err(unavailable("the connection was lost")))
    }
}

#[async_trait]
impl Store for DiskClient {
    async fn load(&self, doc: &DocId) -> Result<Stored, StoreError> {
        match self.ask(Call::Load(doc.clone())).await? {
            Reply::Loaded(stored) => Ok(stored),
            _ => unreachable!("the reply to another call"),
        }
    }

    async fn append(&self, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
        self.append_once(AppendId::fresh(), batches).await
    }

    async fn append_once(&self, id: AppendId, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
        match self.ask(Call::Append(id, batches.to_vec())).await? {
            Reply::Appended(appended) => Ok(appended),
            _ => unreachable!("the reply to another call"),
        }
    }

    async fn write_once(&self, id: AppendId, batches: &[Batch]) -> Result<Written, StoreError> {
        if self.writes_first {
            return match self.ask(Call::Write(batches.to_vec())).await? {
                Reply::Written(written) => Ok(written),
                _ => unreachable!("the reply to another call"),
            };
        }
        let appended = self.append_once(id, batches).await?;
        Ok(Written {
            appended,
            is_on_disk: true,
        })
    }

    async fn sync(&self) -> Result<(), StoreError> {
        self.ask(Call::Sync).await.map(|_| ())
    }

    async fn claim_compaction(&self, doc: &DocId) -> Result<bool, StoreError> {
        match self.ask(Call::Claim(doc.clone())).await? {
            Reply::Claimed(claimed) => Ok(claimed),
            _ => unreachable!("the reply to another call"),
        }
    }

    async fn compact(&self, doc: &DocId, merge: Compaction) -> Result<Compacted, StoreError> {
        match self.ask(Call::Compact(doc.clone(), merge)).await? {
            Reply::Compacted(compacted) => Ok(compacted),
            _ => unreachable!("the reply to another call"),
        }
    }

    async fn quarantine(&self, doc: &DocId, record: &Record, reason: &str) -> Result<(), StoreError> {
        let call = Call::Quarantine(doc.clone(), record.clone(), reason.to_owned());
        self.ask(call).await.map(|_| ())
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.ask(Call::Health).await.map(|_| ())
    }

    async fn history(
        &self,
        _: &DocId,
        _: Option<HistoryCursor>,
        _: usize,
    ) -> Result<HistoryPage, StoreError> {
        Err(unavailable("no room asks for it"))
    }

    async fn exists(&self, _: &DocId) -> Result<bool, StoreError> {
        Err(unavailable("no room asks for it"))
    }

    async fn list(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<DocInfo>, StoreError> {
        Err(unavailable("no room asks for it"))
    }

    async fn delete(&self, _: &DocId) -> Result<Epoch, StoreError> {
        Err(unavailable("no room asks for it"))
    }

    async fn quarantined(&self, _: &DocId) -> Result<Vec<Quarantined>, StoreError> {
        Err(unavailable("no room asks for it"))
    }

    async fn close(&self) {}
}
