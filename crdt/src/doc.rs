//! A document. This is the only file that names the engine, and everything that enters it has passed the gate.
//!
//! The engine never holds updates whose past is missing: they wait here, bounded, and are tried again when the
//! document has grown. A panic of the engine is caught and reported as [`Broken`]; the document must then be thrown
//! away, because its state is not to be trusted.
//!
//! What the engine writes is not always what it read: a subdocument's `meta` and a `BigInt` that an integer can hold
//! come out without and as an integer. One update that is new from end to end is therefore passed on as it came.

use std::any::Any as Payload;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use bytes::Bytes;
use yrs::updates::decoder::Decode;
use yrs::{OffsetKind, Options, ReadTxn, Transact, TransactionMut};

use crate::awareness::ConnectionId;
use crate::block::Id;
use crate::deleted::Deleted;
use crate::gate::Extent;
use crate::gate::Refusal;
use crate::limits::{LOAD_UPDATES_COUNT, SHAPE_BYTES_MIN, SHAPE_DOC_PERCENT};
use crate::pending::{Pending, STORE};
use crate::shape::Shape;
use crate::state_vector::StateVector;
use crate::update::Update;

/// What became of one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It brought something.
    New,
    /// Everything in it was here already.
    Nothing,
    /// It builds on edits that are not here, and waits for them. It is not part of the document yet.
    Pending,
    /// As pending, but the space for such updates is full: nothing of it was kept.
    PendingFull,
}

/// An update of an earlier turn that could be integrated in this one.
#[derive(Clone, Debug)]
pub struct Late {
    /// Who sent it.
    pub author: ConnectionId,
    /// The update.
    pub update: Update,
    /// [`Outcome::New`] or [`Outcome::Nothing`].
    pub outcome: Outcome,
}

/// What a turn brought.
#[derive(Clone, Debug)]
pub struct Turn {
    /// One for each update of the turn, in order.
    pub outcomes: Vec<Outcome>,
    /// Updates of earlier turns that fitted now.
    pub late: Vec<Late>,
    /// All that is new, as one update. None when nothing is.
    pub update: Option<Update>,
}

/// The document is broken and must be thrown away. The texts are for logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The engine panicked.
    #[error("the engine panicked: {0}")]
    Panicked(String),
    /// The engine keeps waiting for something, although everything was there.
    #[error("blocks that the engine could not place")]
    Incomplete,
    /// An update does not fit into this document: blocks that wait for each other in a circle, neighbours in
    /// different lists, a parent that is no shared type, types nested too deep. Or the engine wrote something that
    /// the gate refuses.
    #[error("what may not be in a document: {0}")]
    Refused(Refusal),
    /// The engine refused something that the gate let pass, or the document was broken before.
    #[error("the engine refused: {0}")]
    Engine(String),
}

/// A document in memory.
pub struct Doc {
    engine: yrs::Doc,
    shape: Shape,
    /// What the shape may take until the document is repacked.
    shape_bytes_max: usize,
    state_vector: StateVector,
    version: u64,
    pending: Pending,
    /// What is deleted, once somebody asked in this version.
    deleted: OnceLock<Deleted>,
    /// A transaction failed. The engine may still hold its own lock then, and would wait for it for ever.
    is_broken: bool,
}

impl Default for Doc {
    fn default() -> Doc {
        Doc::new()
    }
}

impl Drop for Doc {
    /// The engine lets a subdocument hold on to its parent, and the parent holds the subdocument: such a document
    /// would stay in memory for ever. Everything in it is deleted first, and the circle with it.
    fn drop(&mut self) {
        // Whatever goes wrong here is about memory alone; a broken document may still hold its lock.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let Ok(transaction) = self.engine.try_transact() else {
                return;
            };
            if transaction.subdocs().next().is_none() {
                return;
            }
            let clocks = transaction.state_vector();
            drop(transaction);
            let mut everything = crate::lib0::Writer::new();
            everything.var_uint(0).var_uint(clocks.len() as u64);
            for (client, clock) in clocks.iter() {
                everything
                    .var_uint(client.get())
                    .var_uint(1)
                    .var_uint(0)
                    .var_uint(u64::from(*clock));
            }
            if let (Ok(deletion), Ok(mut transaction)) = (
                yrs::Update::decode_v1(&everything.into_bytes()),
                self.engine.try_transact_mut(),
            ) {
                let _ = transaction.apply_update(deletion);
            }
        }));
    }
}

impl Doc {
    /// A document with nothing in it.
    pub fn new() -> Doc {
        let options = Options {
            // Yjs clients count UTF-16 units.
            offset_kind: OffsetKind::Utf16,
            // Deleting formats that no longer show is left to the clients: the server writes nothing of its own.
            cleanup_formatting: false,
            ..Options::default()
        };
        Doc {
            engine: yrs::Doc::with_options(options),
            shape: Shape::default(),
            shape_bytes_max: SHAPE_BYTES_MIN,
            state_vector: StateVector::default(),
            version: 0,
            pending: Pending::default(),
            deleted: OnceLock::new(),
            is_broken: false,
        }
    }

    /// A document from what is stored, in the order in which it was accepted: what is between two lists goes in
    /// because one of them was deleted before, and not otherwise. What clients made goes in in any order. Updates
    /// whose past is missing wait, as in [`Doc::apply`]. Takes them as it goes: an iterator that makes them one by one
    /// keeps a long log from being in memory as updates all at once.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn load(updates: impl IntoIterator<Item = Update>) -> Result<Doc, Broken> {
        let mut doc = Doc::new();
        let mut updates = updates.into_iter().map(|update| (STORE, update)).peekable();
        let mut bytes = 0;
        while updates.peek().is_some() {
            // What is typed in a row is one block from the end of a transaction on.
            let batch: Vec<(ConnectionId, Update)> = updates.by_ref().take(LOAD_UPDATES_COUNT).collect();
            bytes += batch
                .iter()
                .map(|(_, update)| update.bytes().len())
                .sum::<usize>();
            doc.integrate(&batch, Wanted::Document)?;
        }
        doc.version = 0;
        doc.let_shape_grow(bytes);
        Ok(doc)
    }

    /// Integrates a turn in one transaction.
    ///
    /// # Errors
    /// [`Broken`]: this document must be thrown away.
    pub fn apply(&mut self, batch: &[(ConnectionId, Update)]) -> Result<Turn, Broken> {
        self.integrate(batch, Wanted::Turn)
    }

    /// What the document has.
    pub fn state_vector(&self) -> &StateVector {
        &self.state_vector
    }

    /// Counts the turns that brought something since this document was made.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What somebody with this state vector lacks: blocks beyond it, and all deletions. Without what is pending.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn diff(&self, since: &StateVector) -> Result<Update, Broken> {
        let since: yrs::StateVector = since
            .iter()
            .map(|(client, clock)| (yrs::block::ClientID::new(client), clock))
            .collect();
        let bytes = self.read(|transaction| transaction.encode_diff_v1(&since))?;
        Update::check(Bytes::from(bytes)).map_err(Broken::Refused)
    }

    /// The whole document as one update. Without what is pending.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn snapshot(&self) -> Result<Update, Broken> {
        self.diff(&StateVector::default())
    }

    /// Whether an update would bring anything. Exact for deletions too: the first such question after a turn costs a
    /// walk over the document.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn is_news(&self, update: &Update) -> Result<bool, Broken> {
        let extent = update.extent();
        if extent
            .structs
            .iter()
            .any(|range| range.to > self.state_vector.get(range.client))
        {
            return Ok(true);
        }
        if extent.deletes.is_empty() {
            return Ok(false);
        }
        let known = self.deleted()?;
        Ok(!extent.deletes.iter().all(|range| known.holds(range)))
    }

    /// A number that two documents share exactly when the same is deleted in both, as far as 64 bits tell. A state vector
    /// does not show that. As for [`Doc::is_news`], the first such question after a turn costs a walk.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn deletions_fingerprint(&self) -> Result<u64, Broken> {
        Ok(self.deleted()?.fingerprint())
    }

    fn deleted(&self) -> Result<&Deleted, Broken> {
        if let Some(known) = self.deleted.get() {
            return Ok(known);
        }
        let set = self.read(|transaction| transaction.snapshot().delete_set)?;
        let ranges = set.iter().map(|(client, ranges)| {
            let ranges = ranges.iter().map(|range| (range.start, range.end));
            (client.get(), ranges.collect())
        });
        Ok(self.deleted.get_or_init(|| Deleted::new(ranges)))
    }

    /// Whether what is kept of past edits has doubled since this document was made or repacked, and is not small beside the
    /// document. It grows with every edit, also where nothing is left of them.
    pub fn wants_repack(&self) -> bool {
        self.shape.bytes() > self.shape_bytes_max
    }

    /// Makes the document anew of what it is now, and lets go of the rest. What waits for its past goes on waiting. Takes
    /// about as long as [`Doc::load`], and as much memory meanwhile.
    ///
    /// # Errors
    /// [`Broken`]: it stays as it was, and the next one is wanted when it has doubled once more.
    pub fn repack(&mut self) -> Result<(), Broken> {
        // Should this fail: not before it has doubled once more.
        self.let_shape_grow(0);
        let whole = self.snapshot()?;
        let doc_bytes = whole.bytes().len();
        let mut fresh = Doc::load([whole])?;
        if fresh.state_vector != self.state_vector {
            return Err(Broken::Incomplete);
        }
        std::mem::swap(&mut self.engine, &mut fresh.engine);
        std::mem::swap(&mut self.shape, &mut fresh.shape);
        self.let_shape_grow(doc_bytes);
        Ok(())
    }

    fn let_shape_grow(&mut self, doc_bytes: usize) {
        let least = SHAPE_BYTES_MIN.max(doc_bytes / 100 * SHAPE_DOC_PERCENT);
        self.shape_bytes_max = least.max(2 * self.shape.bytes());
    }

    /// Bytes of updates that wait for their past.
    pub fn pending_bytes(&self) -> usize {
        self.pending.bytes()
    }

    /// The same, of one connection.
    pub fn pending_bytes_of(&self, author: ConnectionId) -> usize {
        self.pending.bytes_of(author)
    }

    /// Drops what waits from one connection: it is gone, and brings it again.
    pub fn forget_pending(&mut self, author: ConnectionId) {
        self.pending.forget(author);
    }

    fn integrate(&mut self, batch: &[(ConnectionId, Update)], wanted: Wanted) -> Result<Turn, Broken> {
        if self.is_broken {
            return Err(broken_before());
        }
        // Until this ends well. What the turn takes out of the document is put back only then.
        self.is_broken = true;
        let transaction = self
            .engine
            .try_transact_mut()
            .map_err(|error| Broken::Engine(error.to_string()))?;
        // A panic inside must not run the transaction's own drop on its way out: that commits, may panic again and
        // would end the process. Forgotten, it costs the memory of this one document.
        let mut transaction = ManuallyDrop::new(transaction);
        let mut work = Work {
            wanted,
            shape: std::mem::take(&mut self.shape),
            state_vector: std::mem::take(&mut self.state_vector),
            pending: std::mem::take(&mut self.pending),
            outcomes: Vec::with_capacity(batch.len()),
            late: Vec::new(),
            brought_news: false,
            news: Vec::new(),
        };
        let worked = catch_unwind(AssertUnwindSafe(|| work.turn(&mut transaction, batch)));
        let update = match worked {
            Ok(worked) => {
                let transaction = ManuallyDrop::into_inner(transaction);
                caught(|| drop(transaction))?;
                worked?
            }
            Err(panic) => return Err(Broken::Panicked(words_of(&*panic))),
        };
        self.shape = work.shape;
        self.state_vector = work.state_vector;
        self.pending = work.pending;
        if work.brought_news {
            self.version += 1;
            self.deleted = OnceLock::new();
        }
        self.is_broken = false;
        Ok(Turn {
            outcomes: work.outcomes,
            late: work.late,
            update,
        })
    }

    fn read<T>(&self, ask: impl FnOnce(&yrs::Transaction<'_>) -> T) -> Result<T, Broken> {
        if self.is_broken {
            return Err(broken_before());
        }
        caught(|| {
            let transaction = self
                .engine
                .try_transact()
                .map_err(|error| Broken::Engine(error.to_string()))?;
            Ok(ask(&transaction))
        })?
    }
}

fn broken_before() -> Broken {
    Broken::Engine("the document was broken before".to_owned())
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Broken> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Broken::Panicked(words_of(&*panic)))
}

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The document: nobody waits for what became of each update.
    Document,
    /// What each update brought, and the news as one update.
    Turn,
}

/// An update that brought something.
struct News {
    update: Update,
    /// Nothing of it was known before.
    whole: bool,
}

/// One turn on its way into the engine.
struct Work {
    wanted: Wanted,
    shape: Shape,
    state_vector: StateVector,
    pending: Pending,
    outcomes: Vec<Outcome>,
    late: Vec<Late>,
    brought_news: bool,
    /// Of a turn alone.
    news: Vec<News>,
}

impl Work {
    fn turn(
        &mut self,
        transaction: &mut TransactionMut<'_>,
        batch: &[(ConnectionId, Update)],
    ) -> Result<Option<Update>, Broken> {
        self.run(transaction, batch)?;
        if transaction.has_missing_updates() {
            return Err(Broken::Incomplete);
        }
        // Before encoding: what was typed in one turn is one block then, and what it deleted is gone.
        transaction.commit();
        match (self.wanted, self.news.as_slice()) {
            (Wanted::Document, _) | (Wanted::Turn, []) => Ok(None),
            // One update that is new from end to end goes out as it came.
            (Wanted::Turn, [only]) if only.whole => Ok(Some(only.update.clone())),
            (Wanted::Turn, _) => {
                let bytes = Bytes::from(transaction.encode_update_v1());
                Update::check(bytes).map(Some).map_err(Broken::Refused)
            }
        }
    }

    fn run(
        &mut self,
        transaction: &mut TransactionMut<'_>,
        batch: &[(ConnectionId, Update)],
    ) -> Result<(), Broken> {
        for (place, (author, update)) in batch.iter().enumerate() {
            let outcome = if self.fits(update.extent()) {
                self.integrate(transaction, update)?
            } else if self.pending.keep(*author, update, place) {
                Outcome::Pending
            } else {
                Outcome::PendingFull
            };
            self.outcomes.push(outcome);
        }
        // What was integrated may be what others waited for, and those again.
        if self.brought_news && !self.pending.is_empty() {
            let mut queue = self.pending.queue(&self.state_vector);
            while let Some(one) = queue.pop() {
                let outcome = self.integrate(transaction, &one.update)?;
                queue.arrived(one.update.extent(), &self.state_vector);
                match one.place {
                    // It only had to wait for a later one of this very turn.
                    Some(place) => self.outcomes[place] = outcome,
                    None => self.late.push(Late {
                        author: one.author,
                        update: one.update,
                        outcome,
                    }),
                }
            }
            self.pending.put_back(queue);
        }
        self.pending.end_turn();
        Ok(())
    }

    fn fits(&self, extent: &Extent) -> bool {
        extent
            .needs
            .iter()
            .all(|(client, clock)| self.state_vector.get(*client) >= *clock)
    }

    fn integrate(
        &mut self,
        transaction: &mut TransactionMut<'_>,
        update: &Update,
    ) -> Result<Outcome, Broken> {
        let extent = update.extent();
        if update.is_empty() {
            return Ok(Outcome::Nothing);
        }
        let brings_blocks = extent
            .structs
            .iter()
            .any(|range| range.to > self.state_vector.get(range.client));
        if !brings_blocks && extent.deletes.is_empty() {
            return Ok(Outcome::Nothing);
        }
        let whole = brings_blocks
            && extent
                .structs
                .iter()
                .all(|range| range.from >= self.state_vector.get(range.client));
        // Only a deletion alone has to be asked for its effect, and only where somebody wants to know.
        let asks = !brings_blocks && self.wanted == Wanted::Turn;
        let deleted_before = if asks { deleted_count(transaction) } else { 0 };
        let alive = |id: Id| {
            let id = yrs::ID::new(yrs::block::ClientID::new(id.client), id.clock);
            yrs::BranchID::get_nested(transaction, &id).is_some_and(|branch| !branch.is_deleted())
        };
        self.shape.admit(update, alive).map_err(Broken::Refused)?;
        let decoded = yrs::Update::decode_v1(update.bytes())
            .map_err(|error| Broken::Engine(format!("decoding: {error}")))?;
        transaction
            .apply_update(decoded)
            .map_err(|error| Broken::Engine(format!("applying: {error}")))?;
        for range in &extent.structs {
            self.state_vector.advance(range.client, range.to);
        }
        // Blocks were known: it is news exactly when it deleted something.
        if asks && deleted_count(transaction) == deleted_before {
            return Ok(Outcome::Nothing);
        }
        // A deletion alone goes out as it came as well: repeating what is deleted already does no harm. Blocks that
        // are known by their clocks must not: they may be other ones than those that are here, and whoever reads the
        // log in another order would take these.
        self.brought_news = true;
        if self.wanted == Wanted::Turn {
            self.news.push(News {
                update: update.clone(),
                whole: whole || extent.structs.is_empty(),
            });
        }
        Ok(Outcome::New)
    }
}

fn deleted_count(transaction: &TransactionMut<'_>) -> u64 {
    let ranges = transaction
        .delete_set()
        .iter()
        .flat_map(|(_, ranges)| ranges.iter());
    ranges.map(|range| u64::from(range.end - range.start)).sum()
}

fn words_of(panic: &(dyn Payload + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "no words".to_owned(),
    }
}
