//! Snapshots in the background: one document at a time, off every room's path.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use roomtone_persistence::{CompactReport, DocId, Store};
use tokio::sync::mpsc;

use crate::limits::COMPACTION_QUEUE_COUNT_MAX;
use crate::metrics;

/// What the last compaction of a document found it to be, in bytes; 0 until the next one has. It tells a room, which only sees
/// what comes in, how much of that was overwritten.
pub type Measured = Arc<AtomicUsize>;

/// A cheap handle to the compaction task.
#[derive(Clone)]
pub struct Compactor {
    due: mpsc::Sender<(DocId, Measured)>,
    waiting: Arc<Mutex<HashSet<DocId>>>,
}

impl Compactor {
    /// Starts the task.
    pub fn start(store: Arc<dyn Store>) -> Compactor {
        let (due, mut inbox) = mpsc::channel(COMPACTION_QUEUE_COUNT_MAX);
        let waiting = Arc::new(Mutex::new(HashSet::new()));
        let compactor = Compactor {
            due,
            waiting: waiting.clone(),
        };
        tokio::spawn(async move {
            while let Some((doc, measured)) = inbox.recv().await {
                // Out of the set first: what is written from now on may make it due again.
                waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&doc);
                match roomtone_persistence::compact(store.as_ref(), &doc).await {
                    Ok(report) => {
                        if let CompactReport::Done { snapshot_bytes, .. } = report {
                            measured.store(snapshot_bytes, Ordering::Relaxed);
                        }
                        metrics::compacted();
                        tracing::debug!(doc = %doc, ?report, "compacted");
                    }
                    // Nothing is lost: the log still holds every row, and the next trigger tries again.
                    Err(error) => tracing::warn!(doc = %doc, %error, "compaction failed"),
                }
            }
        });
        compactor
    }

    /// Asks for a compaction. A document that waits already, or a full queue, makes this nothing.
    pub fn due(&self, doc: &DocId, measured: &Measured) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.insert(doc.clone()) && self.due.try_send((doc.clone(), measured.clone())).is_err() {
            waiting.remove(doc);
        }
    }
}
