//! What other nodes write, read from the log itself: for when there is no other way to hear of it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgListener, PgPool};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::connections::within;
use super::document::names;
use super::{PostgresStore, read};
use crate::limits::FOLLOW_POLL_MS;
use crate::record::{Epoch, Generation, Row};
use crate::rows::document::{DocumentColumns, DocumentRow};
use crate::rows::log::LogColumns;
use crate::{DocId, StoreError, Stored};

/// The channel on which appends are announced, as `DOCUMENT:ROW`.
pub(crate) const CHANNEL: &str = "roomtone_log";

/// Follows the log of some documents. What this store wrote itself is left out.
///
/// It looks every [`FOLLOW_POLL_MS`], and at once when another node announces an append ([`PostgresStore::announce`]).
/// An announcement is a hint: without one, or with a broken connection, nothing is missed and it only takes longer. Rows
/// are told apart one by one and never by a range of ids, since rows of several nodes are committed out of order.
#[derive(Debug)]
pub struct Follower<'a> {
    store: &'a PostgresStore,
    watched: HashMap<DocId, Watched>,
    /// One connection of its own, in sqlx's pool because its listener wants one.
    pool: PgPool,
    listener: Option<PgListener>,
    look_at: Instant,
}

#[derive(Debug)]
struct Watched {
    /// Unknown until the document is written to.
    id: Option<i64>,
    epoch: Epoch,
    generation: Generation,
    /// Rows of the log that need not be told any more.
    seen: HashSet<i64>,
}

/// What happened to a document that is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Followed {
    /// Another node wrote this.
    Row(DocId, Row),
    /// The document was compacted, deleted or restored, or a row is damaged: what was not told before may no longer be
    /// in the log. Load it, and watch it anew.
    Reload(DocId),
}

impl<'a> Follower<'a> {
    pub(crate) fn new(store: &'a PostgresStore) -> Follower<'a> {
        Follower {
            store,
            watched: HashMap::new(),
            pool: sqlx::postgres::PgPoolOptions::new()
                .max_connections(1)
                .connect_lazy_with(store.readers.options().clone()),
            listener: None,
            look_at: Instant::now(),
        }
    }

    /// Follows a document from what was loaded of it.
    pub fn watch(&mut self, doc: &DocId, stored: &Stored) {
        let watched = Watched {
            id: None,
            epoch: stored.epoch,
            generation: stored.generation,
            seen: stored.rows.iter().map(|row| row.id.0).collect(),
        };
        self.watched.insert(doc.clone(), watched);
    }

    /// Follows a document no longer.
    pub fn forget(&mut self, doc: &DocId) {
        self.watched.remove(doc);
    }

    /// Waits until it is time to look or another node has announced something, and looks. May well return nothing.
    ///
    /// Dropping the call loses nothing but time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be read; the next call looks again after a pause.
    pub async fn next(&mut self) -> Result<Vec<Followed>, StoreError> {
        let ids: HashSet<i64> = self.watched.values().filter_map(|watched| watched.id).collect();
        tokio::select! {
            () = sleep_until(self.look_at) => {}
            () = announced(&mut self.listener, &self.pool, &ids) => {}
        }
        self.look_at = Instant::now() + Duration::from_millis(FOLLOW_POLL_MS);
        self.look().await
    }

    async fn look(&mut self) -> Result<Vec<Followed>, StoreError> {
        let docs: Vec<&DocId> = self.watched.keys().collect();
        if docs.is_empty() {
            return Ok(Vec::new());
        }
        let seen: HashSet<i64> = self
            .watched
            .values()
            .flat_map(|watched| watched.seen.iter().copied())
            .collect();
        let mut lease = self.store.readers.lease().await?;
        let run = self.store.appender.run;
        let found = within(look(lease.connection(), &docs, run, &seen)).await;
        let found = lease.settle(found)?;
        let mut followed = Vec::new();
        for (doc, mut found) in found {
            let Some(watched) = self.watched.get_mut(&doc) else {
                continue;
            };
            watched.id = Some(found.row.id);
            // An id that has left the log never comes back.
            watched.seen = found.ids;
            let is_moved = (watched.epoch, watched.generation) != (found.row.epoch, found.row.generation);
            (watched.epoch, watched.generation) = (found.row.epoch, found.row.generation);
            let rows: Result<Vec<Row>, _> = found
                .news
                .drain(..)
                .map(|columns| columns.read(&found.row))
                .collect();
            match rows {
                Ok(rows) if !is_moved => {
                    followed.extend(rows.into_iter().map(|row| Followed::Row(doc.clone(), row)));
                }
                _ => followed.push(Followed::Reload(doc)),
            }
        }
        Ok(followed)
    }
}

/// A document as a look finds it.
struct Found {
    row: DocumentRow,
    /// All that is in its log.
    ids: HashSet<i64>,
    /// What was not seen before, of other runs, in order.
    news: Vec<LogColumns>,
}

#[derive(sqlx::FromRow)]
struct Named {
    tenant: String,
    name: String,
    document_id: i64,
    #[sqlx(flatten)]
    columns: DocumentColumns,
}

#[derive(sqlx::FromRow)]
struct News {
    document_id: i64,
    #[sqlx(flatten)]
    columns: LogColumns,
}

async fn look(
    connection: &mut PgConnection,
    docs: &[&DocId],
    run: Uuid,
    seen: &HashSet<i64>,
) -> Result<HashMap<DocId, Found>, StoreError> {
    let (tenants, texts) = names(docs);
    // One moment: a compaction in between would show the old generation without its rows.
    let mut transaction = read::begin(connection).await?;
    let rows: Vec<Named> = sqlx::query_as(
        "SELECT d.tenant, d.name, d.id AS document_id, d.id, d.epoch, d.generation, d.created_ms, d.crc32 \
         FROM documents AS d JOIN unnest($1::text[], $2::text[]) AS wanted (tenant, name) \
         ON d.tenant = wanted.tenant COLLATE \"C\" AND d.name = wanted.name COLLATE \"C\"",
    )
    .bind(tenants)
    .bind(texts)
    .fetch_all(&mut *transaction)
    .await?;
    let document_ids: Vec<i64> = rows.iter().map(|row| row.document_id).collect();
    let log: Vec<(i64, i64, bool)> =
        sqlx::query_as("SELECT document_id, id, run = $2 FROM log WHERE document_id = ANY($1)")
            .bind(&document_ids)
            .bind(run)
            .fetch_all(&mut *transaction)
            .await?;
    let wanted: Vec<i64> = log
        .iter()
        .filter(|(_, id, is_own)| !is_own && !seen.contains(id))
        .map(|(_, id, _)| *id)
        .collect();
    let news: Vec<News> = match wanted.is_empty() {
        true => Vec::new(),
        false => {
            sqlx::query_as(
                "SELECT document_id, id, epoch, crc32, records FROM log WHERE id = ANY($1) ORDER BY id",
            )
            .bind(wanted)
            .fetch_all(&mut *transaction)
            .await?
        }
    };
    transaction.rollback().await?;

    let mut ids: HashMap<i64, HashSet<i64>> = HashMap::new();
    for (document_id, id, _) in log {
        ids.entry(document_id).or_default().insert(id);
    }
    let mut of_document: HashMap<i64, Vec<LogColumns>> = HashMap::new();
    for one in news {
        of_document.entry(one.document_id).or_default().push(one.columns);
    }
    rows.into_iter()
        .map(|named| {
            let doc = DocId::new(&named.tenant, &named.name)
                .map_err(|_| StoreError::Corrupt(format!("a bad name: {:?}", named.name)))?;
            let found = Found {
                row: named.columns.check(&doc)?,
                ids: ids.remove(&named.document_id).unwrap_or_default(),
                news: of_document.remove(&named.document_id).unwrap_or_default(),
            };
            Ok((doc, found))
        })
        .collect()
}

/// Waits for an announcement of one of these documents. Without a connection it waits for ever, and the next call tries to
/// have one.
async fn announced(listener: &mut Option<PgListener>, pool: &PgPool, ids: &HashSet<i64>) {
    if listener.is_none() {
        *listener = listen(pool).await.ok();
    }
    while let Some(listening) = listener {
        match listening.recv().await {
            Ok(heard) => {
                let document = heard.payload().split(':').next().unwrap_or_default();
                if document.parse().is_ok_and(|id| ids.contains(&id)) {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "announcements of other nodes are not heard");
                *listener = None;
            }
        }
    }
    std::future::pending().await
}

async fn listen(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
