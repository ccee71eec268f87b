//! What clients say to each other past the document: passed on, here and to other nodes, and kept nowhere.

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, hocuspocus, native};

use super::Room;
use super::member::Voice;
use crate::close::Close;
use crate::limits::STATELESS_BYTES_MAX;
use crate::metrics;

impl Room {
    /// To the other Hocuspocus clients.
    pub(super) fn pass_stateless(&mut self, from: ConnectionId, payload: &str) {
        if payload.len() > STATELESS_BYTES_MAX {
            if let Some(seated) = self.awake.members.get(&from) {
                seated
                    .member
                    .outbox
                    .close(Close::TooLarge("a stateless message is at most 64 KiB"));
            }
            return;
        }
        if let Some(remote) = &mut self.awake.remote {
            remote.publish_stateless(payload);
        }
        self.send_stateless(Some(from), payload);
    }

    /// As [`Room::pass_stateless`], from another node: it has bounded it, and Redis is not taken at its word.
    pub(super) fn pass_stateless_of_node(&mut self, payload: &[u8]) {
        match std::str::from_utf8(payload) {
            Ok(payload) if payload.len() <= STATELESS_BYTES_MAX => self.send_stateless(None, payload),
            Ok(_) => metrics::bus_dropped("too_large", 1),
            Err(_) => metrics::bus_dropped("unreadable", 1),
        }
    }

    fn send_stateless(&self, from: Option<ConnectionId>, payload: &str) {
        for (id, seated) in &self.awake.members {
            if let (true, Voice::Hocuspocus(address)) = (Some(*id) != from, &seated.member.voice) {
                seated
                    .member
                    .outbox
                    .send_always(hocuspocus::stateless(address, payload));
            }
        }
    }

    /// NA9: to the others that speak the native dialect, here and on other nodes.
    pub(super) fn pass_event(&mut self, from: ConnectionId, body: &Bytes) {
        if let Some(remote) = &mut self.awake.remote {
            remote.publish_event(body);
        }
        self.send_event(Some(from), body);
    }

    /// As [`Room::pass_event`], from another node, whose word is not taken.
    pub(super) fn pass_event_of_node(&mut self, body: &[u8]) {
        if native::is_event_body(body) {
            self.send_event(None, body);
        } else {
            metrics::bus_dropped("unreadable", 1);
        }
    }

    fn send_event(&self, from: Option<ConnectionId>, body: &[u8]) {
        for (id, seated) in &self.awake.members {
            if let (true, Voice::Native(channel)) = (Some(*id) != from, &seated.member.voice) {
                seated.member.outbox.send_always(native::event(*channel, body));
            }
        }
    }
}
