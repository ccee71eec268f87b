//! Rows of the tables `chats`, `chat_messages` and `chat_reads`, and the statements that are the same in every SQL database.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::sql::Answer;
use crate::StoreError;
use crate::chat::{Act, Actor, Changed, ChatMessage, ChatPage, ChatQuery, Counts, Marked, Plan, Subject};

/// A connection to a database with these tables.
pub(crate) trait ChatTables: Send {
    /// The last numbers of a room.
    fn chat_counts(&mut self, document_id: i64) -> impl Answer<Option<Counts>>;

    /// Writes the last numbers of a room.
    fn write_chat_counts(&mut self, document_id: i64, counts: Counts) -> impl Answer<()>;

    /// One message by its number.
    fn chat_message(&mut self, document_id: i64, seq: u64) -> impl Answer<Option<ChatMessage>>;

    /// One message by the name that its client gave it.
    fn chat_message_by_key(
        &mut self,
        document_id: i64,
        user: Option<&str>,
        key: &str,
    ) -> impl Answer<Option<ChatMessage>>;

    /// Writes a message, or what has become of it.
    fn write_chat_message(&mut self, document_id: i64, message: &ChatMessage) -> impl Answer<()>;

    /// Messages, for [`ChatQuery::page`].
    fn chat_messages(
        &mut self,
        document_id: i64,
        query: ChatQuery,
        limit: usize,
    ) -> impl Answer<Vec<ChatMessage>>;

    /// Up to where a user has read.
    fn chat_marker(&mut self, document_id: i64, user: &str) -> impl Answer<u64>;

    /// Moves that up, and says whether it moved.
    fn raise_chat_marker(&mut self, document_id: i64, user: &str, seq: u64) -> impl Answer<bool>;
}

/// What an act makes of a room that nobody else changes meanwhile. Nothing is written before everything is known.
pub(crate) async fn change<T: ChatTables>(
    tables: &mut T,
    document_id: i64,
    counts: Counts,
    by: &Actor,
    act: &Act,
) -> Result<(Changed, Wrote), StoreError> {
    let found = match act.subject() {
        Subject::Key(key) => {
            tables
                .chat_message_by_key(document_id, by.user.as_deref(), key)
                .await?
        }
        Subject::Seq(seq) => tables.chat_message(document_id, seq).await?,
    };
    let of_thread = match act.thread() {
        Some(seq) => tables.chat_message(document_id, seq).await?,
        None => None,
    };
    match act.plan(by, counts, found, of_thread) {
        Plan::Answer(changed) => Ok((changed, Wrote::Nothing)),
        Plan::Write(counts, message) => {
            tables.write_chat_counts(document_id, counts).await?;
            tables.write_chat_message(document_id, &message).await?;
            Ok((Changed::Done(message), Wrote::Something))
        }
    }
}

/// Whether there is something to commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wrote {
    Something,
    Nothing,
}

/// A page, within a transaction that sees one moment.
pub(crate) async fn read<T: ChatTables>(
    tables: &mut T,
    document_id: Option<i64>,
    query: ChatQuery,
    limit: usize,
    user: Option<&str>,
) -> Result<ChatPage, StoreError> {
    let Some(document_id) = document_id else {
        return Ok(query.page(Vec::new(), limit, Counts::default(), 0));
    };
    let counts = tables.chat_counts(document_id).await?.unwrap_or_default();
    let read = match user {
        Some(user) => tables.chat_marker(document_id, user).await?,
        None => 0,
    };
    let found = tables.chat_messages(document_id, query, limit).await?;
    Ok(query.page(found, limit, counts, read))
}

/// Moves a marker, in a room that is not deleted meanwhile.
pub(crate) async fn mark_read<T: ChatTables>(
    tables: &mut T,
    document_id: i64,
    user: &str,
    seq: u64,
) -> Result<Marked, StoreError> {
    let counts = tables.chat_counts(document_id).await?.unwrap_or_default();
    let seq = seq.min(counts.messages);
    let has_moved = seq > 0 && tables.raise_chat_marker(document_id, user, seq).await?;
    let seq = tables.chat_marker(document_id, user).await?;
    Ok(Marked { seq, has_moved })
}

/// What the tables know a user by.
fn hash_of(user: Option<&str>) -> Vec<u8> {
    user.map_or_else(Vec::new, |user| {
        digest(&SHA256, user.as_bytes()).as_ref().to_vec()
    })
}

/// As SQL keeps a number. What nothing is beyond stays beyond everything.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt("a number of a chat is negative".into()))
}

/// The columns of a message.
#[derive(Debug, sqlx::FromRow)]
struct MessageColumns {
    seq: i64,
    change: i64,
    key: Vec<u8>,
    thread: Option<i64>,
    created_ms: i64,
    edited_ms: Option<i64>,
    deleted_ms: Option<i64>,
    body: String,
}

/// What no statement asks for. JSON also keeps what PostgreSQL's text does not: a NUL in a name.
#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    reactions: BTreeMap<String, Vec<String>>,
}

impl MessageColumns {
    fn message(self) -> Result<ChatMessage, StoreError> {
        let damaged = || StoreError::Corrupt(format!("message {} of a chat is damaged", self.seq));
        let body: Body = serde_json::from_str(&self.body).map_err(|_| damaged())?;
        Ok(ChatMessage {
            seq: unsigned(self.seq)?,
            change: unsigned(self.change)?,
            key: String::from_utf8(self.key.clone()).map_err(|_| damaged())?,
            user: body.user,
            name: body.name,
            thread: self.thread.map(unsigned).transpose()?,
            text: body.text,
            mentions: body.mentions,
            created_ms: unsigned(self.created_ms)?,
            edited_ms: self.edited_ms.map(unsigned).transpose()?,
            deleted_ms: self.deleted_ms.map(unsigned).transpose()?,
            reactions: body.reactions,
        })
    }
}

fn body_of(message: &ChatMessage) -> Result<String, StoreError> {
    let body = Body {
        user: message.user.clone(),
        name: message.name.clone(),
        text: message.text.clone(),
        mentions: message.mentions.clone(),
        reactions: message.reactions.clone(),
    };
    serde_json::to_string(&body).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// SQL's own types are of one database each, so the same text is compiled once for each.
macro_rules! chat_tables {
    ($connection:ty) => {
        impl ChatTables for $connection {
            async fn chat_counts(&mut self, document_id: i64) -> Result<Option<Counts>, StoreError> {
                let counts: Option<(i64, i64)> = sqlx::query_as(
                    "SELECT messages_count, changes_count FROM chats WHERE document_id = $1",
                )
                .bind(document_id)
                .fetch_optional(self)
                .await?;
                counts.map(counts_of).transpose()
            }

            async fn write_chat_counts(&mut self, document_id: i64, counts: Counts) -> Result<(), StoreError> {
                sqlx::query(
                    "INSERT INTO chats (document_id, messages_count, changes_count) VALUES ($1, $2, $3) \
                     ON CONFLICT (document_id) DO UPDATE \
                     SET messages_count = excluded.messages_count, changes_count = excluded.changes_count",
                )
                .bind(document_id)
                .bind(signed(counts.messages))
                .bind(signed(counts.changes))
                .execute(self)
                .await?;
                Ok(())
            }

            async fn chat_message(
                &mut self,
                document_id: i64,
                seq: u64,
            ) -> Result<Option<ChatMessage>, StoreError> {
                let row: Option<MessageColumns> = sqlx::query_as(
                    "SELECT seq, change, key, thread, created_ms, edited_ms, deleted_ms, body FROM chat_messages \
                     WHERE document_id = $1 AND seq = $2",
                )
                .bind(document_id)
                .bind(signed(seq))
                .fetch_optional(self)
                .await?;
                row.map(MessageColumns::message).transpose()
            }

            async fn chat_message_by_key(
                &mut self,
                document_id: i64,
                user: Option<&str>,
                key: &str,
            ) -> Result<Option<ChatMessage>, StoreError> {
                let row: Option<MessageColumns> = sqlx::query_as(
                    "SELECT seq, change, key, thread, created_ms, edited_ms, deleted_ms, body FROM chat_messages \
                     WHERE document_id = $1 AND user_hash = $2 AND key = $3",
                )
                .bind(document_id)
                .bind(hash_of(user))
                .bind(key.as_bytes().to_vec())
                .fetch_optional(self)
                .await?;
                row.map(MessageColumns::message).transpose()
            }

            async fn write_chat_message(
                &mut self,
                document_id: i64,
                message: &ChatMessage,
            ) -> Result<(), StoreError> {
                sqlx::query(
                    "INSERT INTO chat_messages (document_id, seq, change, user_hash, key, thread, created_ms, \
                     edited_ms, deleted_ms, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                     ON CONFLICT (document_id, seq) DO UPDATE SET change = excluded.change, \
                     edited_ms = excluded.edited_ms, deleted_ms = excluded.deleted_ms, body = excluded.body",
                )
                .bind(document_id)
                .bind(signed(message.seq))
                .bind(signed(message.change))
                .bind(hash_of(message.user.as_deref()))
                .bind(message.key.as_bytes().to_vec())
                .bind(message.thread.map(signed))
                .bind(signed(message.created_ms))
                .bind(message.edited_ms.map(signed))
                .bind(message.deleted_ms.map(signed))
                .bind(body_of(message)?)
                .execute(self)
                .await?;
                Ok(())
            }

            async fn chat_messages(
                &mut self,
                document_id: i64,
                query: ChatQuery,
                limit: usize,
            ) -> Result<Vec<ChatMessage>, StoreError> {
                let (text, number, thread) = match query {
                    ChatQuery::After(change) => (
                        "SELECT seq, change, key, thread, created_ms, edited_ms, deleted_ms, body FROM chat_messages \
                         WHERE document_id = $1 AND change > $2 ORDER BY change LIMIT $3",
                        signed(change),
                        None,
                    ),
                    ChatQuery::Last => (BEFORE, i64::MAX, None),
                    ChatQuery::Before { seq, thread: None } => (BEFORE, seq.map_or(i64::MAX, signed), None),
                    ChatQuery::Before { seq, thread } => (
                        "SELECT seq, change, key, thread, created_ms, edited_ms, deleted_ms, body FROM chat_messages \
                         WHERE document_id = $1 AND seq < $2 AND (thread = $4 OR seq = $4) ORDER BY seq DESC LIMIT $3",
                        seq.map_or(i64::MAX, signed),
                        thread.map(signed),
                    ),
                };
                let mut query = sqlx::query_as(text)
                    .bind(document_id)
                    .bind(number)
                    .bind(ChatQuery::look_up_count(limit));
                if let Some(thread) = thread {
                    query = query.bind(thread);
                }
                let rows: Vec<MessageColumns> = query.fetch_all(self).await?;
                rows.into_iter().map(MessageColumns::message).collect()
            }

            async fn chat_marker(&mut self, document_id: i64, user: &str) -> Result<u64, StoreError> {
                let seq: Option<i64> =
                    sqlx::query_scalar("SELECT seq FROM chat_reads WHERE document_id = $1 AND user_hash = $2")
                        .bind(document_id)
                        .bind(hash_of(Some(user)))
                        .fetch_optional(self)
                        .await?;
                unsigned(seq.unwrap_or(0))
            }

            async fn raise_chat_marker(
                &mut self,
                document_id: i64,
                user: &str,
                seq: u64,
            ) -> Result<bool, StoreError> {
                let raised = sqlx::query(
                    "INSERT INTO chat_reads (document_id, user_hash, seq) VALUES ($1, $2, $3) \
                     ON CONFLICT (document_id, user_hash) DO UPDATE SET seq = excluded.seq \
                     WHERE chat_reads.seq < excluded.seq",
                )
                .bind(document_id)
                .bind(hash_of(Some(user)))
                .bind(signed(seq))
                .execute(self)
                .await?;
                Ok(raised.rows_affected() > 0)
            }
        }
    };
}

const BEFORE: &str = "SELECT seq, change, key, thread, created_ms, edited_ms, deleted_ms, body FROM chat_messages \
                      WHERE document_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";

pub(crate) fn counts_of((messages, changes): (i64, i64)) -> Result<Counts, StoreError> {
    Ok(Counts {
        messages: unsigned(messages)?,
        changes: unsigned(changes)?,
    })
}

chat_tables!(SqliteConnection);
chat_tables!(PgConnection);
