//! What an act makes of a message: the same in every store, which only reads before it and writes after it.

use std::collections::BTreeMap;

use super::{Act, Actor, Changed, ChatMessage};
use crate::limits::{CHAT_EMOJIS_COUNT_MAX, CHAT_REACTIONS_COUNT_MAX};

/// The last numbers that a room has given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) changes: u64,
}

/// The message that has to be looked up before an act is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Key(&'a str),
    Seq(u64),
}

/// What is to be written, if anything.
#[derive(Debug)]
pub(crate) enum Plan {
    /// This message, and the numbers as they are then.
    Write(Counts, Box<ChatMessage>),
    /// Nothing.
    Answer(Changed),
}

impl Act {
    /// Which message it is about.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match self {
            Act::Post { key, .. } => Subject::Key(key),
            Act::Edit { seq, .. } | Act::Delete { seq } | Act::React { seq, .. } => Subject::Seq(*seq),
        }
    }

    /// Which other message has to be there.
    pub(crate) fn thread(&self) -> Option<u64> {
        match self {
            Act::Post { thread, .. } => *thread,
            Act::Edit { .. } | Act::Delete { .. } | Act::React { .. } => None,
        }
    }

    /// Judges an act. `found` is its [`Act::subject`], `of_thread` its [`Act::thread`], as they are in the store.
    pub(crate) fn plan(
        &self,
        by: &Actor,
        counts: Counts,
        found: Option<ChatMessage>,
        of_thread: Option<ChatMessage>,
    ) -> Plan {
        let next = Counts {
            messages: counts.messages,
            changes: counts.changes + 1,
        };
        let done = |mut message: ChatMessage, before: &ChatMessage| {
            if message == *before {
                return Plan::Answer(Changed::Done(Box::new(message)));
            }
            message.change = next.changes;
            Plan::Write(next, Box::new(message))
        };
        match (self, found) {
            (Act::Post { .. }, Some(known)) => Plan::Answer(Changed::Done(Box::new(known))),
            (
                Act::Post {
                    key,
                    text,
                    thread,
                    mentions,
                },
                None,
            ) => {
                let thread = match (thread, of_thread) {
                    (None, _) => None,
                    // An answer to an answer is one to what began the thread.
                    (Some(_), Some(known)) => Some(known.thread.unwrap_or(known.seq)),
                    (Some(_), None) => return Plan::Answer(Changed::NotFound),
                };
                let next = Counts {
                    messages: counts.messages + 1,
                    ..next
                };
                let message = ChatMessage {
                    seq: next.messages,
                    change: next.changes,
                    key: key.clone(),
                    user: by.user.clone(),
                    name: by.name.clone(),
                    thread,
                    text: text.clone(),
                    mentions: mentions.clone(),
                    created_ms: by.time_ms,
                    edited_ms: None,
                    deleted_ms: None,
                    reactions: BTreeMap::new(),
                };
                Plan::Write(next, Box::new(message))
            }
            (_, None) => Plan::Answer(Changed::NotFound),
            (Act::Edit { text, mentions, .. }, Some(known)) => {
                if known.deleted_ms.is_some() {
                    return Plan::Answer(Changed::NotFound);
                }
                if !known.is_of(by) {
                    return Plan::Answer(Changed::Forbidden);
                }
                if known.text == *text && known.mentions == *mentions {
                    return Plan::Answer(Changed::Done(Box::new(known)));
                }
                let message = ChatMessage {
                    text: text.clone(),
                    mentions: mentions.clone(),
                    edited_ms: Some(by.time_ms),
                    ..known.clone()
                };
                done(message, &known)
            }
            (Act::Delete { .. }, Some(known)) => {
                if !known.is_of(by) && !by.moderates {
                    return Plan::Answer(Changed::Forbidden);
                }
                let message = ChatMessage {
                    text: String::new(),
                    mentions: Vec::new(),
                    reactions: BTreeMap::new(),
                    deleted_ms: Some(known.deleted_ms.unwrap_or(by.time_ms)),
                    ..known.clone()
                };
                done(message, &known)
            }
            (Act::React { emoji, on, .. }, Some(known)) => {
                if known.deleted_ms.is_some() {
                    return Plan::Answer(Changed::NotFound);
                }
                let Some(user) = &by.user else {
                    return Plan::Answer(Changed::Forbidden);
                };
                let mut message = known.clone();
                if !message.react(user, emoji, *on) {
                    return Plan::Answer(Changed::Full);
                }
                done(message, &known)
            }
        }
    }
}

impl ChatMessage {
    /// What nobody signed belongs to nobody.
    fn is_of(&self, by: &Actor) -> bool {
        self.user.is_some() && self.user == by.user
    }

    /// False: there is no room for it.
    fn react(&mut self, user: &str, emoji: &str, on: bool) -> bool {
        if !on {
            if let Some(users) = self.reactions.get_mut(emoji) {
                users.retain(|known| known != user);
                if users.is_empty() {
                    self.reactions.remove(emoji);
                }
            }
            return true;
        }
        let users = self.reactions.get(emoji);
        if users.is_some_and(|users| users.iter().any(|known| known == user)) {
            return true;
        }
        let count = self.reactions.values().map(Vec::len).sum::<usize>();
        if count >= CHAT_REACTIONS_COUNT_MAX
            || (users.is_none() && self.reactions.len() >= CHAT_EMOJIS_COUNT_MAX)
        {
            return false;
        }
        self.reactions
            .entry(emoji.to_owned())
            .or_default()
            .push(user.to_owned());
        true
    }
}
