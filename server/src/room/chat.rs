//! The chat of a room, as far as the room has to do with it: who listens, and passing on what has changed.

use roomtone_crdt::native::{self, Channel};
use tokio::time::Instant;

use super::Room;
use super::member::Voice;
use crate::chat::{News, Note};
use crate::metrics;

impl Room {
    pub(super) fn take_chat(&mut self, note: Note) {
        match note {
            Note::Listen(member, is_open) => {
                if let Some(seated) = self.awake.members.get_mut(&member) {
                    seated.has_chat_open = is_open;
                }
            }
            Note::News(news) => {
                if let Some(remote) = &mut self.awake.remote {
                    match news.encode() {
                        Some(bytes) => remote.publish_chat(&bytes),
                        None => metrics::bus_dropped("too_large", 1),
                    }
                }
                self.send_chat(&news);
            }
        }
        if self.awake.members.is_empty() {
            self.awake.empty_since = Some(Instant::now());
        }
    }

    /// CH1, of another node, whose word is not taken.
    pub(super) fn pass_chat_of_node(&self, bytes: &[u8]) {
        match News::decode(bytes) {
            Some(news) => self.send_chat(&news),
            None => metrics::bus_dropped("unreadable", 1),
        }
    }

    /// Whoever does not read finds out later that something is missing (CH2): it is the next change or the next question that
    /// tells.
    pub(super) fn send_chat(&self, news: &News) {
        // Most clients are in one room, and call it 1.
        let mut framed: Option<(Channel, bytes::Bytes)> = None;
        for (id, seated) in &self.awake.members {
            let member = &seated.member;
            let Voice::Native(channel) = member.voice else {
                continue;
            };
            if !seated.has_chat_open || !news.is_for(*id, member.user.as_deref()) {
                continue;
            }
            let frame = match &framed {
                Some((known, frame)) if *known == channel => frame.clone(),
                Some(_) | None => {
                    let frame = native::chat_change(channel, news.change());
                    framed = Some((channel, frame.clone()));
                    frame
                }
            };
            let _ = member.outbox.send(frame);
        }
    }
}
