//! Group commit: one task takes what all rooms accepted since the last commit and writes it in one transaction.
//!
//! A batch is forgotten only when the store has returned. While the store fails, batches stay, are tried again,
//! and are bounded in bytes over all rooms together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roomtone_persistence::{AppendId, Appended, Batch, DocId, Epoch, Record, Store, StoreError};
use tokio::sync::{mpsc, watch};

use crate::limits::{
    COMMIT_BYTES_MAX, COMMIT_RETRY_MS_MAX, COMMIT_RETRY_MS_MIN, COMMIT_SLOW_MS, RECORD_BYTES, STORE_PROBE_MS,
};
use crate::metrics;

/// How far a room's batches have come. Rooms number their own batches from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every batch up to this number is on the disk.
    pub saved: u64,
    /// The document was deleted or replaced under the room: nothing of this room will be saved any more.
    pub stale: bool,
}

/// A room's end of the saver.
pub struct Log {
    saver: Saver,
    doc: DocId,
    epoch: Epoch,
    accepted: u64,
    progress: Arc<watch::Sender<Progress>>,
}

impl Log {
    /// Hands a batch over and returns its number. Never waits; the caller has asked
    /// [`Saver::has_space_for`] before it applied the batch.
    pub fn submit(&mut self, records: Vec<Record>) -> u64 {
        self.accepted += 1;
        let bytes = records
            .iter()
            .map(|record| RECORD_BYTES + record.update.len())
            .sum();
        let waiting = self
            .saver
            .shared
            .backlog_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        // Here too, not only after a commit: the alarm has to see it grow while there is none.
        metrics::backlog_bytes(waiting + bytes);
        self.saver.shared.accepted_batches.fetch_add(1, Ordering::Relaxed);
        let submission = Submission {
            batch: Batch {
                doc: self.doc.clone(),
                epoch: self.epoch,
                records,
            },
            bytes,
            number: self.accepted,
            at: Instant::now(),
            progress: self.progress.clone(),
        };
        // The saver task lives as long as the process; on the way out nobody waits for it any more.
        let _ = self.saver.submissions.send(submission);
        self.accepted
    }

    /// The epoch that this log writes to.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The number of the last batch handed over.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Whether everything handed over is on the disk.
    pub fn is_clean(&self) -> bool {
        self.progress.borrow().saved >= self.accepted
    }

    /// The latest progress, and a way to wait for more.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }
}

/// A cheap handle to the group-commit task.
#[derive(Clone)]
pub struct Saver {
    submissions: mpsc::UnboundedSender<Submission>,
    shared: Arc<Shared>,
}

struct Shared {
    backlog_bytes: AtomicUsize,
    backlog_bytes_max: usize,
    accepted_batches: AtomicU64,
    saved_batches: AtomicU64,
    health: Mutex<Health>,
    idle: watch::Sender<u64>,
}

#[derive(Default)]
struct Health {
    failing: Option<(Instant, String)>,
    committing: Option<Instant>,
}

struct Submission {
    batch: Batch,
    bytes: usize,
    number: u64,
    at: Instant,
    progress: Arc<watch::Sender<Progress>>,
}

impl Saver {
    /// Starts the task. The queue is bounded by `backlog_bytes_max` through [`Saver::has_space_for`].
    pub fn start(store: Arc<dyn Store>, backlog_bytes_max: usize) -> Saver {
        let (submissions, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            backlog_bytes: AtomicUsize::new(0),
            backlog_bytes_max,
            accepted_batches: AtomicU64::new(0),
            saved_batches: AtomicU64::new(0),
            health: Mutex::new(Health::default()),
            idle: watch::Sender::new(0),
        });
        tokio::spawn(
            Committer {
                store,
                inbox,
                shared: shared.clone(),
            }
            .run(),
        );
        Saver { submissions, shared }
    }

    /// The log of one room.
    pub fn log(&self, doc: DocId, epoch: Epoch) -> Log {
        let progress = Arc::new(watch::Sender::new(Progress::default()));
        Log {
            saver: self.clone(),
            doc,
            epoch,
            accepted: 0,
            progress,
        }
    }

    /// Whether a batch of this size may be accepted now. An empty backlog takes any size.
    pub fn has_space_for(&self, bytes: usize) -> bool {
        let waiting = self.shared.backlog_bytes.load(Ordering::Relaxed);
        waiting == 0 || waiting + bytes <= self.shared.backlog_bytes_max
    }

    /// What was accepted and is not on the disk yet, in bytes.
    pub fn backlog_bytes(&self) -> usize {
        self.shared.backlog_bytes.load(Ordering::Relaxed)
    }

    /// Why the store does not take writes at the moment, in words for an operator. None when it does.
    pub fn trouble(&self) -> Option<&'static str> {
        let health = self.shared.lock_health();
        if health.failing.is_some() {
            return Some("the store does not take writes; nothing is acknowledged until it does");
        }
        let slow = Duration::from_millis(COMMIT_SLOW_MS);
        if health.committing.is_some_and(|since| since.elapsed() > slow) {
            return Some("a commit has been running for more than 5 s");
        }
        None
    }

    /// Waits until everything accepted so far is on the disk.
    pub async fn flush(&self) {
        let target = self.shared.accepted_batches.load(Ordering::Relaxed);
        let mut idle = self.shared.idle.subscribe();
        // The sender is ours, so this ends only when the target is reached.
        let _ = idle.wait_for(|saved| *saved >= target).await;
    }
}

impl Shared {
    fn lock_health(&self) -> std::sync::MutexGuard<'_, Health> {
        // Nothing in here can panic half-way.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Committer {
    store: Arc<dyn Store>,
    inbox: mpsc::UnboundedReceiver<Submission>,
    shared: Arc<Shared>,
}

impl Committer {
    async fn run(mut self) {
        let mut group: Vec<Submission> = Vec::new();
        let mut next: Option<Submission> = None;
        loop {
            let first = match next.take() {
                Some(submission) => submission,
                None => match tokio::time::timeout(Duration::from_millis(STORE_PROBE_MS), self.inbox.recv())
                    .await
                {
                    Ok(Some(submission)) => submission,
                    Ok(None) => return,
                    Err(_) => {
                        self.probe().await;
                        continue;
                    }
                },
            };
            let mut bytes = first.bytes;
            group.push(first);
            while let Ok(submission) = self.inbox.try_recv() {
                if bytes + submission.bytes > COMMIT_BYTES_MAX {
                    next = Some(submission);
                    break;
                }
                bytes += submission.bytes;
                group.push(submission);
            }
            self.commit(&mut group).await;
        }
    }

    /// Writes one group, and tries until the store has taken it.
    async fn commit(&self, group: &mut Vec<Submission>) {
        let (batches, places) = merge(group);
        // One name for every try: a commit whose answer was lost is not stored twice.
        let id = AppendId::fresh();
        let mut pause_ms = COMMIT_RETRY_MS_MIN;
        let appended = loop {
            let started = Instant::now();
            self.shared.lock_health().committing = Some(started);
            let result = self.store.append_once(id, &batches).await;
            self.shared.lock_health().committing = None;
            match result {
                Ok(appended) => {
                    metrics::commit_ok(started.elapsed(), batches.len());
                    self.note(Ok(()));
                    break appended;
                }
                Err(error) => {
                    metrics::commit_failed();
                    self.note(Err(&error));
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                    pause_ms = (pause_ms * 2).min(COMMIT_RETRY_MS_MAX);
                }
            }
        };
        let taken = group.len() as u64;
        for (submission, place) in group.drain(..).zip(places) {
            self.shared
                .backlog_bytes
                .fetch_sub(submission.bytes, Ordering::Relaxed);
            metrics::durable(submission.at.elapsed());
            let stale = match appended.get(place) {
                Some(Appended::Stored) => false,
                Some(Appended::StaleEpoch) | None => true,
            };
            submission.progress.send_modify(|progress| {
                if stale {
                    progress.stale = true;
                } else {
                    progress.saved = submission.number;
                }
            });
        }
        metrics::backlog_bytes(self.shared.backlog_bytes.load(Ordering::Relaxed));
        let saved = self.shared.saved_batches.fetch_add(taken, Ordering::Relaxed) + taken;
        self.shared.idle.send_replace(saved);
    }

    /// An idle store is asked now and then, so that health is known before somebody types.
    async fn probe(&self) {
        let result = self.store.health().await;
        self.note(result.as_ref().copied());
    }

    fn note(&self, result: Result<(), &StoreError>) {
        let mut health = self.shared.lock_health();
        match (result, health.failing.take()) {
            (Ok(()), None) => {}
            (Ok(()), Some((since, _))) => {
                let away_ms = since.elapsed().as_millis() as u64;
                tracing::info!(away_ms, "the store takes writes again");
            }
            (Err(error), known) => {
                let text = error.to_string();
                let since = match known {
                    Some((since, known)) if known == text => since,
                    Some((since, _)) => {
                        tracing::error!(error = %text, "the store still refuses a commit");
                        since
                    }
                    None => {
                        tracing::error!(error = %text, "the store refused a commit; it is tried again");
                        Instant::now()
                    }
                };
                health.failing = Some((since, text));
            }
        }
    }
}

/// One batch per document: submissions of one room that gathered during an outage become one row.
fn merge(group: &[Submission]) -> (Vec<Batch>, Vec<usize>) {
    let mut batches: Vec<Batch> = Vec::with_capacity(group.len());
    let mut known: HashMap<(&DocId, Epoch), usize> = HashMap::with_capacity(group.len());
    let mut places = Vec::with_capacity(group.len());
    for submission in group {
        let batch = &submission.batch;
        let place = *known.entry((&batch.doc, batch.epoch)).or_insert_with(|| {
            batches.push(Batch {
                doc: batch.doc.clone(),
                epoch: batch.epoch,
                records: Vec::new(),
            });
            batches.len() - 1
        });
        batches[place].records.extend(batch.records.iter().cloned());
        places.push(place);
    }
    (batches, places)
}
