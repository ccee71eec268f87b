//! Group commit: one task takes what all rooms accepted since the last commit and writes it in one transaction.
//!
//! A batch is forgotten only when the store has it on the disk. While the store fails, batches stay, are tried again,
//! and are bounded in bytes over all rooms together.

mod health;
mod syncer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use roomtone_persistence::{AppendId, Appended, Batch, DocId, Epoch, Record, Store};
use tokio::sync::{mpsc, watch};

use self::health::Health;
use self::syncer::Syncer;
use crate::limits::{
    COMMIT_BYTES_MAX, COMMIT_RETRY_MS_MAX, COMMIT_RETRY_MS_MIN, RECORD_BYTES, STORE_PROBE_MS,
};
use crate::metrics;

/// How far a room's batches have come. Rooms number their own batches from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every batch up to this number survives the end of this process.
    pub written: u64,
    /// Every batch up to this number is on the disk. Never above `written`.
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
    commits: Mutex<Health>,
    syncs: Mutex<Health>,
    idle: watch::Sender<u64>,
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
            commits: Mutex::new(Health::default()),
            syncs: Mutex::new(Health::default()),
            idle: watch::Sender::new(0),
        });
        let (unsynced, written) = mpsc::unbounded_channel();
        let committer = Committer {
            store: store.clone(),
            inbox,
            unsynced,
            shared: shared.clone(),
        };
        tokio::spawn(committer.run());
        let syncer = Syncer {
            store,
            written,
            shared: shared.clone(),
        };
        tokio::spawn(syncer.run());
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
        let commits = self.shared.commits().trouble();
        commits.or_else(|| self.shared.syncs().trouble())
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
    fn commits(&self) -> MutexGuard<'_, Health> {
        // Nothing in here can panic half-way.
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn syncs(&self) -> MutexGuard<'_, Health> {
        // As above.
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more will be done about it: it is on the disk, or will never be.
    fn settle(&self, submission: &Submission, became: Appended) {
        self.backlog_bytes.fetch_sub(submission.bytes, Ordering::Relaxed);
        self.saved_batches.fetch_add(1, Ordering::Relaxed);
        submission.progress.send_modify(|progress| match became {
            Appended::Stored => {
                progress.written = progress.written.max(submission.number);
                // A commit that is on the disk by itself settles before the sync of an earlier one does.
                progress.saved = progress.saved.max(submission.number);
            }
            Appended::StaleEpoch => progress.stale = true,
        });
        metrics::durable(submission.at.elapsed());
    }

    /// Tells who waits for all, after some were settled.
    fn tell(&self) {
        metrics::backlog_bytes(self.backlog_bytes.load(Ordering::Relaxed));
        self.idle.send_replace(self.saved_batches.load(Ordering::Relaxed));
    }
}

struct Committer {
    store: Arc<dyn Store>,
    inbox: mpsc::UnboundedReceiver<Submission>,
    /// What is written and not on the disk.
    unsynced: mpsc::UnboundedSender<Submission>,
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
        let written = loop {
            let started = Instant::now();
            self.shared.commits().begin();
            let result = self.store.write_once(id, &batches).await;
            self.shared.commits().end(result.as_ref().map(|_| ()));
            match result {
                Ok(written) => {
                    metrics::commit_ok(started.elapsed(), batches.len());
                    break written;
                }
                Err(_) => {
                    metrics::commit_failed();
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                    pause_ms = (pause_ms * 2).min(COMMIT_RETRY_MS_MAX);
                }
            }
        };
        for (submission, place) in group.drain(..).zip(places) {
            let became = written.appended.get(place).copied();
            match became.unwrap_or(Appended::StaleEpoch) {
                Appended::Stored if !written.is_on_disk => {
                    submission
                        .progress
                        .send_modify(|progress| progress.written = submission.number);
                    // The syncer lives as long as the process; on the way out nobody waits for it any more.
                    let _ = self.unsynced.send(submission);
                }
                settled => self.shared.settle(&submission, settled),
            }
        }
        self.shared.tell();
    }

    /// An idle store is asked now and then, so that health is known before somebody types.
    async fn probe(&self) {
        let result = self.store.health().await;
        self.shared.commits().end(result.as_ref().copied());
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

#[cfg(test)]
mod tests {
    use roomtone_persistence::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn what_is_on_the_disk_stays_so_when_the_sync_of_an_earlier_batch_ends_later() {
        let saver = Saver::start(Arc::new(MemoryStore::new()), 1_000);
        let doc = DocId::in_default_tenant("d").expect("a name");
        let log = saver.log(doc.clone(), Epoch(1));
        let progress = log.watch();
        let submission = |number| Submission {
            batch: Batch {
                doc: doc.clone(),
                epoch: Epoch(1),
                records: Vec::new(),
            },
            bytes: 0,
            number,
            at: Instant::now(),
            progress: log.progress.clone(),
        };
        saver.shared.settle(&submission(2), Appended::Stored);
        saver.shared.settle(&submission(1), Appended::Stored);
        assert_eq!(progress.borrow().saved, 2, "the room would wait for it for ever");
    }
}
