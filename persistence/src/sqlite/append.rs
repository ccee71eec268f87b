//! Writing batches to the log.

use std::sync::{Arc, LazyLock};

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use tokio::time::{Duration, sleep};

use super::document;
use super::tail::{Entry, Group, Taken};
use super::writer::{KnownDoc, Turn, Writer};
use crate::limits::{TAIL_AGE_SECONDS, TAIL_GROUP_BYTES_MAX};
use crate::record::{Batch, Epoch};
use crate::rows::document::now_ms;
use crate::rows::log::{crc32, frame_rows};
use crate::rows::sql::Tables;
use crate::{Appended, DocId, StoreError, Written};

/// The most rows that one statement inserts.
const INSERT_ROWS_MAX: usize = 32;

/// A statement for each count of rows up to the most, from one: each is prepared once.
static INSERTS: LazyLock<[String; INSERT_ROWS_MAX]> = LazyLock::new(|| {
    std::array::from_fn(|place| {
        let values = vec!["(?, ?, ?, ?)"; place + 1].join(", ");
        format!("INSERT INTO log (document_id, epoch, crc32, records) VALUES {values}")
    })
});

/// What is appended to documents that are known goes to the tail, and is not on the disk yet.
pub(crate) async fn write(writer: &Arc<Writer>, batches: &[Batch]) -> Result<Written, StoreError> {
    // Framing needs no lock: it is done before the turn, so that turns are as short as the disk allows.
    let framed: Vec<Vec<Vec<u8>>> = batches.iter().map(frame_rows).collect::<Result<_, _>>()?;
    let bytes: usize = framed.iter().flatten().map(Vec::len).sum();
    if bytes <= TAIL_GROUP_BYTES_MAX
        && let Some(appended) = append_to_tail(writer, batches, &framed).await?
    {
        return Ok(Written {
            appended,
            is_on_disk: false,
        });
    }
    let mut turn = writer.wait().await?;
    for batch in batches {
        // What it appended before comes first.
        if writer.tail.holds(&batch.doc).await {
            turn.fold().await?;
        }
    }
    let appended = if batches.iter().all(|batch| turn.known(&batch.doc).is_some()) {
        append_known(turn, batches, framed).await?
    } else {
        append_any(turn, batches, framed).await?
    };
    Ok(Written {
        appended,
        is_on_disk: true,
    })
}

/// Appends to the tail; None when one of the documents is not known.
async fn append_to_tail(
    writer: &Arc<Writer>,
    batches: &[Batch],
    framed: &[Vec<Vec<u8>>],
) -> Result<Option<Vec<Appended>>, StoreError> {
    loop {
        let state = writer.tail.lock().await?;
        let mut group = Group::new();
        let mut appended = Vec::with_capacity(batches.len());
        {
            let known = writer.known();
            for (batch, blobs) in batches.iter().zip(framed) {
                let Some(doc) = known.get(&batch.doc) else {
                    return Ok(None);
                };
                if doc.epoch != batch.epoch {
                    appended.push(Appended::StaleEpoch);
                    continue;
                }
                appended.push(Appended::Stored);
                for blob in blobs {
                    let entry = Entry {
                        document_id: doc.id,
                        epoch: doc.epoch.0,
                        blob,
                    };
                    group.push(&batch.doc, entry);
                }
            }
        }
        if group.is_empty() {
            return Ok(Some(appended));
        }
        match writer.tail.append(state, group).await? {
            Taken::Written { began } => {
                if let Some(generation) = began {
                    fold_in_time(writer, generation);
                }
                return Ok(Some(appended));
            }
            Taken::AfterFold => writer.fold().await?,
        }
    }
}

/// Folds while others go on appending: the generation before this one at once, and this one when it is old.
fn fold_in_time(writer: &Arc<Writer>, generation: u64) {
    let writer = Arc::downgrade(writer);
    tokio::spawn(async move {
        let mut last = generation - 1;
        while let Some(writer) = writer.upgrade() {
            match writer.fold_to(last).await {
                Ok(()) if last == generation => return,
                Ok(()) => last = generation,
                Err(StoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "the log's tail cannot be put into the table"),
            }
            drop(writer);
            sleep(Duration::from_secs(TAIL_AGE_SECONDS)).await;
        }
    });
}

/// Appends to documents that are known: nothing is asked before the rows are written.
async fn append_known(
    turn: Turn<'_>,
    batches: &[Batch],
    framed: Vec<Vec<Vec<u8>>>,
) -> Result<Vec<Appended>, StoreError> {
    let mut appended = Vec::with_capacity(batches.len());
    let mut rows = Vec::with_capacity(batches.len());
    for (batch, blobs) in batches.iter().zip(framed) {
        match turn.known(&batch.doc) {
            Some(known) if known.epoch == batch.epoch => {
                appended.push(Appended::Stored);
                rows.extend(blobs.into_iter().map(|blob| LogRow::new(known, blob)));
            }
            _ => appended.push(Appended::StaleEpoch),
        }
    }
    if rows.is_empty() {
        turn.end(Vec::new());
    } else {
        turn.append(rows).await?;
    }
    Ok(appended)
}

/// Appends to documents some of which have to be looked up or made, in the same transaction.
async fn append_any(
    mut turn: Turn<'_>,
    batches: &[Batch],
    framed: Vec<Vec<Vec<u8>>>,
) -> Result<Vec<Appended>, StoreError> {
    turn.begin().await?;
    let mut learned = Vec::new();
    let mut appended = Vec::with_capacity(batches.len());
    let mut rows = Vec::with_capacity(batches.len());
    for (batch, blobs) in batches.iter().zip(framed) {
        let known = match turn.known(&batch.doc) {
            Some(known) => Known::Written(known),
            None => look_up(&mut turn.connection, &batch.doc).await?,
        };
        if batch.epoch != known.epoch() {
            appended.push(Appended::StaleEpoch);
            continue;
        }
        appended.push(Appended::Stored);
        if blobs.is_empty() {
            continue;
        }
        let known = match known {
            Known::Written(known) => known,
            Known::Unwritten(_) => create(&mut turn.connection, &batch.doc).await?,
        };
        learned.push((batch.doc.clone(), known));
        rows.extend(blobs.into_iter().map(|blob| LogRow::new(known, blob)));
    }
    if rows.is_empty() {
        turn.rollback().await?;
    } else {
        insert(&mut turn.connection, rows).await?;
        turn.commit(learned).await?;
    }
    Ok(appended)
}

/// A document as an append finds it.
enum Known {
    Written(KnownDoc),
    /// Unknown or a tombstone: nothing is written about it before there is an update to store.
    Unwritten(Epoch),
}

impl Known {
    fn epoch(&self) -> Epoch {
        match self {
            Known::Written(known) => known.epoch,
            Known::Unwritten(epoch) => *epoch,
        }
    }
}

async fn look_up(connection: &mut SqliteConnection, doc: &DocId) -> Result<Known, StoreError> {
    Ok(match connection.document(doc).await? {
        Some(row) if row.created_ms.is_some() => Known::Written(row.known()),
        Some(row) => Known::Unwritten(row.epoch),
        None => Known::Unwritten(Epoch::FIRST),
    })
}

/// Makes an unknown document or a tombstone one that exists.
async fn create(connection: &mut SqliteConnection, doc: &DocId) -> Result<KnownDoc, StoreError> {
    let mut row = document::find_or_insert(connection, doc).await?;
    row.created_ms = Some(now_ms());
    connection.update_document(doc, &row).await?;
    Ok(row.known())
}

/// A row as it is written.
#[derive(Debug)]
pub(crate) struct LogRow {
    pub(crate) document_id: i64,
    pub(crate) epoch: i64,
    pub(crate) crc32: i64,
    pub(crate) records: Vec<u8>,
}

impl LogRow {
    fn new(doc: KnownDoc, records: Vec<u8>) -> LogRow {
        let epoch = i64::from(doc.epoch.0);
        LogRow {
            document_id: doc.id,
            epoch,
            crc32: crc32(doc.id, epoch, &records),
            records,
        }
    }
}

async fn insert(connection: &mut SqliteConnection, rows: Vec<LogRow>) -> Result<(), StoreError> {
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let count = rows.len().min(INSERT_ROWS_MAX);
        // Safe: the text is made of constants above.
        let mut query = sqlx::query(AssertSqlSafe(INSERTS[count - 1].as_str()));
        for row in rows.by_ref().take(count) {
            query = query
                .bind(row.document_id)
                .bind(row.epoch)
                .bind(row.crc32)
                .bind(row.records);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
