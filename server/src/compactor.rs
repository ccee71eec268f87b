//! Snapshots in the background: one document at a time, off every room's path.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roomtone_persistence::{CompactError, CompactReport, DocId, Store, compact};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::ambient;
use crate::limits::{
    COMPACTION_LOG_BYTES_MAX, COMPACTION_LOG_BYTES_MIN, COMPACTION_QUEUE_COUNT_MAX, COMPACTION_RETRY_MS_MAX,
    COMPACTION_RETRY_MS_MIN, COMPACTION_SMALL_LOG_BYTES_MAX,
};
use crate::metrics;

/// What the last compaction of a document found it to be, in bytes; 0 until the next one has. It tells a room, which only sees
/// what comes in, how much of that was overwritten.
pub type Measured = Arc<AtomicUsize>;

/// Bytes of log at which the compaction of a document is due that the last one found to be so large. In proportion, so that the
/// work stays in proportion to what was written; a small document may have a log of several times its size.
pub fn due_at_bytes(doc_bytes: usize) -> usize {
    let small = (doc_bytes * 4).clamp(COMPACTION_LOG_BYTES_MIN, COMPACTION_SMALL_LOG_BYTES_MAX);
    (doc_bytes / 4).clamp(small, COMPACTION_LOG_BYTES_MAX)
}

/// A cheap handle to the compaction task.
#[derive(Clone)]
pub struct Compactor {
    due: mpsc::Sender<Due>,
    waiting: Arc<Mutex<HashSet<DocId>>>,
}

/// A document whose compaction is due.
struct Due {
    doc: DocId,
    measured: Measured,
    /// Times in a row that the store could not do it.
    failures: u32,
}

impl Compactor {
    /// Starts the task.
    pub fn start(store: Arc<dyn Store>) -> Compactor {
        let (due, inbox) = mpsc::channel(COMPACTION_QUEUE_COUNT_MAX);
        let waiting = Arc::new(Mutex::new(HashSet::new()));
        let task = Task {
            store,
            waiting: waiting.clone(),
            postponed: Postponed::default(),
        };
        tokio::spawn(task.run(inbox));
        Compactor { due, waiting }
    }

    /// Asks for a compaction. A document that waits already, or a full queue, makes this nothing.
    pub fn due(&self, doc: &DocId, measured: &Measured) {
        let due = Due {
            doc: doc.clone(),
            measured: measured.clone(),
            failures: 0,
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.insert(doc.clone()) && self.due.try_send(due).is_err() {
            waiting.remove(doc);
        }
    }
}

struct Task {
    store: Arc<dyn Store>,
    waiting: Arc<Mutex<HashSet<DocId>>>,
    postponed: Postponed,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::Receiver<Due>) {
        loop {
            let due = tokio::select! {
                due = inbox.recv() => due,
                due = self.postponed.next() => Some(due),
            };
            let Some(due) = due else { return };
            // Out of the set first: what is written from now on may make it due again.
            self.waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&due.doc);
            self.compact(due).await;
        }
    }

    async fn compact(&mut self, due: Due) {
        let doc = &due.doc;
        match compact(self.store.as_ref(), doc).await {
            Ok(report) => {
                if let CompactReport::Done { snapshot_bytes, .. } = report {
                    due.measured.store(snapshot_bytes, Ordering::Relaxed);
                }
                metrics::compacted();
                tracing::debug!(doc = %doc, ?report, "compacted");
            }
            // Nothing is lost: the log still holds every row.
            Err(CompactError::Store(error)) if error.is_retryable() => {
                let pause = pause(due.failures);
                tracing::warn!(doc = %doc, %error, again_in_ms = pause.as_millis() as u64, "compaction is postponed");
                self.postpone(due, pause);
            }
            // The next trigger tries again.
            Err(error) => tracing::warn!(doc = %doc, %error, "compaction failed"),
        }
    }

    fn postpone(&mut self, mut due: Due, pause: Duration) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was asked for in the meantime is as good; and at the bound the next trigger has to do.
        if self.postponed.len() < COMPACTION_QUEUE_COUNT_MAX && waiting.insert(due.doc.clone()) {
            due.failures = due.failures.saturating_add(1);
            self.postponed.put(due, pause);
        }
    }
}

/// Documents that wait until the store may be back, by the time at which each is due.
#[derive(Default)]
struct Postponed {
    queue: BTreeMap<(Instant, u64), Due>,
    count: u64,
}

impl Postponed {
    fn len(&self) -> usize {
        self.queue.len()
    }

    fn put(&mut self, due: Due, pause: Duration) {
        self.count += 1;
        self.queue.insert((Instant::now() + pause, self.count), due);
    }

    /// Waits for the next one, for ever when there is none. May be dropped at any time.
    async fn next(&mut self) -> Due {
        let Some((at, _)) = self.queue.keys().next().copied() else {
            return std::future::pending().await;
        };
        sleep_until(at).await;
        match self.queue.pop_first() {
            Some((_, due)) => due,
            None => std::future::pending().await,
        }
    }
}

/// The pause after so many failures in a row and one more: twice as long each time, and cut short by up to a half at random, so
/// that what failed together does not come back together.
fn pause(failures: u32) -> Duration {
    let longest = COMPACTION_RETRY_MS_MIN
        .saturating_mul(1 << failures.min(20))
        .min(COMPACTION_RETRY_MS_MAX);
    Duration::from_millis(longest / 2 + ambient::up_to(longest - longest / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compaction_is_due_by_the_size_of_the_document() {
        const KIB: usize = 1024;
        for (doc_kib, due_kib) in [
            (0, 128),
            (32, 128),
            (64, 256),
            (128, 512),
            (2_048, 512),
            (4_096, 1_024),
            (16_384, 4_096),
            (20_480, 4_096),
        ] {
            assert_eq!(due_at_bytes(doc_kib * KIB), due_kib * KIB, "{doc_kib} KiB");
        }
    }
}
