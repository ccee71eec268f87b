//! The messages beside a document: what they are, and the promises of whoever keeps them.

mod act;

use std::collections::BTreeMap;

use async_trait::async_trait;

pub(crate) use self::act::{Counts, Plan, Subject};
use crate::limits::{CHAT_PAGE_BYTES_TARGET, CHAT_PAGE_COUNT_MAX};
use crate::{DocId, StoreError};

/// Durable storage of chats: [`crate::Store::chats`].
///
/// As with documents, calls may run at the same time, for the same room too, and each may be dropped half-way: it then
/// happened or it did not. What a call returns for is on the disk.
///
/// Deleting a document deletes its chat.
#[async_trait]
pub trait Chats: Send + Sync {
    /// Does one thing to the chat of a document, in one transaction. Messages are numbered from 1 without holes, and changes
    /// likewise; both become visible in their order.
    ///
    /// What was done already is done once: a post under the same key by the same user, however often it is tried, and anything
    /// that leaves a message as it is.
    async fn change(&self, doc: &DocId, by: &Actor, act: &Act) -> Result<Changed, StoreError>;

    /// Messages, and how far the chat has got, as of one moment. Nobody's chat is an empty one, and reading makes no
    /// document known.
    ///
    /// `limit` is cut to [`CHAT_PAGE_COUNT_MAX`]; a page may hold fewer (see [`CHAT_PAGE_BYTES_TARGET`]) and still not be
    /// the last one. `user` is whose marker is told.
    async fn read(
        &self,
        doc: &DocId,
        query: ChatQuery,
        limit: usize,
        user: Option<&str>,
    ) -> Result<ChatPage, StoreError>;

    /// Moves the marker of a user up to a message, and no further than the last one. It never goes back.
    async fn mark_read(&self, doc: &DocId, user: &str, seq: u64) -> Result<Marked, StoreError>;
}

/// A message as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Its place in the room, from 1.
    pub seq: u64,
    /// The number of the last change to it.
    pub change: u64,
    /// What its author's client called it.
    pub key: String,
    /// The author's id, from the token; `None` for anonymous people.
    pub user: Option<String>,
    /// The author's name at that time, from the token.
    pub name: Option<String>,
    /// The message that began its thread.
    pub thread: Option<u64>,
    /// Empty when it was deleted.
    pub text: String,
    /// Whom it concerns.
    pub mentions: Vec<String>,
    /// When it was posted, in Unix milliseconds. For people: nothing is ordered by it.
    pub created_ms: u64,
    /// When its text was changed last.
    pub edited_ms: Option<u64>,
    /// When it was deleted. Its place stays.
    pub deleted_ms: Option<u64>,
    /// Who reacted with what, each in the order in which they did.
    pub reactions: BTreeMap<String, Vec<String>>,
}

/// Who does something to a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Id from the token; `None` for anonymous people, who own nothing.
    pub user: Option<String>,
    /// Name to show, from the token.
    pub name: Option<String>,
    /// Whether messages of others may be deleted.
    pub moderates: bool,
    /// The time of day, in Unix milliseconds.
    pub time_ms: u64,
}

/// What somebody does to a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Writes a message.
    Post {
        /// Under which it is written once. Anonymous people are one user here.
        key: String,
        /// What it says.
        text: String,
        /// A message of the thread that it belongs to.
        thread: Option<u64>,
        /// Whom it concerns.
        mentions: Vec<String>,
    },
    /// Changes the text of one's own message.
    Edit {
        /// Which.
        seq: u64,
        /// What it says now.
        text: String,
        /// Whom it concerns now.
        mentions: Vec<String>,
    },
    /// Takes text, mentions and reactions off a message.
    Delete {
        /// Which.
        seq: u64,
    },
    /// Sets or takes back a reaction.
    React {
        /// To which message.
        seq: u64,
        /// With what.
        emoji: String,
        /// Whether it shall be there.
        on: bool,
    },
}

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Changed {
    /// The message as it is now. Whether this call changed it or an earlier one did cannot be told apart.
    Done(Box<ChatMessage>),
    /// There is no such message, or it was deleted.
    NotFound,
    /// It is somebody else's, or needs a user.
    Forbidden,
    /// The message has as many reactions as it takes.
    Full,
}

/// Which messages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatQuery {
    /// Those that changed after this, oldest change first.
    After(u64),
    /// The newest, in their order.
    Last,
    /// Those before a message, newest first.
    Before {
        /// None: all.
        seq: Option<u64>,
        /// Only those of the thread that this message began, itself included.
        thread: Option<u64>,
    },
}

/// Messages, and how far the chat has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatPage {
    /// In the order that was asked for.
    pub messages: Vec<ChatMessage>,
    /// The number of the last change.
    pub change: u64,
    /// Messages ever posted: the number of the last one.
    pub count: u64,
    /// Up to where the user has read.
    pub read: u64,
    /// Whether there is more behind this page.
    pub has_more: bool,
}

/// What became of a marker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// Where it is.
    pub seq: u64,
    /// Whether it moved.
    pub has_moved: bool,
}

impl ChatMessage {
    /// About how long it is, in bytes.
    fn bytes(&self) -> usize {
        let reactions = self
            .reactions
            .iter()
            .map(|(emoji, users)| emoji.len() + users.iter().map(|user| user.len() + 4).sum::<usize>());
        let mentions = self.mentions.iter().map(|mention| mention.len() + 4);
        let author = self.user.as_ref().map_or(0, String::len) + self.name.as_ref().map_or(0, String::len);
        256 + self.text.len() + author + mentions.sum::<usize>() + reactions.sum::<usize>()
    }
}

impl ChatQuery {
    /// As many messages as are to be looked up for `limit`: one more, which shows that there are more.
    pub(crate) fn look_up_count(limit: usize) -> i64 {
        limit.min(CHAT_PAGE_COUNT_MAX) as i64 + 1
    }

    /// Makes a page of what was looked up: in the order of the query, but for [`ChatQuery::Last`] newest first.
    pub(crate) fn page(
        self,
        mut found: Vec<ChatMessage>,
        limit: usize,
        counts: Counts,
        read: u64,
    ) -> ChatPage {
        let mut bytes = 0;
        let fitting = found
            .iter()
            .take(limit.min(CHAT_PAGE_COUNT_MAX))
            .take_while(|message| {
                let is_first = bytes == 0;
                bytes += message.bytes();
                is_first || bytes <= CHAT_PAGE_BYTES_TARGET
            });
        let fitting = fitting.count();
        let has_more = fitting < found.len();
        found.truncate(fitting);
        if self == ChatQuery::Last {
            found.reverse();
        }
        ChatPage {
            messages: found,
            change: counts.changes,
            count: counts.messages,
            read,
            has_more,
        }
    }
}
