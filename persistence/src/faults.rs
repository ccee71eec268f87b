//! A store that fails on request. For tests: a server is only as good as what it does when its store is down.

mod chat;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::chat::Chats;
use crate::follow::Follow;
use crate::record::{AppendId, Batch, Epoch, Record};
use crate::store::{
    Appended, Compacted, Compaction, DocInfo, HistoryCursor, HistoryPage, Quarantined, Written,
};
use crate::{DocId, NodeEntry, NodeReport, Store, StoreError, Stored};

/// Wraps a store and breaks it as its [`Faults`] say.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    faults: Arc<Faults>,
}

impl<S> FaultyStore<S> {
    /// A store that works like `inner` until its faults are set.
    pub fn new(inner: S) -> FaultyStore<S> {
        FaultyStore {
            inner,
            faults: Arc::new(Faults::default()),
        }
    }

    /// The switches. They work while calls are running.
    pub fn faults(&self) -> Arc<Faults> {
        self.faults.clone()
    }
}

/// Switches of a [`FaultyStore`]. All are off at first.
#[derive(Debug, Default)]
pub struct Faults {
    fail_loads: AtomicBool,
    fail_appends: AtomicBool,
    lose_answers: AtomicBool,
    write_first: AtomicBool,
    fail_syncs: AtomicBool,
    sync_delay_ms: AtomicU64,
    syncs: AtomicU64,
    append_delay_ms: AtomicU64,
    load_delay_ms: AtomicU64,
    appends: AtomicU64,
    loads: AtomicU64,
    chat_changes: AtomicU64,
}

impl Faults {
    /// Whether loads, history, pages of chats and the other reads fail.
    pub fn fail_loads(&self, on: bool) {
        self.fail_loads.store(on, Ordering::SeqCst);
    }

    /// Whether appends, compactions, deletions, quarantine, changes of chats and the health check fail, without writing.
    pub fn fail_appends(&self, on: bool) {
        self.fail_appends.store(on, Ordering::SeqCst);
    }

    /// Whether appends and changes of chats are stored and then reported as failed: a commit whose answer was lost.
    pub fn lose_answers(&self, on: bool) {
        self.lose_answers.store(on, Ordering::SeqCst);
    }

    /// Whether writes return before they are on the disk, so that a sync is owed.
    pub fn write_first(&self, on: bool) {
        self.write_first.store(on, Ordering::SeqCst);
    }

    /// Whether syncs fail.
    pub fn fail_syncs(&self, on: bool) {
        self.fail_syncs.store(on, Ordering::SeqCst);
    }

    /// How long each sync waits before it does anything. Uses tokio's clock, so paused time works.
    pub fn delay_syncs(&self, delay: Duration) {
        self.sync_delay_ms
            .store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Syncs that were begun so far.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }

    /// How long each append, and each change of a chat, waits before it does anything. Uses tokio's clock, so paused time works.
    pub fn delay_appends(&self, delay: Duration) {
        self.append_delay_ms
            .store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// How long each load, and each page of a chat, waits before it does anything.
    pub fn delay_loads(&self, delay: Duration) {
        self.load_delay_ms
            .store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Appends that were begun so far.
    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::SeqCst)
    }

    /// Loads that were begun so far.
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    /// Changes of chats that were begun so far.
    pub fn chat_changes(&self) -> u64 {
        self.chat_changes.load(Ordering::SeqCst)
    }

    fn read(&self) -> Result<(), StoreError> {
        injected(&self.fail_loads)
    }

    fn write(&self) -> Result<(), StoreError> {
        injected(&self.fail_appends)
    }
}

fn injected(switch: &AtomicBool) -> Result<(), StoreError> {
    if switch.load(Ordering::SeqCst) {
        return Err(StoreError::Unavailable("injected by a test".into()));
    }
    Ok(())
}

async fn wait(delay_ms: &AtomicU64) {
    let delay_ms = delay_ms.load(Ordering::SeqCst);
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    async fn load(&self, doc: &DocId) -> Result<Stored, StoreError> {
        self.faults.loads.fetch_add(1, Ordering::SeqCst);
        wait(&self.faults.load_delay_ms).await;
        self.faults.read()?;
        self.inner.load(doc).await
    }

    async fn append(&self, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
        self.append_once(AppendId::fresh(), batches).await
    }

    async fn append_once(&self, id: AppendId, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
        let written = self.write_once(id, batches).await?;
        if !written.is_on_disk {
            self.sync().await?;
        }
        Ok(written.appended)
    }

    async fn write_once(&self, id: AppendId, batches: &[Batch]) -> Result<Written, StoreError> {
        self.faults.appends.fetch_add(1, Ordering::SeqCst);
        wait(&self.faults.append_delay_ms).await;
        self.faults.write()?;
        let written = self.inner.write_once(id, batches).await?;
        injected(&self.faults.lose_answers)?;
        let is_on_disk = written.is_on_disk && !self.faults.write_first.load(Ordering::SeqCst);
        Ok(Written {
            is_on_disk,
            ..written
        })
    }

    async fn sync(&self) -> Result<(), StoreError> {
        self.faults.syncs.fetch_add(1, Ordering::SeqCst);
        wait(&self.faults.sync_delay_ms).await;
        injected(&self.faults.fail_syncs)?;
        self.inner.sync().await
    }

    async fn claim_compaction(&self, doc: &DocId) -> Result<bool, StoreError> {
        self.faults.write()?;
        self.inner.claim_compaction(doc).await
    }

    async fn compact(&self, doc: &DocId, merge: Compaction) -> Result<Compacted, StoreError> {
        self.faults.write()?;
        self.inner.compact(doc, merge).await
    }

    async fn history(
        &self,
        doc: &DocId,
        after: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        self.faults.read()?;
        self.inner.history(doc, after, limit).await
    }

    async fn exists(&self, doc: &DocId) -> Result<bool, StoreError> {
        self.faults.read()?;
        self.inner.exists(doc).await
    }

    async fn list(
        &self,
        tenant: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DocInfo>, StoreError> {
        self.faults.read()?;
        self.inner.list(tenant, after, limit).await
    }

    async fn delete(&self, doc: &DocId) -> Result<Epoch, StoreError> {
        self.faults.write()?;
        self.inner.delete(doc).await
    }

    async fn quarantine(&self, doc: &DocId, record: &Record, reason: &str) -> Result<(), StoreError> {
        self.faults.write()?;
        self.inner.quarantine(doc, record, reason).await
    }

    async fn quarantined(&self, doc: &DocId) -> Result<Vec<Quarantined>, StoreError> {
        self.faults.read()?;
        self.inner.quarantined(doc).await
    }

    async fn collect_blobs(&self, grace: Duration) -> Result<usize, StoreError> {
        self.faults.write()?;
        self.inner.collect_blobs(grace).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.faults.write()?;
        self.inner.health().await
    }

    async fn heartbeat(&self, report: &NodeReport) -> Result<Vec<NodeEntry>, StoreError> {
        self.faults.write()?;
        self.inner.heartbeat(report).await
    }

    async fn sign_off(&self) -> Result<(), StoreError> {
        self.inner.sign_off().await
    }

    fn chats(&self) -> Option<&dyn Chats> {
        self.inner.chats().is_some().then_some(self)
    }

    fn follow(&self) -> Option<Arc<dyn Follow>> {
        self.inner.follow()
    }

    async fn now(&self) -> Result<Option<SystemTime>, StoreError> {
        self.inner.now().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
