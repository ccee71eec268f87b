//! Writing batches to the log.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::document::{self, names};
use super::follow::CHANNEL;
use super::ledger::{self, Entry};
use crate::limits::{APPENDS_ANSWERED_COUNT_MAX, INSERT_BYTES_TARGET, KNOWN_DOCS_MAX};
use crate::record::{AppendId, Batch, Epoch};
use crate::rows::document::{DocumentRow, now_ms};
use crate::rows::log::{crc32, frame_rows};
use crate::rows::sql::Tables;
use crate::{Appended, DocId, StoreError};

/// What one run of a server knows about its appends.
#[derive(Debug)]
pub(crate) struct Appender {
    pub(crate) run: Uuid,
    pub(crate) node: String,
    /// The ids of documents. They never change, unlike anything else about a document, which another node may have
    /// changed a moment ago; and even they are compared with the name when they are used.
    ids: Mutex<HashMap<DocId, i64>>,
    /// Appends that were answered, oldest first: their entries are of no more use, but for the youngest, whose answers may
    /// still be lost on their way to whoever asked.
    settled: Mutex<VecDeque<i64>>,
    /// Whether followers are told at once. PostgreSQL lets transactions that announce something commit one after the other
    /// only, those of all nodes.
    pub(crate) announces: AtomicBool,
    /// Appends under way that began when it was off.
    silent: AtomicUsize,
}

/// An append that announces nothing, for as long as it is under way.
struct Silent<'a>(&'a AtomicUsize);

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An append on its way: the batches, and the rows that each is framed into.
#[derive(Clone, Copy)]
struct Append<'a> {
    entry: Entry<'a>,
    announces: bool,
    batches: &'a [Batch],
    framed: &'a [Vec<Vec<u8>>],
}

impl Appender {
    pub(crate) fn new(run: Uuid, node: String) -> Appender {
        Appender {
            run,
            node,
            ids: Mutex::default(),
            settled: Mutex::default(),
            announces: AtomicBool::new(false),
            silent: AtomicUsize::new(0),
        }
    }

    /// Whether an append is under way that began when [`Appender::announces`] was off.
    pub(crate) fn has_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst) > 0
    }

    /// Remembers the id of a document, so that the next append finds it in one statement.
    pub(crate) fn learn(&self, doc: &DocId, id: i64) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() >= KNOWN_DOCS_MAX {
            ids.clear();
        }
        ids.insert(doc.clone(), id);
    }

    /// Frames an append. Needs no connection: turns are as short as the server allows.
    pub(crate) fn frame(batches: &[Batch]) -> Result<Vec<Vec<Vec<u8>>>, StoreError> {
        batches.iter().map(frame_rows).collect()
    }

    pub(crate) async fn append(
        &self,
        connection: &mut PgConnection,
        id: AppendId,
        batches: &[Batch],
        framed: &[Vec<Vec<u8>>],
    ) -> Result<Vec<Appended>, StoreError> {
        // Counted before it is known whether it will be silent.
        self.silent.fetch_add(1, Ordering::SeqCst);
        let silent = Silent(&self.silent);
        let announces = self.announces.load(Ordering::SeqCst);
        let _silent = (!announces).then_some(silent);
        let append = Append {
            entry: Entry {
                run: self.run,
                node: &self.node,
                id,
                crc32: ledger::crc32(batches, framed),
            },
            announces,
            batches,
            framed,
        };
        // Those whose deletion fails stay until the run is forgotten.
        let settled = self.take_settled(id.sequence());
        let appended = match self.known(batches) {
            Some(docs) if framed.iter().flatten().map(Vec::len).sum::<usize>() <= INSERT_BYTES_TARGET => {
                match at_once(connection, append, &docs, &settled).await? {
                    true => vec![Appended::Stored; batches.len()],
                    false => self.step_by_step(connection, append, &settled).await?,
                }
            }
            _ => self.step_by_step(connection, append, &settled).await?,
        };
        self.settle(id.sequence());
        Ok(appended)
    }

    /// The documents of an append with their ids and epochs, when all of them are known and none comes in two epochs.
    fn known<'a>(&self, batches: &'a [Batch]) -> Option<HashMap<&'a DocId, (i64, Epoch)>> {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let mut docs = HashMap::with_capacity(batches.len());
        for batch in batches {
            let id = *ids.get(&batch.doc)?;
            let (_, epoch) = *docs.entry(&batch.doc).or_insert((id, batch.epoch));
            if epoch != batch.epoch {
                return None;
            }
        }
        (!docs.is_empty()).then_some(docs)
    }

    /// What may be forgotten now: much at a time, and seldom.
    fn take_settled(&self, current: i64) -> Vec<i64> {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.retain(|sequence| *sequence != current);
        if settled.len() < APPENDS_ANSWERED_COUNT_MAX {
            return Vec::new();
        }
        settled.drain(..APPENDS_ANSWERED_COUNT_MAX / 2).collect()
    }

    fn settle(&self, sequence: i64) {
        self.settled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(sequence);
    }

    /// The whole append as a transaction of its own, whatever it needs: documents that are not known yet, batches of
    /// other epochs, any size, a second try.
    async fn step_by_step(
        &self,
        connection: &mut PgConnection,
        append: Append<'_>,
        settled: &[i64],
    ) -> Result<Vec<Appended>, StoreError> {
        let mut transaction = connection.begin().await?;
        let mut docs: Vec<&DocId> = append.batches.iter().map(|batch| &batch.doc).collect();
        docs.sort_unstable();
        docs.dedup();
        let mut known = document::find_all(&mut transaction, &docs).await?;
        // Unknown is epoch 1, and is only written about when there is an update to store.
        let missing: Vec<&DocId> = docs
            .iter()
            .copied()
            .filter(|doc| !known.contains_key(doc) && append.writes_to(doc, Epoch::FIRST))
            .collect();
        if !missing.is_empty() {
            // Before any row is held: those who insert wait for each other. So the rows are let go and held anew.
            transaction.rollback().await?;
            transaction = connection.begin().await?;
            document::insert_missing(&mut transaction, &missing).await?;
            known = document::find_all(&mut transaction, &docs).await?;
        }
        let epoch_of = |doc: &DocId| known.get(doc).map_or(Epoch::FIRST, |row| row.epoch);
        let appended: Vec<Appended> = append
            .batches
            .iter()
            .map(|batch| match batch.epoch == epoch_of(&batch.doc) {
                true => Appended::Stored,
                false => Appended::StaleEpoch,
            })
            .collect();
        let mut rows = LogRows::default();
        let mut is_empty = true;
        for (doc, row) in &mut known {
            if row.created_ms.is_none() && append.writes_to(doc, row.epoch) {
                row.created_ms = Some(now_ms());
                transaction.update_document(doc, row).await?;
            }
        }
        for ((batch, blobs), _) in append
            .batches
            .iter()
            .zip(append.framed)
            .zip(&appended)
            .filter(|(_, appended)| **appended == Appended::Stored)
        {
            for blob in blobs {
                let row = known.get(&batch.doc).ok_or_else(|| {
                    StoreError::Corrupt(format!("document {} vanished while it was written", batch.doc))
                })?;
                is_empty = false;
                rows.push(row.id, row.epoch, blob);
                if rows.bytes >= INSERT_BYTES_TARGET {
                    std::mem::take(&mut rows).insert(&mut transaction, append).await?;
                }
            }
        }
        if !rows.records.is_empty() {
            rows.insert(&mut transaction, append).await?;
        }
        // Last, when the answer is known: an entry that stands there already undoes what was just written.
        if is_empty || !ledger::enter(&mut transaction, append.entry, &appended).await? {
            transaction.rollback().await?;
            let before = ledger::answer(connection, append.entry, append.batches.len()).await?;
            return Ok(before.unwrap_or(appended));
        }
        if !settled.is_empty() {
            ledger::forget(&mut transaction, self.run, settled).await?;
        }
        transaction.commit().await?;
        self.learn_all(&known);
        Ok(appended)
    }

    fn learn_all(&self, known: &HashMap<DocId, DocumentRow>) {
        for (doc, row) in known.iter().filter(|(_, row)| row.created_ms.is_some()) {
            self.learn(doc, row.id);
        }
    }
}

impl Append<'_> {
    /// Whether there is an update for this document in this epoch.
    fn writes_to(&self, doc: &DocId, epoch: Epoch) -> bool {
        self.batches
            .iter()
            .any(|batch| batch.doc == *doc && batch.epoch == epoch && !batch.records.is_empty())
    }
}

/// The usual append, in one statement: one way to the server and back is the whole transaction. `false` when anything
/// is not as usual; nothing was written then.
async fn at_once(
    connection: &mut PgConnection,
    append: Append<'_>,
    docs: &HashMap<&DocId, (i64, Epoch)>,
    settled: &[i64],
) -> Result<bool, StoreError> {
    let mut rows = LogRows::default();
    for (batch, blobs) in append.batches.iter().zip(append.framed) {
        let (id, epoch) = docs[&batch.doc];
        blobs.iter().for_each(|blob| rows.push(id, epoch, blob));
    }
    if rows.records.is_empty() {
        return Ok(false);
    }
    let expected: Vec<(&&DocId, &(i64, Epoch))> = docs.iter().collect();
    let (tenants, texts) = names(&expected.iter().map(|(doc, _)| **doc).collect::<Vec<_>>());
    let ids: Vec<i64> = expected.iter().map(|(_, (id, _))| *id).collect();
    let epochs: Vec<i64> = expected
        .iter()
        .map(|(_, (_, epoch))| i64::from(epoch.0))
        .collect();
    // A row that another transaction has changed is read again once that has ended, so the epoch is the one that holds
    // until this commits. The entry is written before the rows: when it is there already, or still being written by the
    // attempt before this one, there are no rows.
    let (inserted, _): (i64, i64) = sqlx::query_as(
        "WITH held AS MATERIALIZED ( \
             SELECT id, tenant, name, epoch FROM documents \
             WHERE id = ANY($1) AND created_ms IS NOT NULL ORDER BY id FOR KEY SHARE \
         ), fitting AS MATERIALIZED ( \
             SELECT count(*) AS docs FROM held \
             JOIN unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS expected (id, tenant, name, epoch) \
             ON held.id = expected.id AND held.tenant = expected.tenant COLLATE \"C\" \
                AND held.name = expected.name COLLATE \"C\" AND held.epoch = expected.epoch \
         ), settled AS ( \
             DELETE FROM appends WHERE run = $5 AND sequence = ANY($6) \
         ), entry AS ( \
             INSERT INTO appends (run, sequence, node, crc32, stale) \
             SELECT $5, $7, $8, $9, '{}' FROM fitting WHERE docs = cardinality($1) \
             ON CONFLICT (run, sequence) DO NOTHING RETURNING run \
         ), inserted AS ( \
             INSERT INTO log (document_id, epoch, run, crc32, records) \
             SELECT new.document_id, new.epoch, entry.run, new.crc32, new.records \
             FROM entry, unnest($10::bigint[], $11::bigint[], $12::bigint[], $13::bytea[]) \
                 WITH ORDINALITY AS new (document_id, epoch, crc32, records, place) ORDER BY new.place \
             RETURNING document_id, id, octet_length(records) AS bytes, run \
         ) \
         SELECT count(*), count(CASE WHEN $14 THEN \
             pg_notify($15, document_id || ':' || id || ':' || bytes || ':' || run)::text END) FROM inserted",
    )
    .bind(ids)
    .bind(tenants)
    .bind(texts)
    .bind(epochs)
    .bind(append.entry.run)
    .bind(settled)
    .bind(append.entry.id.sequence())
    .bind(append.entry.node)
    .bind(append.entry.crc32)
    .bind(rows.document_ids)
    .bind(rows.epochs)
    .bind(rows.sums)
    .bind(rows.records)
    .bind(append.announces)
    .bind(CHANNEL)
    .fetch_one(connection)
    .await?;
    Ok(inserted > 0)
}

/// Rows of the log as columns.
#[derive(Debug, Default)]
struct LogRows<'a> {
    document_ids: Vec<i64>,
    epochs: Vec<i64>,
    sums: Vec<i64>,
    records: Vec<&'a [u8]>,
    bytes: usize,
}

impl<'a> LogRows<'a> {
    fn push(&mut self, document_id: i64, epoch: Epoch, blob: &'a [u8]) {
        let epoch = i64::from(epoch.0);
        self.document_ids.push(document_id);
        self.epochs.push(epoch);
        self.sums.push(crc32(document_id, epoch, blob));
        self.records.push(blob);
        self.bytes += blob.len();
    }

    async fn insert(self, connection: &mut PgConnection, append: Append<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "WITH inserted AS ( \
                 INSERT INTO log (document_id, epoch, run, crc32, records) \
                 SELECT document_id, epoch, $1, crc32, records \
                 FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[]) \
                     WITH ORDINALITY AS new (document_id, epoch, crc32, records, place) ORDER BY place \
                 RETURNING document_id, id, octet_length(records) AS bytes, run \
             ) SELECT count(CASE WHEN $6 THEN \
                 pg_notify($7, document_id || ':' || id || ':' || bytes || ':' || run)::text END) FROM inserted",
        )
        .bind(append.entry.run)
        .bind(self.document_ids)
        .bind(self.epochs)
        .bind(self.sums)
        .bind(self.records)
        .bind(append.announces)
        .bind(CHANNEL)
        .execute(connection)
        .await?;
        Ok(())
    }
}
