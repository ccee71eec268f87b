//! A store that forgets everything when it is dropped: for tests, and for trying Roomtone out.

mod chat;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;

use self::chat::Chat;
use crate::chat::Chats;
use crate::history::{PageBuilder, leave_out};
use crate::limits::{LIST_DOCS_MAX, QUARANTINE_PER_DOC_MAX, UPDATE_BYTES_MAX};
use crate::record::{Batch, Epoch, Generation, Record, Row, RowId};
use crate::store::{Appended, Compacted, Compaction, DocInfo, HistoryCursor, HistoryPage, Quarantined};
use crate::{DocId, Store, StoreError, Stored, StoredSnapshot};

/// Documents in memory, with the same promises as every other store except that nothing outlives the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state.lock().expect("no call panics while it holds the lock");
        if state.closed {
            Err(StoreError::Closed)
        } else {
            Ok(state)
        }
    }
}

#[derive(Debug, Default)]
struct State {
    docs: BTreeMap<DocId, Doc>,
    rows: i64,
    closed: bool,
}

#[derive(Debug)]
struct Doc {
    epoch: Epoch,
    /// `None` for a document that was deleted, or only quarantined, and not written to since.
    created_ms: Option<u64>,
    snapshot: Option<StoredSnapshot>,
    archive: Vec<Row>,
    log: Vec<Row>,
    quarantine: Vec<Quarantined>,
    chat: Chat,
}

impl Doc {
    fn new(epoch: Epoch) -> Doc {
        Doc {
            epoch,
            created_ms: None,
            snapshot: None,
            archive: Vec::new(),
            log: Vec::new(),
            quarantine: Vec::new(),
            chat: Chat::default(),
        }
    }

    fn generation(&self) -> Generation {
        self.snapshot
            .as_ref()
            .map_or(Generation::NONE, |snapshot| snapshot.generation)
    }

    fn put_aside(&self) -> HashSet<Bytes> {
        self.quarantine
            .iter()
            .map(|quarantined| quarantined.record.update.clone())
            .collect()
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, doc: &DocId) -> Result<Stored, StoreError> {
        let state = self.open()?;
        let Some(doc) = state.docs.get(doc) else {
            return Ok(Stored::empty(Epoch::FIRST));
        };
        let mut rows = doc.log.clone();
        leave_out(&mut rows, &doc.put_aside());
        Ok(Stored {
            generation: doc.generation(),
            snapshot: doc.snapshot.clone(),
            rows,
            ..Stored::empty(doc.epoch)
        })
    }

    async fn append(&self, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
        let mut state = self.open()?;
        let sizes = batches
            .iter()
            .flat_map(|batch| &batch.records)
            .map(|record| record.update.len());
        if let Some(bytes) = sizes.max().filter(|bytes| *bytes > UPDATE_BYTES_MAX) {
            return Err(StoreError::TooLarge { bytes });
        }
        let mut appended = Vec::with_capacity(batches.len());
        for batch in batches {
            let epoch = state.docs.get(&batch.doc).map_or(Epoch::FIRST, |doc| doc.epoch);
            if batch.epoch != epoch {
                appended.push(Appended::StaleEpoch);
                continue;
            }
            appended.push(Appended::Stored);
            if batch.records.is_empty() {
                continue;
            }
            state.rows += 1;
            let row = Row {
                id: RowId(state.rows),
                records: batch.records.clone(),
            };
            let doc = state
                .docs
                .entry(batch.doc.clone())
                .or_insert_with(|| Doc::new(epoch));
            doc.created_ms.get_or_insert_with(now_ms);
            doc.log.push(row);
        }
        Ok(appended)
    }

    async fn compact(&self, doc: &DocId, merge: Compaction) -> Result<Compacted, StoreError> {
        let mut state = self.open()?;
        let Some(doc) = state.docs.get_mut(doc) else {
            return Ok(Compacted::Stale);
        };
        let merged: HashSet<RowId> = merge.rows.iter().copied().collect();
        let present = doc.log.iter().filter(|row| merged.contains(&row.id)).count();
        if doc.epoch != merge.epoch
            || doc.generation() != merge.newest
            || doc.created_ms.is_none()
            || present != merged.len()
        {
            return Ok(Compacted::Stale);
        }
        let generation = merge.newest.next();
        let (archived, log) = doc.log.drain(..).partition(|row| merged.contains(&row.id));
        let archived: Vec<Row> = archived;
        doc.log = log;
        doc.archive.extend(archived);
        doc.snapshot = Some(StoredSnapshot {
            update: merge.update,
            state_vector: merge.state_vector,
            generation,
        });
        Ok(Compacted::Done(generation))
    }

    async fn history(
        &self,
        doc: &DocId,
        after: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        let state = self.open()?;
        let Some(doc) = state.docs.get(doc) else {
            return Ok(PageBuilder::new(after, limit, HashSet::new()).finish());
        };
        let mut page = PageBuilder::new(after, limit, doc.put_aside());
        let mut rows: Vec<&Row> = doc.archive.iter().chain(&doc.log).collect();
        rows.sort_by_key(|row| row.id);
        for row in rows {
            page.push(row.clone());
        }
        Ok(page.finish())
    }

    async fn exists(&self, doc: &DocId) -> Result<bool, StoreError> {
        Ok(self
            .open()?
            .docs
            .get(doc)
            .is_some_and(|doc| doc.created_ms.is_some()))
    }

    async fn list(
        &self,
        tenant: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DocInfo>, StoreError> {
        let state = self.open()?;
        let of_tenant = state.docs.iter().filter(|(id, _)| id.tenant() == tenant);
        let behind = of_tenant.filter(|(id, _)| after.is_none_or(|after| id.name() > after));
        let info = behind.filter_map(|(id, doc)| {
            doc.created_ms.map(|created_ms| DocInfo {
                doc: id.clone(),
                epoch: doc.epoch,
                created_ms,
            })
        });
        Ok(info.take(limit.min(LIST_DOCS_MAX)).collect())
    }

    async fn delete(&self, doc: &DocId) -> Result<Epoch, StoreError> {
        let mut state = self.open()?;
        let epoch = state.docs.get(doc).map_or(Epoch::FIRST, |doc| doc.epoch).next();
        state.docs.insert(doc.clone(), Doc::new(epoch));
        Ok(epoch)
    }

    async fn quarantine(&self, doc: &DocId, record: &Record, reason: &str) -> Result<(), StoreError> {
        let mut state = self.open()?;
        let entry = state
            .docs
            .entry(doc.clone())
            .or_insert_with(|| Doc::new(Epoch::FIRST));
        if entry
            .quarantine
            .iter()
            .any(|kept| kept.record.update == record.update)
        {
            return Ok(());
        }
        if entry.quarantine.len() >= QUARANTINE_PER_DOC_MAX {
            tracing::warn!(%doc, bytes = record.update.len(), reason, "quarantine is full, update dropped");
            return Ok(());
        }
        entry.quarantine.push(Quarantined {
            record: record.clone(),
            reason: reason.into(),
        });
        Ok(())
    }

    async fn quarantined(&self, doc: &DocId) -> Result<Vec<Quarantined>, StoreError> {
        Ok(self
            .open()?
            .docs
            .get(doc)
            .map(|doc| doc.quarantine.clone())
            .unwrap_or_default())
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.open().map(|_| ())
    }

    fn chats(&self) -> Option<&dyn Chats> {
        Some(self)
    }

    async fn close(&self) {
        self.state
            .lock()
            .expect("no call panics while it holds the lock")
            .closed = true;
    }
}
