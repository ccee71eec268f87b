//! Putting a snapshot in the place of the rows that it merged.

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::document::{self, Hold};
use super::lease::{self, Token};
use crate::blobs::BlobKey;
use crate::rows::log::LogColumns;
use crate::rows::segment::{Merged, Packed};
use crate::rows::sql::Tables;
use crate::{Compacted, Compaction, DocId, StoreError, rows};

/// A compaction that may go on: the claim on it, and the rows that are to be archived.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) token: Token,
    pub(crate) rows: Vec<Merged>,
}

/// Claims the document, unless that was done before, and reads the rows. `None` when the document has moved on or
/// somebody else is at it.
///
/// Outside the transaction that writes: rows never change, so what is read here is what will be deleted there, if it is
/// still there.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    run: Uuid,
    claimed: Option<Token>,
    doc: &DocId,
    merge: &Compaction,
) -> Result<Option<Begun>, StoreError> {
    let Some(row) = connection
        .document(doc)
        .await?
        .filter(|row| row.is_current(merge))
    else {
        return Ok(None);
    };
    let token = match claimed {
        Some(token) => token,
        None => match lease::claim(connection, run, &row).await? {
            Some(token) => token,
            None => return Ok(None),
        },
    };
    let ids: Vec<i64> = merge.ids().into_iter().collect();
    let rows: Vec<LogColumns> = sqlx::query_as(
        "SELECT id, epoch, crc32, records FROM log WHERE document_id = $1 AND id = ANY($2) ORDER BY id",
    )
    .bind(row.id)
    .bind(&ids)
    .fetch_all(&mut *connection)
    .await?;
    if rows.len() != ids.len() {
        lease::end(connection, run, &row, token).await?;
        return Ok(None);
    }
    let rows = rows.into_iter().map(|columns| columns.merged(&row));
    Ok(Some(Begun {
        token,
        rows: rows.collect::<Result<_, _>>()?,
    }))
}

/// Writes the snapshot and the segments, and deletes the rows.
pub(crate) async fn write(
    connection: &mut PgConnection,
    run: Uuid,
    token: Token,
    doc: &DocId,
    merge: Compaction,
    blob: Option<&BlobKey>,
    segments: Vec<Packed>,
) -> Result<Compacted, StoreError> {
    let mut transaction = connection.begin().await?;
    let Some(row) = document::hold(&mut transaction, doc, Hold::BesideAppends)
        .await?
        .filter(|row| row.is_current(&merge))
    else {
        transaction.rollback().await?;
        return Ok(Compacted::Stale);
    };
    if !lease::end(&mut transaction, run, &row, token).await? {
        transaction.rollback().await?;
        return Ok(Compacted::Stale);
    }
    let ids: Vec<i64> = merge.ids().into_iter().collect();
    // Exactly these, never a range: a row with a lower id may have been committed after the merge was made.
    let deleted = sqlx::query("DELETE FROM log WHERE document_id = $1 AND id = ANY($2)")
        .bind(row.id)
        .bind(&ids)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if deleted != ids.len() as u64 {
        transaction.rollback().await?;
        return Ok(Compacted::Stale);
    }
    let Some(generation) = rows::compact::put(&mut *transaction, doc, row, merge, blob, segments).await?
    else {
        transaction.rollback().await?;
        return Ok(Compacted::Stale);
    };
    document::announce_move(&mut transaction, row.id).await?;
    transaction.commit().await?;
    Ok(Compacted::Done(generation))
}
