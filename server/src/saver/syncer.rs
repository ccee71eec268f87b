//! What was written is brought to the disk: one sync for all that was written since the last one.
//!
//! Beside the commits and not in them, so that neither a commit nor what is relayed behind it waits for a disk.

use std::sync::Arc;

use roomtone_persistence::{AppendId, Appended, Store};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::{Shared, Submission, merge};
use crate::limits::{COMMIT_RETRY_MS_MAX, COMMIT_RETRY_MS_MIN, SYNC_PACE_MS};
use crate::metrics;

pub(super) struct Syncer {
    pub(super) store: Arc<dyn Store>,
    pub(super) written: mpsc::UnboundedReceiver<Submission>,
    pub(super) shared: Arc<Shared>,
}

impl Syncer {
    pub(super) async fn run(mut self) {
        let mut group: Vec<Submission> = Vec::new();
        let mut next_at = Instant::now();
        while let Some(first) = self.written.recv().await {
            group.push(first);
            sleep_until(next_at).await;
            // Of what is written while the sync runs it is not known whether that had it.
            while let Ok(submission) = self.written.try_recv() {
                group.push(submission);
            }
            next_at = Instant::now() + Duration::from_millis(SYNC_PACE_MS);
            self.sync(&mut group).await;
        }
    }

    async fn sync(&self, group: &mut Vec<Submission>) {
        let started = Instant::now();
        self.shared.syncs().begin();
        let result = self.store.sync().await;
        self.shared.syncs().end(result.as_ref().copied());
        match result {
            Ok(()) => {
                metrics::synced(started.elapsed());
                for submission in group.drain(..) {
                    self.shared.settle(&submission, Appended::Stored);
                }
                self.shared.tell();
            }
            Err(_) => {
                metrics::commit_failed();
                self.write_again(group).await;
            }
        }
    }

    /// After a failed sync the kernel may take for clean what never reached the disk: another sync would succeed and
    /// mean nothing. So all of it is stored once more, which is harmless.
    async fn write_again(&self, group: &mut Vec<Submission>) {
        let (batches, places) = merge(group);
        let id = AppendId::fresh();
        let mut pause_ms = COMMIT_RETRY_MS_MIN;
        let appended = loop {
            sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(COMMIT_RETRY_MS_MAX);
            self.shared.syncs().begin();
            let result = self.store.append_once(id, &batches).await;
            self.shared.syncs().end(result.as_ref().map(|_| ()));
            match result {
                Ok(appended) => break appended,
                Err(_) => metrics::commit_failed(),
            }
        };
        for (submission, place) in group.drain(..).zip(places) {
            let became = appended.get(place).copied().unwrap_or(Appended::StaleEpoch);
            self.shared.settle(&submission, became);
        }
        self.shared.tell();
    }
}
