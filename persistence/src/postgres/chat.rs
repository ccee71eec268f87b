//! Chats in the database: a change holds its document as an append does, and its room alone.

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::connections::within;
use super::document::{self, Hold};
use super::{PostgresStore, read};
use crate::chat::{Act, Actor, Changed, ChatPage, ChatQuery, Chats, Counts, Marked};
use crate::rows::chat::{self, Wrote};
use crate::rows::sql::Tables;
use crate::{DocId, StoreError};

#[async_trait]
impl Chats for PostgresStore {
    async fn change(&self, doc: &DocId, by: &Actor, act: &Act) -> Result<Changed, StoreError> {
        let mut lease = self.writers.lease().await?;
        let changed = within(change(lease.connection(), doc, by, act)).await;
        lease.settle(changed)
    }

    async fn read(
        &self,
        doc: &DocId,
        query: ChatQuery,
        limit: usize,
        user: Option<&str>,
    ) -> Result<ChatPage, StoreError> {
        let mut lease = self.readers.lease().await?;
        let page = within(read_page(lease.connection(), doc, query, limit, user)).await;
        lease.settle(page)
    }

    async fn mark_read(&self, doc: &DocId, user: &str, seq: u64) -> Result<Marked, StoreError> {
        let mut lease = self.writers.lease().await?;
        let marked = within(mark_read(lease.connection(), doc, user, seq)).await;
        lease.settle(marked)
    }
}

async fn change(
    connection: &mut PgConnection,
    doc: &DocId,
    by: &Actor,
    act: &Act,
) -> Result<Changed, StoreError> {
    let mut transaction = connection.begin().await?;
    let row = match document::hold(&mut transaction, doc, Hold::BesideAll).await? {
        Some(row) => row,
        None => {
            document::insert_missing(&mut transaction, &[doc]).await?;
            let row = document::hold(&mut transaction, doc, Hold::BesideAll).await?;
            row.ok_or_else(|| StoreError::Corrupt(format!("document {doc} vanished while it was written")))?
        }
    };
    let counts = hold_room(&mut transaction, row.id).await?;
    let (changed, wrote) = chat::change(&mut *transaction, row.id, counts, by, act).await?;
    match wrote {
        Wrote::Something => transaction.commit().await?,
        Wrote::Nothing => transaction.rollback().await?,
    }
    Ok(changed)
}

/// Holds the room until the end of the transaction: until then nobody else gives out its numbers.
async fn hold_room(connection: &mut PgConnection, document_id: i64) -> Result<Counts, StoreError> {
    if let Some(counts) = lock(connection, document_id).await? {
        return Ok(counts);
    }
    // Of several that come first one inserts, and the others wait for it.
    sqlx::query(
        "INSERT INTO chats (document_id, messages_count, changes_count) VALUES ($1, 0, 0) \
         ON CONFLICT (document_id) DO NOTHING",
    )
    .bind(document_id)
    .execute(&mut *connection)
    .await?;
    let counts = lock(connection, document_id).await?;
    counts.ok_or_else(|| StoreError::Corrupt(format!("the chat of document {document_id} vanished")))
}

async fn lock(connection: &mut PgConnection, document_id: i64) -> Result<Option<Counts>, StoreError> {
    let counts: Option<(i64, i64)> = sqlx::query_as(
        "SELECT messages_count, changes_count FROM chats WHERE document_id = $1 FOR NO KEY UPDATE",
    )
    .bind(document_id)
    .fetch_optional(connection)
    .await?;
    counts.map(chat::counts_of).transpose()
}

async fn read_page(
    connection: &mut PgConnection,
    doc: &DocId,
    query: ChatQuery,
    limit: usize,
    user: Option<&str>,
) -> Result<ChatPage, StoreError> {
    let mut transaction = read::begin(connection).await?;
    let row = transaction.document(doc).await?;
    let page = chat::read(&mut *transaction, row.map(|row| row.id), query, limit, user).await?;
    transaction.rollback().await?;
    Ok(page)
}

async fn mark_read(
    connection: &mut PgConnection,
    doc: &DocId,
    user: &str,
    seq: u64,
) -> Result<Marked, StoreError> {
    let mut transaction = connection.begin().await?;
    // Held, so that no marker of a chat that is being deleted is left behind.
    let Some(row) = document::hold(&mut transaction, doc, Hold::BesideAll).await? else {
        transaction.rollback().await?;
        return Ok(Marked::default());
    };
    let marked = chat::mark_read(&mut *transaction, row.id, user, seq).await?;
    match marked.has_moved {
        true => transaction.commit().await?,
        false => transaction.rollback().await?,
    }
    Ok(marked)
}
