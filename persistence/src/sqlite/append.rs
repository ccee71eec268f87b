//! Writing batches to the log.

use std::sync::LazyLock;

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::document;
use super::writer::{KnownDoc, Writer};
use crate::record::{Batch, Epoch};
use crate::rows::document::now_ms;
use crate::rows::log::{crc32, frame_rows};
use crate::rows::sql::Tables;
use crate::{Appended, DocId, StoreError};

/// The most rows that one statement inserts.
const INSERT_ROWS_MAX: usize = 32;

/// A statement for each count of rows up to the most, from one: each is prepared once.
static INSERTS: LazyLock<[String; INSERT_ROWS_MAX]> = LazyLock::new(|| {
    std::array::from_fn(|place| {
        let values = vec!["(?, ?, ?, ?)"; place + 1].join(", ");
        format!("INSERT INTO log (document_id, epoch, crc32, records) VALUES {values}")
    })
});

pub(crate) async fn append(writer: &Writer, batches: &[Batch]) -> Result<Vec<Appended>, StoreError> {
    // Framing needs no lock: it is done before the turn, so that turns are as short as the disk allows.
    let mut framed: Vec<Vec<Vec<u8>>> = batches.iter().map(frame_rows).collect::<Result<_, _>>()?;
    let mut turn = writer.wait().await?;
    let rows_count: usize = framed.iter().map(Vec::len).sum();
    let are_known = batches.iter().all(|batch| turn.known(&batch.doc).is_some());
    // Of documents that are known a single statement is the whole transaction: one way to SQLite's thread and back, in
    // place of three.
    let is_single = are_known && rows_count <= INSERT_ROWS_MAX;
    if !is_single {
        turn.begin().await?;
    }
    let mut learned = Vec::new();
    let mut appended = Vec::with_capacity(batches.len());
    let mut rows = Vec::with_capacity(batches.len());
    for (batch, blobs) in batches.iter().zip(&mut framed) {
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
        rows.extend(blobs.drain(..).map(|blob| LogRow::new(known, blob)));
    }
    match (is_single, rows.is_empty()) {
        (true, true) => turn.end(Vec::new()),
        (true, false) => {
            insert(&mut turn.connection, rows).await?;
            turn.end(learned);
        }
        (false, true) => turn.rollback().await?,
        (false, false) => {
            insert(&mut turn.connection, rows).await?;
            turn.commit(learned).await?;
        }
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

struct LogRow {
    document_id: i64,
    epoch: i64,
    crc32: i64,
    records: Vec<u8>,
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
