//! Awareness between nodes: each speaks for the clients that are connected to it, and takes the others' word for theirs.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Awareness, ConnectionId, Member, Present};
use crate::ClientId;
use crate::gate::Refusal;
use crate::lib0::{Reader, Writer};
use crate::limits::{
    AWARENESS_CLAIMS_COUNT_MAX, AWARENESS_IDS_COUNT_MAX, AWARENESS_NODE_CLAIMS_COUNT_MAX,
    AWARENESS_NODE_IDS_COUNT_MAX, CLOCK_COUNT_MAX,
};
use crate::presence::AwarenessUpdate;

impl Awareness {
    /// Another node is here. It speaks for its own clients, and only ever says what is so: no echo comes from there.
    pub fn join_node(&mut self, connection: ConnectionId) {
        self.join(connection);
        if let Some(member) = self.members.get_mut(&connection) {
            member.is_node = true;
        }
    }

    /// All that a node speaks for: what it does not name is gone there. Returns the ids to announce.
    pub fn retain(&mut self, node: ConnectionId, named: &AwarenessUpdate) -> Vec<ClientId> {
        let is_named = |client: ClientId| named.entries.iter().any(|entry| entry.client == client);
        let Some(member) = self.members.get_mut(&node) else {
            return Vec::new();
        };
        member.claims.retain(|(client, _, _)| is_named(*client));
        let gone: Vec<ClientId> = member.ids.iter().copied().filter(|id| !is_named(*id)).collect();
        for client in &gone {
            self.remove_by_owner(node, *client);
        }
        gone
    }

    /// Whether an id is present and its owner is connected here.
    pub fn is_local(&self, client: ClientId) -> bool {
        self.owner(client).is_some_and(|owner| !self.is_node(owner))
    }

    /// Whether a connection is another node.
    pub fn is_node(&self, connection: ConnectionId) -> bool {
        self.members.get(&connection).is_some_and(|member| member.is_node)
    }

    /// The ids that are present and whose owners are connected here.
    pub fn local_ids(&self) -> Vec<ClientId> {
        let local =
            |(client, present): (&ClientId, &Present)| (!self.is_node(present.owner)).then_some(*client);
        self.present.iter().filter_map(local).collect()
    }

    /// The clocks at which this room has announced everybody, also those who went lately: for first contact. Others have to go on
    /// from there: a client that leaves for another node ignores everyone at clocks that it knows from here.
    pub fn clocks(&self) -> Bytes {
        let removed = self
            .removed
            .iter()
            .map(|(client, removed)| (client, removed.clock));
        encode_clocks(removed.chain(self.present_clocks()).collect())
    }

    /// The same of those who are here: only their clocks are moved on when somebody comes back.
    pub fn clocks_of_present(&self) -> Bytes {
        encode_clocks(self.present_clocks().collect())
    }

    fn present_clocks(&self) -> impl Iterator<Item = (&ClientId, u32)> {
        self.present
            .iter()
            .map(|(client, present)| (client, present.clock))
    }

    /// Goes on from the [`Awareness::clocks`] of another node. At first contact that is for everybody: who was there and comes here
    /// is known as somebody who returns, and who came here before is announced again if it was announced there at the clock it has here.
    /// Later it is only taken note of. Returns the ids to announce.
    ///
    /// # Errors
    /// The bytes are none; those before the fault were taken.
    pub fn advance(
        &mut self,
        node: ConnectionId,
        clocks: &[u8],
        is_first: bool,
    ) -> Result<Vec<ClientId>, Refusal> {
        let mut reader = Reader::new(clocks);
        let mut changed = Vec::new();
        for _ in 0..reader.count(2)? {
            let (client, clock) = (reader.var_uint()?, reader.var_uint()?);
            if clock < CLOCK_COUNT_MAX && self.advance_one(node, client, clock as u32, is_first) {
                changed.push(client);
            }
        }
        Ok(changed)
    }

    /// Returns whether it is to be announced.
    fn advance_one(&mut self, node: ConnectionId, client: ClientId, clock: u32, is_first: bool) -> bool {
        let is_local = self.is_local(client);
        match (self.present.get_mut(&client), self.removed.get_mut(&client)) {
            (Some(present), _) if is_first && is_local && clock >= present.clock => {
                present.clock = clock + 1;
                return true;
            }
            (Some(present), _) => present.clock = present.clock.max(clock),
            (None, Some(removed)) => removed.clock = removed.clock.max(clock),
            (None, None) if is_first => self.note_removed(client, clock, node, true),
            (None, None) => {}
        }
        false
    }

    /// What another node shall know: the states of ids that are connected here, and which ids no longer are.
    pub fn encode_for_nodes(&self, local: &[ClientId], gone: &[ClientId]) -> Bytes {
        let mut writer = Writer::with_capacity(16 + 64 * local.len() + 16 * gone.len());
        let present = || local.iter().filter_map(|id| Some((*id, self.present.get(id)?)));
        writer.var_uint((present().count() + gone.len()) as u64);
        for (id, present) in present() {
            writer
                .var_uint(id)
                .var_uint(u64::from(present.clock))
                .var_bytes(&present.state);
        }
        for id in gone {
            let present = self.present.get(id).map(|present| present.clock);
            let removed = || self.removed.get(id).map(|removed| removed.clock);
            let clock = present.or_else(removed).unwrap_or_default();
            writer.var_uint(*id).var_uint(u64::from(clock)).var_string("null");
        }
        Bytes::from(writer.into_bytes())
    }
}

fn encode_clocks(clocks: BTreeMap<&ClientId, u32>) -> Bytes {
    let mut writer = Writer::with_capacity(8 + 10 * clocks.len());
    writer.var_uint(clocks.len() as u64);
    for (client, clock) in clocks {
        writer.var_uint(*client).var_uint(u64::from(clock));
    }
    Bytes::from(writer.into_bytes())
}

impl Member {
    pub(super) fn ids_count_max(&self) -> usize {
        if self.is_node {
            AWARENESS_NODE_IDS_COUNT_MAX
        } else {
            AWARENESS_IDS_COUNT_MAX
        }
    }

    pub(super) fn claims_count_max(&self) -> usize {
        if self.is_node {
            AWARENESS_NODE_CLAIMS_COUNT_MAX
        } else {
            AWARENESS_CLAIMS_COUNT_MAX
        }
    }
}
