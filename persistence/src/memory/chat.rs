//! Chats in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Doc, MemoryStore};
use crate::chat::{
    Act, Actor, Changed, ChatMessage, ChatPage, ChatQuery, Chats, Counts, Marked, Plan, Subject,
};
use crate::record::Epoch;
use crate::{DocId, StoreError};

/// The messages of one document.
#[derive(Debug, Default)]
pub(super) struct Chat {
    /// The one with number n is at n - 1.
    messages: Vec<ChatMessage>,
    changes: u64,
    reads: BTreeMap<String, u64>,
}

impl Chat {
    fn counts(&self) -> Counts {
        Counts {
            messages: self.messages.len() as u64,
            changes: self.changes,
        }
    }

    fn message(&self, seq: u64) -> Option<&ChatMessage> {
        let at = usize::try_from(seq).ok()?.checked_sub(1)?;
        self.messages.get(at)
    }

    fn change(&mut self, by: &Actor, act: &Act) -> Changed {
        let found = match act.subject() {
            Subject::Key(key) => self
                .messages
                .iter()
                .find(|message| message.user == by.user && message.key == key),
            Subject::Seq(seq) => self.message(seq),
        };
        let of_thread = act.thread().and_then(|seq| self.message(seq));
        match act.plan(by, self.counts(), found.cloned(), of_thread.cloned()) {
            Plan::Answer(changed) => changed,
            Plan::Write(counts, message) => {
                self.changes = counts.changes;
                match self.messages.iter_mut().find(|known| known.seq == message.seq) {
                    Some(known) => *known = (*message).clone(),
                    None => self.messages.push((*message).clone()),
                }
                Changed::Done(message)
            }
        }
    }

    fn page(&self, query: ChatQuery, limit: usize, user: Option<&str>) -> ChatPage {
        let mut found: Vec<&ChatMessage> = match query {
            ChatQuery::After(change) => {
                let mut found: Vec<&ChatMessage> = self
                    .messages
                    .iter()
                    .filter(|message| message.change > change)
                    .collect();
                found.sort_by_key(|message| message.change);
                found
            }
            ChatQuery::Last => self.messages.iter().rev().collect(),
            ChatQuery::Before { seq, thread } => self
                .messages
                .iter()
                .rev()
                .filter(|message| seq.is_none_or(|seq| message.seq < seq))
                .filter(|message| {
                    thread.is_none_or(|thread| message.thread == Some(thread) || message.seq == thread)
                })
                .collect(),
        };
        found.truncate(ChatQuery::look_up_count(limit) as usize);
        let found = found.into_iter().cloned().collect();
        let read = user.and_then(|user| self.reads.get(user)).copied();
        query.page(found, limit, self.counts(), read.unwrap_or(0))
    }
}

#[async_trait]
impl Chats for MemoryStore {
    async fn change(&self, doc: &DocId, by: &Actor, act: &Act) -> Result<Changed, StoreError> {
        let mut state = self.open()?;
        let entry = state
            .docs
            .entry(doc.clone())
            .or_insert_with(|| Doc::new(Epoch::FIRST));
        Ok(entry.chat.change(by, act))
    }

    async fn read(
        &self,
        doc: &DocId,
        query: ChatQuery,
        limit: usize,
        user: Option<&str>,
    ) -> Result<ChatPage, StoreError> {
        let state = self.open()?;
        let none = Chat::default();
        let chat = state.docs.get(doc).map_or(&none, |doc| &doc.chat);
        Ok(chat.page(query, limit, user))
    }

    async fn mark_read(&self, doc: &DocId, user: &str, seq: u64) -> Result<Marked, StoreError> {
        let mut state = self.open()?;
        let Some(chat) = state.docs.get_mut(doc).map(|doc| &mut doc.chat) else {
            return Ok(Marked::default());
        };
        let seq = seq.min(chat.counts().messages);
        let known = chat.reads.get(user).copied().unwrap_or(0);
        if seq > known {
            chat.reads.insert(user.to_owned(), seq);
        }
        Ok(Marked {
            seq: seq.max(known),
            has_moved: seq > known,
        })
    }
}
