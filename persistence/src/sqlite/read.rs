//! Read transactions.

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::rows::{history, load};
use crate::{DocId, HistoryCursor, HistoryPage, StoreError, Stored};

/// The end of the transaction is also the proof that there was somebody to ask: sqlx takes the death of its thread for
/// the end of the rows.
pub(crate) async fn load(connection: &mut SqliteConnection, doc: &DocId) -> Result<Stored, StoreError> {
    let mut transaction = connection.begin().await?;
    let (stored, _) = load::load(&mut *transaction, doc).await?;
    transaction.rollback().await?;
    Ok(stored)
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
