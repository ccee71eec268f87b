//! Who is here and on other nodes: each node speaks for the clients that are connected to it.

use std::mem;

use bytes::Bytes;
use roomtone_crdt::{AwarenessUpdate, ClientId};

use super::super::{Awake, Room};
use crate::bus::{Message, Sender};
use crate::metrics;

impl Awake {
    /// Tells other nodes which of this node's clients have changed, or all of them.
    pub(in crate::room) fn announce(&mut self, changed: Option<&[ClientId]>) {
        let Some(remote) = &mut self.remote else { return };
        let changed = changed.filter(|_| !remote.is_untold);
        let is_whole = changed.is_none();
        remote.is_untold = remote.neighbours.is_empty();
        if remote.is_untold {
            // Told when the first of them is heard.
            return;
        }
        let all;
        let changed = match changed {
            Some(changed) => changed,
            None => {
                all = self.awareness.local_ids();
                remote.announced.clear();
                &all
            }
        };
        let (local, others): (Vec<ClientId>, Vec<ClientId>) = changed
            .iter()
            .copied()
            .partition(|client| self.awareness.is_local(*client));
        let gone: Vec<ClientId> = others
            .into_iter()
            .filter(|client| remote.announced.remove(client))
            .collect();
        if local.is_empty() && gone.is_empty() && !is_whole {
            // All of it came from other nodes.
            return;
        }
        remote.announced.extend(&local);
        if is_whole {
            // Whoever asks may have missed what it was told when it was first heard; who is there may know everybody from elsewhere.
            let clocks = self.awareness.clocks();
            remote.publish(Message::Clocks { clocks });
        }
        let update = self.awareness.encode_for_nodes(&local, &gone);
        remote.publish(Message::Awareness {
            update,
            whole: is_whole,
        });
    }

    /// Clocks were moved on because somebody came back, or came here from a node that did not know how far: other nodes go on from there.
    pub(in crate::room) fn announce_clocks(&mut self) {
        if let Some(remote) = self
            .remote
            .as_mut()
            .filter(|remote| !remote.neighbours.is_empty())
        {
            let clocks = self.awareness.clocks_of_present();
            remote.publish(Message::Clocks { clocks });
        }
    }

    /// Asks other nodes for those of their clients that somebody wants to be here.
    pub(in crate::room) fn contest(&mut self) {
        let Some(remote) = &mut self.remote else { return };
        while let Some(client) = remote.contested.pop_first() {
            remote.publish(Message::Contest { client });
        }
    }

    /// A room elsewhere is no more, and some of what it said was or may have been lost on the way. Nobody can be asked for that
    /// any more; but whoever says goodbye has all in the log, and of a node that died that is where the rest is.
    pub(super) fn read_what_it_left(&self) {
        if let Some(following) = &self.following {
            following.reload();
        }
    }

    /// A node is gone, or says goodbye.
    pub(super) fn forget_neighbour(&mut self, sender: Sender) {
        let Some(remote) = &mut self.remote else { return };
        remote.senders.forget(sender);
        if let Some(neighbour) = remote.neighbours.remove(&sender) {
            self.dirty.extend(self.awareness.leave(neighbour.connection));
        }
    }
}

impl Room {
    pub(super) fn take_awareness_of_node(&mut self, from: Sender, update: Bytes, whole: bool) {
        let awake = &mut self.awake;
        let neighbour = awake
            .remote
            .as_ref()
            .and_then(|remote| remote.neighbours.get(&from));
        let Some(connection) = neighbour.map(|neighbour| neighbour.connection) else {
            return;
        };
        let Ok(update) = AwarenessUpdate::decode(update) else {
            metrics::bus_dropped("unreadable", 1);
            return;
        };
        if whole {
            awake.dirty.extend(awake.awareness.retain(connection, &update));
        }
        let received = awake.awareness.receive(connection, None, &update);
        metrics::awareness("remote", received.changed.len());
        awake.dirty.extend(received.changed);
        if received.is_ahead {
            awake.announce_clocks();
        }
        for (_, owner) in received.foreign {
            // It is there and here: the socket here may be half-open.
            if let Some(owner) = awake.members.get(&owner) {
                owner.member.outbox.probe();
            }
        }
    }

    pub(super) fn take_clocks_of_node(&mut self, from: Sender, clocks: &[u8]) {
        let awake = &mut self.awake;
        let remote = awake.remote.as_mut();
        let Some(neighbour) = remote.and_then(|remote| remote.neighbours.get_mut(&from)) else {
            return;
        };
        let is_first = !mem::replace(&mut neighbour.has_told_clocks, true);
        match awake.awareness.advance(neighbour.connection, clocks, is_first) {
            Ok(changed) => awake.dirty.extend(changed),
            Err(_) => metrics::bus_dropped("unreadable", 1),
        }
    }

    pub(super) fn probe_contested(&mut self, client: ClientId) {
        let owner = self.awake.awareness.owner(client);
        if let Some(owner) = owner.and_then(|owner| self.awake.members.get(&owner)) {
            owner.member.outbox.probe();
        }
    }
}
