//! Read transactions.

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::blobs::LostBlob;
use crate::rows::load::Loaded;
use crate::rows::{history, load};
use crate::{DocId, HistoryCursor, HistoryPage, StoreError};

/// The end of the transaction is also the proof that there was somebody to ask: sqlx takes the death of its thread for
/// the end of the rows.
pub(crate) async fn load(
    connection: &mut SqliteConnection,
    doc: &DocId,
    lost: &[LostBlob],
) -> Result<Loaded, StoreError> {
    let mut transaction = connection.begin().await?;
    let loaded = load::load(&mut *transaction, doc, lost).await?;
    transaction.rollback().await?;
    Ok(loaded)
}

pub(crate) async fn history(
    connection: &mut SqliteConnection,
    doc: &DocId,
    after: Option<HistoryCursor>,
    limit: usize,
) -> Result<HistoryPage, StoreError> {
    let mut transaction = connection.begin().await?;
    let page = history::history(&mut *transaction, doc, after, limit).await?;
    transaction.rollback().await?;
    Ok(page)
}
