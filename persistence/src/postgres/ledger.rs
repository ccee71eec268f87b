//! Rows of the table `appends`: what makes an append happen once, however often it is tried.

use crc32fast::Hasher;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::limits::APPENDS_KEPT_SECONDS;
use crate::record::{AppendId, Batch};
use crate::{Appended, StoreError};

/// One append, as it is entered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) run: Uuid,
    pub(crate) node: &'a str,
    pub(crate) id: AppendId,
    /// Of everything that is appended.
    pub(crate) crc32: i64,
}

/// The checksum of batches and of the rows that they are framed into.
pub(crate) fn crc32(batches: &[Batch], framed: &[Vec<Vec<u8>>]) -> i64 {
    let mut hasher = Hasher::new();
    for (batch, blobs) in batches.iter().zip(framed) {
        for text in [batch.doc.tenant(), batch.doc.name()] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&batch.epoch.0.to_le_bytes());
        for blob in blobs {
            hasher.update(&(blob.len() as u64).to_le_bytes());
            hasher.update(blob);
        }
    }
    i64::from(hasher.finalize())
}

/// Enters an append. `false` when it stands there already: the transaction is then to be undone.
pub(crate) async fn enter(
    connection: &mut PgConnection,
    entry: Entry<'_>,
    appended: &[Appended],
) -> Result<bool, StoreError> {
    let stale: Vec<i32> = (0..)
        .zip(appended)
        .filter_map(|(place, one)| (*one == Appended::StaleEpoch).then_some(place))
        .collect();
    let entered = sqlx::query(
        "INSERT INTO appends (run, sequence, node, crc32, stale) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (run, sequence) DO NOTHING",
    )
    .bind(entry.run)
    .bind(entry.id.sequence())
    .bind(entry.node)
    .bind(entry.crc32)
    .bind(stale)
    .execute(connection)
    .await?;
    Ok(entered.rows_affected() == 1)
}

/// What became of an append that was committed before; `None` when it was not.
pub(crate) async fn answer(
    connection: &mut PgConnection,
    entry: Entry<'_>,
    batches_count: usize,
) -> Result<Option<Vec<Appended>>, StoreError> {
    let found: Option<(i64, Vec<i32>)> =
        sqlx::query_as("SELECT crc32, stale FROM appends WHERE run = $1 AND sequence = $2")
            .bind(entry.run)
            .bind(entry.id.sequence())
            .fetch_optional(connection)
            .await?;
    let Some((crc32, stale)) = found else {
        return Ok(None);
    };
    if crc32 != entry.crc32 {
        return Err(StoreError::Corrupt(format!(
            "append {} was committed with other batches than it now brings",
            entry.id.sequence()
        )));
    }
    let mut appended = vec![Appended::Stored; batches_count];
    for place in stale {
        if let Some(one) = usize::try_from(place)
            .ok()
            .and_then(|place| appended.get_mut(place))
        {
            *one = Appended::StaleEpoch;
        }
    }
    Ok(Some(appended))
}

/// Forgets appends of a run.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    run: Uuid,
    sequences: &[i64],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM appends WHERE run = $1 AND sequence = ANY($2)")
        .bind(run)
        .bind(sequences)
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets appends of servers that are long gone.
pub(crate) async fn prune(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM appends WHERE committed_at < now() - make_interval(secs => $1)")
        .bind(APPENDS_KEPT_SECONDS as f64)
        .execute(connection)
        .await?;
    Ok(())
}
