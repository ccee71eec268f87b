//! What a follower asks PostgreSQL.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::CHANNEL;
use super::horizon::Transactions;
use crate::StoreError;
use crate::limits::FOLLOW_PAGE_COUNT;
use crate::record::Row;
use crate::rows::document::DocumentRow;
use crate::rows::log::LogColumns;
use crate::rows::segment::{SegmentRow, unpack_all};

/// The last id that was drawn.
pub(crate) async fn last_row(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let last = "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM log_ids";
    Ok(sqlx::query_scalar(last).fetch_one(connection).await?)
}

pub(crate) async fn transactions(connection: &mut PgConnection) -> Result<Transactions, StoreError> {
    // The second gives this statement a number of its own: the next that is given.
    let (oldest, next): (i64, i64) = sqlx::query_as(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_xact_id()::text::bigint",
    )
    .fetch_one(connection)
    .await?;
    Ok(Transactions { oldest, next })
}

/// A row of the log, without what is in it.
#[derive(sqlx::FromRow)]
pub(crate) struct Seen {
    pub(crate) id: i64,
    pub(crate) document_id: i64,
    pub(crate) bytes: i32,
}

/// Rows that other runs wrote.
pub(crate) async fn rows_after(
    connection: &mut PgConnection,
    from: i64,
    run: Uuid,
) -> Result<Vec<Seen>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT id, document_id, octet_length(records) AS bytes FROM log \
         WHERE id > $1 AND run <> $2 ORDER BY id LIMIT $3",
    );
    Ok(rows
        .bind(from)
        .bind(run)
        .bind(FOLLOW_PAGE_COUNT as i64)
        .fetch_all(connection)
        .await?)
}

pub(crate) async fn read_log(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<Vec<LogColumns>, StoreError> {
    Ok(
        sqlx::query_as("SELECT id, epoch, crc32, records FROM log WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(connection)
            .await?,
    )
}

/// Announces rows of this run that were appended before it began to announce.
pub(crate) async fn announce(
    connection: &mut PgConnection,
    run: Uuid,
    from: i64,
    to: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "SELECT count(pg_notify($1, document_id || ':' || id || ':' || octet_length(records) || ':' || run)::text) \
         FROM log WHERE id > $2 AND id <= $3 AND run = $4",
    )
    .bind(CHANNEL)
    .bind(from)
    .bind(to)
    .bind(run)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the archive has of rows behind this one, in bytes before compression.
pub(crate) async fn archived_bytes(
    connection: &mut PgConnection,
    document_id: i64,
    after: i64,
) -> Result<i64, StoreError> {
    let bytes =
        "SELECT coalesce(sum(raw_bytes), 0)::bigint FROM archive WHERE document_id = $1 AND last_row > $2";
    Ok(sqlx::query_scalar(bytes)
        .bind(document_id)
        .bind(after)
        .fetch_one(connection)
        .await?)
}

/// Segments with rows behind this one; none when one of them is damaged.
pub(crate) async fn archived(
    connection: &mut PgConnection,
    row: &DocumentRow,
    after: i64,
) -> Result<Option<Vec<Row>>, StoreError> {
    let segments: Vec<SegmentRow> = sqlx::query_as(
        "SELECT segment, epoch, generation, first_row, last_row, raw_bytes, crc32, rows FROM archive \
         WHERE document_id = $1 AND last_row > $2 ORDER BY segment",
    )
    .bind(row.id)
    .bind(after)
    .fetch_all(connection)
    .await?;
    let row = *row;
    let unpacked = tokio::task::spawn_blocking(move || {
        let mut damage = Vec::new();
        let rows = unpack_all(segments, &row, &mut damage);
        damage.is_empty().then_some(rows)
    });
    unpacked
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// The names of documents.
pub(crate) async fn names(
    connection: &mut PgConnection,
    document_ids: &[i64],
) -> Result<Vec<(i64, String, String)>, StoreError> {
    Ok(
        sqlx::query_as("SELECT id, tenant, name FROM documents WHERE id = ANY($1)")
            .bind(document_ids)
            .fetch_all(connection)
            .await?,
    )
}
