//! One look of a follower: which rows are new, which of them are to be read, and what has left the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::Ordering;

use sqlx::Acquire;
use sqlx::postgres::{PgConnection, PgListener};
use tokio::time::Instant;
use uuid::Uuid;

use super::horizon::Horizon;
use super::{Announced, Base, Shared, Wants, sql};
use crate::blobs::Snapshots;
use crate::follow::Followed;
use crate::limits::{
    FOLLOW_ARCHIVE_BYTES_MAX, FOLLOW_CHECK_COUNT, FOLLOW_CHECK_COUNT_MAX, FOLLOW_PAGE_COUNT,
    FOLLOW_READ_BYTES_MAX, FOLLOW_READ_COUNT_MAX, FOLLOW_TOLD_COUNT_MAX, FOLLOW_WAITING_COUNT_MAX,
    KNOWN_DOCS_MAX,
};
use crate::postgres::document::{Named, find_beside};
use crate::postgres::read;
use crate::record::Row;
use crate::rows::document::DocumentRow;
use crate::rows::log::LogColumns;
use crate::{DocId, StoreError, Stored};

/// What a look is about.
pub(crate) struct Look {
    pub(crate) announced: Vec<Announced>,
    /// The connection is: announcements may have been missed.
    pub(crate) is_new: bool,
    /// Whether to look for what nobody announced.
    pub(crate) polls: bool,
    pub(crate) vouched: Option<Instant>,
    /// What this run wrote lately may have been carried by nothing.
    pub(crate) begins_to_announce: bool,
    /// An append that does not announce is under way.
    pub(crate) has_silent: bool,
}

/// What is remembered between looks.
pub(crate) struct Looker {
    run: Uuid,
    snapshots: Snapshots,
    horizon: Option<Horizon>,
    /// Rows that were seen and not read.
    waiting: BTreeMap<i64, Waiting>,
    /// Rows that were told lately.
    told: BTreeSet<i64>,
    /// The names of documents, which never change.
    names: HashMap<i64, DocId>,
    begins_to_announce: bool,
    /// Rows of this run from here to there are announced once they are committed.
    to_announce: Option<(i64, i64)>,
    /// The document that was checked last, in order of their names.
    checked: Option<DocId>,
}

/// A row that was seen and not read.
#[derive(Clone, Copy)]
struct Waiting {
    document_id: i64,
    bytes: usize,
    /// When it was seen: since then at the latest others could tell of it. None for one that nobody else tells of.
    seen: Option<Instant>,
}

impl Looker {
    pub(crate) fn new(run: Uuid, snapshots: Snapshots) -> Looker {
        Looker {
            run,
            snapshots,
            horizon: None,
            waiting: BTreeMap::new(),
            told: BTreeSet::new(),
            names: HashMap::new(),
            begins_to_announce: false,
            to_announce: None,
            checked: None,
        }
    }

    pub(crate) async fn look(
        &mut self,
        shared: &Shared,
        listener: &mut PgListener,
        look: Look,
    ) -> Result<(), StoreError> {
        let connection = listener.acquire().await?;
        self.begins_to_announce |= look.begins_to_announce;
        let mut check = BTreeSet::new();
        if look.polls {
            self.poll(shared, connection, &look).await?;
            check = if look.is_new {
                shared.lock().keys().cloned().collect()
            } else {
                self.next_to_check(shared)
            };
        }
        check.extend(self.take_announced(connection, &look.announced).await?);
        self.read_rows(shared, connection, look.vouched).await?;
        let reload: Vec<DocId> = {
            let mut watched = shared.lock();
            let wants = |wanted: Wants| {
                move |(doc, watched): (&DocId, &super::Watched)| {
                    (watched.wants == wanted && watched.base.is_some()).then(|| doc.clone())
                }
            };
            check.extend(watched.iter().filter_map(wants(Wants::Check)));
            let reload: Vec<DocId> = watched.iter().filter_map(wants(Wants::Reload)).collect();
            for doc in check.iter().chain(&reload) {
                if let Some(watched) = watched.get_mut(doc).filter(|watched| watched.base.is_some()) {
                    watched.wants = Wants::Nothing;
                }
            }
            reload
        };
        let check: Vec<DocId> = check.into_iter().collect();
        for some in check.chunks(FOLLOW_CHECK_COUNT_MAX) {
            self.check(shared, connection, some, look.vouched).await?;
        }
        for doc in reload {
            self.reload(shared, connection, &doc).await?;
        }
        Ok(())
    }

    /// Sees which rows are new.
    async fn poll(
        &mut self,
        shared: &Shared,
        connection: &mut PgConnection,
        look: &Look,
    ) -> Result<(), StoreError> {
        let last = sql::last_row(connection).await?;
        let is_back = self
            .horizon
            .as_ref()
            .is_some_and(|horizon| !horizon.follows(last));
        if is_back {
            // A standby that did not have all has taken over: what was read may be gone, and its numbers are given again.
            self.horizon = None;
            self.waiting.clear();
            self.told.clear();
            let mut watched = shared.lock();
            watched
                .values_mut()
                .for_each(|watched| watched.wants = Wants::Reload);
        }
        let horizon = self.horizon.get_or_insert_with(|| Horizon::begin(last));
        let is_again = look.is_new && !is_back;
        if is_again {
            horizon.rewind();
        }
        if std::mem::take(&mut self.begins_to_announce) {
            self.to_announce = Some((horizon.earlier(), last));
        }
        if !horizon.is_settled(last) {
            let now = Instant::now();
            // In this order: what has ended by now is in the rows.
            let transactions = sql::transactions(connection).await?;
            let mut from = horizon.settled();
            loop {
                let page = sql::rows_after(connection, from, self.run).await?;
                for seen in &page {
                    if horizon.see(seen.id) && !self.told.contains(&seen.id) {
                        let waiting = Waiting {
                            document_id: seen.document_id,
                            bytes: usize::try_from(seen.bytes).unwrap_or(0),
                            // Its announcement may have been missed.
                            seen: (!is_again).then_some(now),
                        };
                        self.waiting.insert(seen.id, waiting);
                    }
                }
                match page.last() {
                    Some(last) if page.len() >= FOLLOW_PAGE_COUNT => from = last.id,
                    _ => break,
                }
            }
            horizon.settle(last, transactions, now);
        }
        let settled = horizon.settled();
        shared.settled.store(settled, Ordering::Release);
        if let Some((from, to)) = self.to_announce {
            sql::announce(connection, self.run, from, to).await?;
            let to = if look.has_silent { last } else { to };
            self.to_announce = (settled < to || look.has_silent).then_some((from, to));
        }
        Ok(())
    }

    /// Notes what others announced. Returns the documents that were compacted or deleted.
    async fn take_announced(
        &mut self,
        connection: &mut PgConnection,
        announced: &[Announced],
    ) -> Result<Vec<DocId>, StoreError> {
        let mut moved = BTreeSet::new();
        for one in announced {
            if one.row == 0 {
                moved.insert(one.document_id);
            } else if !self.told.contains(&one.row) {
                if let Some(horizon) = &mut self.horizon {
                    horizon.see(one.row);
                }
                let waiting = Waiting {
                    document_id: one.document_id,
                    bytes: one.bytes,
                    seen: None,
                };
                self.waiting.insert(one.row, waiting);
            }
        }
        self.learn_names(connection, &moved).await?;
        Ok(moved
            .iter()
            .filter_map(|id| self.names.get(id).cloned())
            .collect())
    }

    /// Reads the rows that nobody else tells of, and tells of them.
    async fn read_rows(
        &mut self,
        shared: &Shared,
        connection: &mut PgConnection,
        vouched: Option<Instant>,
    ) -> Result<(), StoreError> {
        let is_full = self.waiting.len() > FOLLOW_WAITING_COUNT_MAX;
        let ready: BTreeMap<i64, Waiting> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.seen.is_none() || vouched.is_none() || is_full)
            .map(|(id, waiting)| (*id, *waiting))
            .collect();
        let document_ids = ready.values().map(|waiting| waiting.document_id).collect();
        self.learn_names(connection, &document_ids).await?;
        let watched = shared.watches(self.names_of(&document_ids));
        let wanted: Vec<(i64, Waiting)> = ready
            .iter()
            .map(|(id, waiting)| (*id, *waiting))
            .filter(|(_, waiting)| {
                let doc = self.names.get(&waiting.document_id);
                doc.is_some_and(|doc| watched.contains(doc))
            })
            .collect();
        let mut rest = &wanted[..];
        while !rest.is_empty() {
            let (some, others) = rest.split_at(portion(rest));
            rest = others;
            self.read_some(shared, connection, some).await?;
        }
        // Only now: what fails above is done again.
        for id in ready.keys() {
            self.waiting.remove(id);
        }
        if let Some(vouched) = vouched {
            self.waiting
                .retain(|_, waiting| waiting.seen.is_none_or(|seen| seen >= vouched));
        }
        Ok(())
    }

    async fn read_some(
        &mut self,
        shared: &Shared,
        connection: &mut PgConnection,
        wanted: &[(i64, Waiting)],
    ) -> Result<(), StoreError> {
        let ids: Vec<i64> = wanted.iter().map(|(id, _)| *id).collect();
        let mut found: HashMap<i64, LogColumns> = sql::read_log(connection, &ids)
            .await?
            .into_iter()
            .map(|columns| (columns.id(), columns))
            .collect();
        for (id, waiting) in wanted {
            let Some(doc) = self.names.get(&waiting.document_id) else {
                continue;
            };
            let row = found.remove(id).map(|columns| {
                // Of whatever epoch: the document is looked at where it is not the one that was loaded.
                let document = columns.document(waiting.document_id);
                (columns.epoch(), columns.read(&document))
            });
            let mut all = shared.lock();
            let Some(watched) = all.get_mut(doc) else {
                continue;
            };
            match row {
                Some((epoch, Ok(row))) if watched.base.is_none_or(|base| base.epoch == epoch) => {
                    let listener = watched.listener.clone();
                    drop(all);
                    listener.tell(Followed::Row(epoch, row));
                    remember(&mut self.told, *id);
                }
                Some((epoch, Ok(_))) => {
                    tracing::debug!(%doc, %epoch, "a row of another epoch than the one that is open");
                    watched.wants = watched.wants.max(Wants::Check);
                }
                Some((_, Err(damage))) => {
                    tracing::error!(%doc, %damage, "a row that another node wrote is damaged");
                    watched.wants = Wants::Reload;
                }
                // Compacted or deleted since it was seen.
                None => {
                    watched.gone_after = Some(watched.gone_after.map_or(id - 1, |after| after.min(id - 1)));
                    watched.wants = watched.wants.max(Wants::Check);
                }
            }
        }
        Ok(())
    }

    /// Finds out whether documents were deleted or compacted.
    async fn check(
        &mut self,
        shared: &Shared,
        connection: &mut PgConnection,
        docs: &[DocId],
        vouched: Option<Instant>,
    ) -> Result<(), StoreError> {
        if docs.is_empty() {
            return Ok(());
        }
        let settled = self.horizon.as_ref().map_or(0, Horizon::settled);
        let mut merged: Vec<(DocId, DocumentRow, i64)> = Vec::new();
        for Named { doc, row } in find_beside(connection, &docs.iter().collect::<Vec<_>>()).await? {
            let mut all = shared.lock();
            let Some(watched) = all.get_mut(&doc) else {
                continue;
            };
            let Some(base) = watched.base else {
                // Once it is loaded.
                watched.wants = watched.wants.max(Wants::Check);
                continue;
            };
            if row.epoch != base.epoch {
                watched.base = None;
                let listener = watched.listener.clone();
                drop(all);
                listener.tell(Followed::Deleted);
                continue;
            }
            let now = Instant::now();
            let is_moved = row.generation != base.generation;
            if !is_moved && watched.gone_after.is_none() {
                watched.settled = settled;
                continue;
            }
            let since = *watched.moved.get_or_insert(now);
            if watched.gone_after.is_none() && vouched.is_some_and(|vouched| vouched <= since) {
                // In a moment it is known whether others have told all that it merged.
                watched.wants = watched.wants.max(Wants::Check);
                continue;
            }
            let after = watched.gone_after.unwrap_or(i64::MAX);
            let is_told = vouched.is_some();
            let after = if is_told {
                after
            } else {
                after.min(watched.settled)
            };
            merged.push((doc, row, after));
        }
        for (doc, row, after) in merged {
            self.tell_merged(shared, connection, &doc, &row, after).await?;
            if let Some(watched) = shared.lock().get_mut(&doc) {
                (watched.gone_after, watched.moved, watched.settled) = (None, None, settled);
                let (epoch, generation) = (row.epoch, row.generation);
                watched.base = watched.base.map(|_| Base { epoch, generation });
            }
        }
        Ok(())
    }

    /// Tells of rows that a compaction took away.
    async fn tell_merged(
        &mut self,
        shared: &Shared,
        connection: &mut PgConnection,
        doc: &DocId,
        row: &DocumentRow,
        after: i64,
    ) -> Result<(), StoreError> {
        if after == i64::MAX {
            return Ok(());
        }
        let bytes = sql::archived_bytes(connection, row.id, after).await?;
        let fits = usize::try_from(bytes).is_ok_and(|bytes| bytes <= FOLLOW_ARCHIVE_BYTES_MAX);
        let rows = if fits {
            sql::archived(connection, row, after).await?
        } else {
            None
        };
        let Some(rows) = rows else {
            if let Some(watched) = shared.lock().get_mut(doc) {
                watched.wants = Wants::Reload;
            }
            shared.wake.notify_one();
            return Ok(());
        };
        let news: Vec<Row> = rows
            .into_iter()
            .filter(|row| row.id.0 > after && !self.told.contains(&row.id.0))
            .collect();
        news.iter().for_each(|row| remember(&mut self.told, row.id.0));
        shared.tell(doc, news.into_iter().map(|news| Followed::Row(row.epoch, news)));
        Ok(())
    }

    /// Tells of all that is stored.
    async fn reload(
        &mut self,
        shared: &Shared,
        connection: &mut PgConnection,
        doc: &DocId,
    ) -> Result<(), StoreError> {
        let loaded = self.load(connection, doc).await;
        let settled = self.horizon.as_ref().map_or(0, Horizon::settled);
        let mut all = shared.lock();
        let Some(watched) = all.get_mut(doc) else {
            return Ok(());
        };
        let Some(base) = watched.base else { return Ok(()) };
        let stored = match loaded {
            Ok(stored) => stored,
            Err(error) if error.is_retryable() => {
                watched.wants = Wants::Reload;
                return Err(error);
            }
            Err(error) => {
                // The others go on.
                tracing::error!(%doc, %error, "what other nodes wrote cannot be read");
                return Ok(());
            }
        };
        let listener = watched.listener.clone();
        if stored.epoch == base.epoch {
            let (epoch, generation) = (stored.epoch, stored.generation);
            watched.base = Some(Base { epoch, generation });
            (watched.gone_after, watched.moved, watched.settled) = (None, None, settled);
            drop(all);
            listener.tell(Followed::Whole(Box::new(stored)));
        } else {
            watched.base = None;
            drop(all);
            listener.tell(Followed::Deleted);
        }
        Ok(())
    }

    async fn load(&self, connection: &mut PgConnection, doc: &DocId) -> Result<Stored, StoreError> {
        let mut lost = Vec::new();
        loop {
            let loaded = read::load(connection, doc, &lost).await?;
            if let Some((stored, _)) = self.snapshots.complete(loaded, &mut lost).await? {
                return Ok(stored);
            }
        }
    }

    /// Some documents at a time, one after the other: for what was neither announced nor seen.
    fn next_to_check(&mut self, shared: &Shared) -> BTreeSet<DocId> {
        let watched = shared.lock();
        let from = self.checked.take().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = watched.range((from, Bound::Unbounded));
        let docs: Vec<DocId> = behind
            .take(FOLLOW_CHECK_COUNT)
            .map(|(doc, _)| doc.clone())
            .collect();
        // At the end it begins anew.
        self.checked = docs.last().filter(|_| docs.len() >= FOLLOW_CHECK_COUNT).cloned();
        docs.into_iter().collect()
    }

    async fn learn_names(
        &mut self,
        connection: &mut PgConnection,
        document_ids: &BTreeSet<i64>,
    ) -> Result<(), StoreError> {
        if self.names.len() > KNOWN_DOCS_MAX {
            self.names.clear();
        }
        let unknown: Vec<i64> = document_ids
            .iter()
            .copied()
            .filter(|id| !self.names.contains_key(id))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        for (id, tenant, name) in sql::names(connection, &unknown).await? {
            if let Ok(doc) = DocId::new(&tenant, &name) {
                self.names.insert(id, doc);
            }
        }
        Ok(())
    }

    fn names_of<'a>(&'a self, document_ids: &'a BTreeSet<i64>) -> impl Iterator<Item = &'a DocId> {
        document_ids.iter().filter_map(|id| self.names.get(id))
    }
}

/// How many of these are read at once: at least one.
fn portion(wanted: &[(i64, Waiting)]) -> usize {
    let mut bytes: usize = 0;
    let fits = wanted
        .iter()
        .take(FOLLOW_READ_COUNT_MAX)
        .take_while(|(_, waiting)| {
            bytes = bytes.saturating_add(waiting.bytes);
            bytes <= FOLLOW_READ_BYTES_MAX
        });
    fits.count().max(1)
}

fn remember(told: &mut BTreeSet<i64>, id: i64) {
    told.insert(id);
    if told.len() > FOLLOW_TOLD_COUNT_MAX {
        told.pop_first();
    }
}
