//! Cold start and rebuild: a document from its snapshot and log, without what is damaged or breaks the engine.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use roomtone_crdt::{Awareness, ConnectionId, Doc, Update, encode};
use roomtone_persistence::{DocId, Epoch, Generation, Record, Stored, aside};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::acks::Acks;
use super::following::Following;
use super::reception::Preview;
use super::remote::Remote;
use super::turn::{Gathered, Waiting};
use super::{Awake, Room};
use crate::close::Close;
use crate::compactor::Measured;
use crate::hub::Context;
use crate::limits::{FLUSH_MS_MAX, PREVIEW_BYTES_MIN};
use crate::metrics;
use crate::room::turn::Breakage;
use crate::saver::Progress;

/// A document as it came from the store.
pub(super) struct Loaded {
    pub(super) doc: Doc,
    pub(super) epoch: Epoch,
    pub(super) generation: Generation,
    /// The snapshot, when it is the whole document: the frame for the first joiner is ready.
    pub(super) whole: Option<Update>,
    pub(super) bytes: usize,
    pub(super) log_bytes: usize,
    pub(super) log_rows: usize,
}

/// Loads a document. Where all of it is one large snapshot, that goes to `previewer` before the document is built.
///
/// # Errors
/// The close for everyone who waits: nothing is served, and nothing is stored, that was not loaded.
pub(super) async fn load(
    context: &Context,
    doc_id: &DocId,
    previewer: Option<oneshot::Sender<Preview>>,
) -> Result<Loaded, Close> {
    let started = Instant::now();
    let away = Close::TryLater("the store cannot be read; come back later");
    let read = timeout(Duration::from_millis(FLUSH_MS_MAX), context.store.load(doc_id));
    let stored = match read.await {
        Ok(Ok(stored)) => stored,
        Ok(Err(error)) => {
            tracing::error!(doc = %doc_id, %error, "loading failed");
            return Err(away);
        }
        Err(_) => {
            tracing::error!(doc = %doc_id, "loading took too long");
            return Err(away);
        }
    };
    if !stored.damage.is_empty() {
        metrics::damage(stored.damage.len());
        for damage in &stored.damage {
            tracing::error!(doc = %doc_id, %damage, "stored data is damaged; the rest is served");
        }
    }
    // Building a large document takes tens of milliseconds: not on a thread that serves sockets.
    let built = aside(move || build(stored, previewer)).await;
    let Ok(built) = built else {
        tracing::error!(doc = %doc_id, "building the document panicked");
        return Err(Close::Internal);
    };
    let (loaded, bad) = built.map_err(|error| {
        tracing::error!(doc = %doc_id, error, "the document cannot be built");
        Close::Internal
    })?;
    for (record, reason) in bad {
        set_aside(context, doc_id, &record, &reason).await;
    }
    metrics::loaded(started.elapsed());
    Ok(loaded)
}

/// Keeps an update that broke the engine for inspection. From then on the store leaves it out of loads.
async fn set_aside(context: &Context, doc_id: &DocId, record: &Record, reason: &str) {
    metrics::quarantined();
    let bytes = record.update.len();
    let user = record.user.as_deref().unwrap_or("anonymous");
    tracing::error!(doc = %doc_id, user, client = record.client, bytes, reason, "update quarantined");
    if let Err(error) = context.store.quarantine(doc_id, record, reason).await {
        tracing::error!(doc = %doc_id, %error, "the quarantined update could not be kept");
    }
}

type Bad = Vec<(Record, String)>;

fn build(stored: Stored, previewer: Option<oneshot::Sender<Preview>>) -> Result<(Loaded, Bad), &'static str> {
    let mut bad = Bad::new();
    let snapshot = match &stored.snapshot {
        // A checksum says that the bytes are ours; the gate says that the engine may see them.
        Some(snapshot) => {
            Some(Update::check(snapshot.update.clone()).map_err(|_| "the snapshot does not pass the gate")?)
        }
        None => None,
    };
    let is_whole = stored.recovered.is_empty() && stored.rows.is_empty() && stored.damage.is_empty();
    if let (Some(previewer), Some(snapshot), true) = (previewer, &snapshot, is_whole)
        && snapshot.bytes().len() >= PREVIEW_BYTES_MIN
        && let Some(preview) = Preview::of(stored.epoch, snapshot)
    {
        // Whoever opened the room may have given up.
        let _ = previewer.send(preview);
    }
    let mut updates: Vec<(Record, Update)> = Vec::new();
    for row in stored.recovered.iter().chain(&stored.rows) {
        for record in &row.records {
            match Update::check(record.update.clone()) {
                Ok(update) => updates.push((record.clone(), update)),
                Err(refusal) => bad.push((record.clone(), refusal.to_string())),
            }
        }
    }
    let log_bytes = updates
        .iter()
        .map(|(record, _)| record.update.len())
        .sum::<usize>();
    let doc = build_without_the_bad(&snapshot, &mut updates, &mut bad)?;
    let snapshot_bytes = snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes().len());
    let whole = snapshot.filter(|_| updates.is_empty());
    let loaded = Loaded {
        doc,
        epoch: stored.epoch,
        generation: stored.generation,
        whole,
        bytes: snapshot_bytes + log_bytes,
        log_bytes,
        log_rows: stored.rows.len(),
    };
    Ok((loaded, bad))
}

/// Builds the document, and on a break finds the update that does it by halving: the log without it is the
/// document.
fn build_without_the_bad(
    snapshot: &Option<Update>,
    updates: &mut Vec<(Record, Update)>,
    bad: &mut Bad,
) -> Result<Doc, &'static str> {
    let try_first = |updates: &[(Record, Update)], count: usize| {
        Doc::load(
            snapshot
                .iter()
                .cloned()
                .chain(updates[..count].iter().map(|(_, update)| update.clone())),
        )
    };
    loop {
        let broken = match try_first(updates, updates.len()) {
            Ok(doc) => return Ok(doc),
            Err(broken) => broken,
        };
        if updates.is_empty() {
            return Err("the snapshot breaks the engine");
        }
        // The longest good beginning; the update after it is the one.
        let (mut good, mut failing) = (0, updates.len());
        while failing - good > 1 {
            let middle = good + (failing - good) / 2;
            if try_first(updates, middle).is_ok() {
                good = middle
            } else {
                failing = middle
            }
        }
        let (record, _) = updates.remove(failing - 1);
        bad.push((record, broken.to_string()));
    }
}

impl Awake {
    pub(super) fn new(
        context: &Context,
        doc_id: &DocId,
        loaded: Loaded,
        remote: Option<Box<Remote>>,
        following: Option<Box<Following>>,
        others: ConnectionId,
    ) -> Awake {
        let log = context.saver.log(doc_id.clone(), loaded.epoch);
        let progress = log.watch();
        let version = loaded.doc.version();
        Awake {
            whole: loaded.whole.map(|snapshot| (version, encode::step2(&snapshot))),
            doc: loaded.doc,
            log,
            progress,
            members: HashMap::new(),
            awareness: Awareness::new(),
            dirty: Vec::new(),
            integrate_due: None,
            integrated: None,
            awareness_due: None,
            awareness_sent: None,
            gathered: Gathered::default(),
            held: VecDeque::new(),
            acks: Acks::default(),
            remote,
            following,
            others,
            askers: Vec::new(),
            deferred: Vec::new(),
            status_due: None,
            seen: Progress::default(),
            in_flight_since: None,
            unsaved_since: None,
            stalled: false,
            doc_bytes_estimate: loaded.bytes,
            measured: Measured::default(),
            unmeasured_bytes: loaded.log_bytes,
            log_bytes: loaded.log_bytes,
            log_rows: loaded.log_rows,
            empty_since: Some(Instant::now()),
            broken: None,
        }
    }
}

impl Room {
    /// Throws the document away and builds it anew from the log; then tries the updates of the broken turn one at
    /// a time. Those that break it again are put aside with their author, the others go on.
    ///
    /// # Errors
    /// The room cannot go on: its members are told to come back, and what they hold comes with them.
    pub(super) async fn rebuild(&mut self, breakage: Breakage) -> Result<(), Close> {
        tracing::error!(doc = %self.doc_id, error = %breakage.broken, "the engine broke; rebuilding the room");
        self.sift(breakage.suspects).await?;
        for (from, payload) in breakage.statuses {
            self.hold_status(from, payload);
        }
        // What gathered meanwhile, and what was deferred.
        self.release_saved();
        Ok(())
    }

    async fn sift(&mut self, mut suspects: Vec<Waiting>) -> Result<(), Close> {
        suspects.reverse();
        for _ in 0..crate::limits::REBUILDS_PER_TURN_COUNT_MAX {
            self.reload().await?;
            let broken = loop {
                let Some(suspect) = suspects.pop() else {
                    return Ok(());
                };
                if let Err(broken) = self.apply_alone(&suspect) {
                    break (suspect, broken);
                }
            };
            let (suspect, broken) = broken;
            let record = self.record_of(&suspect);
            set_aside(&self.context, &self.doc_id, &record, &broken.to_string()).await;
            self.dismiss_author(
                suspect,
                Close::BadFrame("the update broke the document and was put aside"),
            );
        }
        self.reload().await?;
        for suspect in suspects {
            self.dismiss_author(suspect, Close::TryLater("the room is recovering; come back"));
        }
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), Close> {
        if !self.wait_for_log().await {
            // Of a document that was replaced nobody may come back with the old copy.
            let stale = self.awake.progress.borrow().stale;
            return Err(if stale {
                Close::StaleEpoch
            } else {
                Close::TryLater("the room is recovering; come back")
            });
        }
        self.release_what_waited();
        let loaded = load(&self.context, &self.doc_id, None).await?;
        if loaded.epoch != self.awake.log.epoch() {
            return Err(Close::StaleEpoch);
        }
        let broken = std::mem::replace(&mut self.awake.doc, loaded.doc);
        self.suspect_remote_loss();
        self.awake.whole = None;
        self.awake.doc_bytes_estimate = loaded.bytes;
        // What waited for its past is gone with the old document: its authors are asked for all they have.
        let members: Vec<ConnectionId> = self.awake.members.keys().copied().collect();
        for id in members.into_iter().filter(|id| broken.pending_bytes_of(*id) > 0) {
            if let Some(seated) = self.awake.members.get_mut(&id) {
                seated.asked = false;
            }
            self.take_gapped(id);
        }
        Ok(())
    }
}
