//! Chats in the file: changes in the writer's turn, pages on the read connections.

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::{SqliteStore, document, settle};
use crate::chat::{Act, Actor, Changed, ChatPage, ChatQuery, Chats, Marked};
use crate::rows::chat::{self, ChatTables, Wrote};
use crate::rows::sql::Tables;
use crate::{DocId, StoreError};

#[async_trait]
impl Chats for SqliteStore {
    async fn change(&self, doc: &DocId, by: &Actor, act: &Act) -> Result<Changed, StoreError> {
        let mut turn = self.writer.begin().await?;
        let connection = &mut turn.connection;
        let row = document::find_or_insert(connection, doc).await?;
        let counts = connection.chat_counts(row.id).await?.unwrap_or_default();
        let (changed, wrote) = chat::change(connection, row.id, counts, by, act).await?;
        match wrote {
            Wrote::Something => turn.commit().await?,
            Wrote::Nothing => turn.rollback().await?,
        }
        Ok(changed)
    }

    async fn read(
        &self,
        doc: &DocId,
        query: ChatQuery,
        limit: usize,
        user: Option<&str>,
    ) -> Result<ChatPage, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let page = read(&mut connection, doc, query, limit, user).await;
        settle(connection, page)
    }

    async fn mark_read(&self, doc: &DocId, user: &str, seq: u64) -> Result<Marked, StoreError> {
        let mut turn = self.writer.begin().await?;
        let connection = &mut turn.connection;
        let Some(row) = connection.document(doc).await? else {
            turn.rollback().await?;
            return Ok(Marked::default());
        };
        let marked = chat::mark_read(connection, row.id, user, seq).await?;
        match marked.has_moved {
            true => turn.commit().await?,
            false => turn.rollback().await?,
        }
        Ok(marked)
    }
}

async fn read(
    connection: &mut SqliteConnection,
    doc: &DocId,
    query: ChatQuery,
    limit: usize,
    user: Option<&str>,
) -> Result<ChatPage, StoreError> {
    let mut transaction = connection.begin().await?;
    let row = transaction.document(doc).await?;
    let page = chat::read(&mut *transaction, row.map(|row| row.id), query, limit, user).await?;
    transaction.rollback().await?;
    Ok(page)
}
