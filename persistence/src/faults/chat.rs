//! Chats that fail on request: changes as appends do, pages as loads do.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::{FaultyStore, injected, wait};
use crate::chat::{Act, Actor, Changed, ChatPage, ChatQuery, Chats, Marked};
use crate::{DocId, Store, StoreError};

impl<S: Store> FaultyStore<S> {
    fn inner_chats(&self) -> Result<&dyn Chats, StoreError> {
        let none = || StoreError::Unavailable("the store within keeps no chats".into());
        self.inner.chats().ok_or_else(none)
    }
}

#[async_trait]
impl<S: Store> Chats for FaultyStore<S> {
    async fn change(&self, doc: &DocId, by: &Actor, act: &Act) -> Result<Changed, StoreError> {
        self.faults.chat_changes.fetch_add(1, Ordering::SeqCst);
        wait(&self.faults.append_delay_ms).await;
        self.faults.write()?;
        let changed = self.inner_chats()?.change(doc, by, act).await?;
        injected(&self.faults.lose_answers)?;
        Ok(changed)
    }

    async fn read(
        &self,
        doc: &DocId,
        query: ChatQuery,
        limit: usize,
        user: Option<&str>,
    ) -> Result<ChatPage, StoreError> {
        wait(&self.faults.load_delay_ms).await;
        self.faults.read()?;
        self.inner_chats()?.read(doc, query, limit, user).await
    }

    async fn mark_read(&self, doc: &DocId, user: &str, seq: u64) -> Result<Marked, StoreError> {
        wait(&self.faults.append_delay_ms).await;
        self.faults.write()?;
        let marked = self.inner_chats()?.mark_read(doc, user, seq).await?;
        injected(&self.faults.lose_answers)?;
        Ok(marked)
    }
}
