//! Read transactions.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, PgTransaction};

use crate::blobs::LostBlob;
use crate::rows::load::Loaded;
use crate::rows::{history, load};
use crate::{DocId, HistoryCursor, HistoryPage, StoreError};

/// All answers as of one moment, which is not what PostgreSQL does by default.
pub(crate) async fn begin(connection: &mut PgConnection) -> Result<PgTransaction<'_>, StoreError> {
    Ok(connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?)
}

pub(crate) async fn load(
    connection: &mut PgConnection,
    doc: &DocId,
    lost: &[LostBlob],
) -> Result<Loaded, StoreError> {
    let mut transaction = begin(connection).await?;
    let loaded = load::load(&mut *transaction, doc, lost).await?;
    transaction.rollback().await?;
    Ok(loaded)
}

pub(crate) async fn history(
    connection: &mut PgConnection,
    doc: &DocId,
    after: Option<HistoryCursor>,
    limit: usize,
) -> Result<HistoryPage, StoreError> {
    let mut transaction = begin(connection).await?;
    let page = history::history(&mut *transaction, doc, after, limit).await?;
    transaction.rollback().await?;
    Ok(page)
}
