//! Who is here: awareness states by client id, each bound to the connection that introduced it.
//!
//! Clients re-send every remote change (y-websocket), come back with the clock they had (all of them), and can claim
//! to be anybody. So this keeps, for each id, the clock that was last announced and who owns the id; what is not newer
//! is dropped before its JSON is looked at. There is no clock of time here and nothing expires: an id ends with its
//! connection.

mod nodes;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bytes::Bytes;

use crate::ClientId;
use crate::lib0::Writer;
use crate::limits::{AWARENESS_TOMBSTONES_COUNT_MAX, CLOCK_COUNT_MAX};
use crate::presence::{AwarenessUpdate, Entry, Stamp, checked};

/// One membership of a room. Unique within a process, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What became of an awareness update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Ids that changed and must be announced.
    pub changed: Vec<ClientId>,
    /// Entries that were not newer than what is known.
    pub echoes: u32,
    /// Ids that belong to another connection, which it is.
    pub foreign: Vec<(ClientId, ConnectionId)>,
    /// Entries that break a bound or hold no JSON.
    pub refused: u32,
    /// Somebody moved to the node that says this, which does not know how far its clock had been moved on.
    pub is_ahead: bool,
}

/// How sure it is that an id belongs to its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Strength {
    /// It was alone in the first frame of its connection: clients introduce themselves so.
    Primary,
    /// It came otherwise. Two tabs of one browser share awareness by other ways, and the second may have sent the
    /// first one's state before that spoke for itself.
    Relayed,
}

#[derive(Debug)]
struct Present {
    /// The clock that was announced. It may run ahead of the owner's own.
    clock: u32,
    /// The clock that the owner last used.
    said: u32,
    state: Bytes,
    owner: ConnectionId,
    strength: Strength,
}

/// An id that was removed: its clock, when in the order of joins and removals, and whose it was.
#[derive(Debug)]
struct Removed {
    clock: u32,
    order: u64,
    owner: ConnectionId,
    /// The owner was another node.
    by_node: bool,
}

#[derive(Debug, Default)]
struct Member {
    /// It is another node, and speaks for the clients that are connected there.
    is_node: bool,
    joined: u64,
    has_spoken: bool,
    ids: Vec<ClientId>,
    /// Claims of ids that somebody else owns: clock and state.
    claims: VecDeque<(ClientId, u32, Bytes)>,
}

/// The awareness of one room.
#[derive(Debug, Default)]
pub struct Awareness {
    present: BTreeMap<ClientId, Present>,
    removed: HashMap<ClientId, Removed>,
    removed_order: VecDeque<(u64, ClientId)>,
    members: HashMap<ConnectionId, Member>,
    order: u64,
    /// Connections that came back and have not been told of the others yet.
    returned: Vec<ConnectionId>,
}

/// How far [`Awareness::take_returned`] moves clocks on: past the next renewal of an owner that does not hear of it.
const RENEWAL_CLOCKS: u32 = 2;

impl Awareness {
    /// Nobody is here.
    pub fn new() -> Awareness {
        Awareness::default()
    }

    /// A connection is here. What it says later about ids that were removed before this moment is a return; what
    /// others say about them is an echo.
    pub fn join(&mut self, connection: ConnectionId) {
        self.order += 1;
        self.members.insert(
            connection,
            Member {
                joined: self.order,
                ..Member::default()
            },
        );
    }

    /// Takes what a connection says. Bad entries are dropped one by one.
    pub fn receive(
        &mut self,
        from: ConnectionId,
        stamp: Option<&Stamp>,
        update: &AwarenessUpdate,
    ) -> Received {
        let mut received = Received::default();
        let Some(member) = self.members.get_mut(&from) else {
            return received;
        };
        let introduces_itself =
            !member.has_spoken && matches!(update.entries.as_slice(), [Entry { state: Some(_), .. }]);
        member.has_spoken |= !update.entries.is_empty();
        let strength = if introduces_itself || member.is_node {
            Strength::Primary
        } else {
            Strength::Relayed
        };
        for entry in &update.entries {
            if u64::from(entry.clock) >= CLOCK_COUNT_MAX {
                received.refused += 1;
                continue;
            }
            match &entry.state {
                Some(state) => self.set(from, strength, stamp, entry, state, &mut received),
                None => self.unset(from, entry, &mut received),
            }
        }
        received
    }

    /// A connection is gone. Returns the ids to announce: those that went with it, and those that somebody else
    /// had claimed meanwhile.
    pub fn leave(&mut self, connection: ConnectionId) -> Vec<ClientId> {
        let Some(member) = self.members.remove(&connection) else {
            return Vec::new();
        };
        self.returned.retain(|returned| *returned != connection);
        for client in &member.ids {
            self.remove(*client, member.is_node);
            self.promote_claim(*client);
        }
        member.ids
    }

    /// Connections that came back since the last call. They dropped everyone when they lost their socket, and
    /// ignore the clocks they knew: so all clocks are moved on, and each of these must be sent everyone.
    pub fn take_returned(&mut self) -> Vec<ConnectionId> {
        if !self.returned.is_empty() {
            for present in self.present.values_mut() {
                present.clock = present.clock.saturating_add(RENEWAL_CLOCKS);
            }
        }
        std::mem::take(&mut self.returned)
    }

    /// Who owns an id that is present.
    pub fn owner(&self, client: ClientId) -> Option<ConnectionId> {
        self.present.get(&client).map(|present| present.owner)
    }

    /// The one connection that owns all of these and has itself said what there is to tell of them, if there is one: it learns
    /// nothing from it.
    pub fn only_speaker(&self, ids: &[ClientId]) -> Option<ConnectionId> {
        let owner = self.owner(*ids.first()?)?;
        let is_own_word = |id: &ClientId| {
            let present = self.present.get(id);
            present.is_some_and(|present| present.owner == owner && present.said == present.clock)
        };
        ids.iter().all(is_own_word).then_some(owner)
    }

    /// An awareness update of these ids: their states, or `null` for those that are gone.
    pub fn encode(&self, ids: &[ClientId]) -> Bytes {
        let mut writer = Writer::with_capacity(16 + 64 * ids.len());
        let known = |id: &&ClientId| self.present.contains_key(*id) || self.removed.contains_key(*id);
        writer.var_uint(ids.iter().filter(known).count() as u64);
        for id in ids.iter().filter(known) {
            match (self.present.get(id), self.removed.get(id)) {
                (Some(present), _) => {
                    writer
                        .var_uint(*id)
                        .var_uint(u64::from(present.clock))
                        .var_bytes(&present.state);
                }
                (None, Some(removed)) => {
                    writer
                        .var_uint(*id)
                        .var_uint(u64::from(removed.clock))
                        .var_string("null");
                }
                (None, None) => {}
            }
        }
        Bytes::from(writer.into_bytes())
    }

    /// An awareness update of everyone present; nobody is legal.
    pub fn encode_all(&self) -> Bytes {
        let ids: Vec<ClientId> = self.present.keys().copied().collect();
        self.encode(&ids)
    }

    /// The same, and those that went lately: for a reader that was not told of everything.
    pub fn encode_all_and_gone(&self) -> Bytes {
        let gone = self.removed_order.iter().map(|(_, client)| *client);
        let ids: BTreeSet<ClientId> = self.present.keys().copied().chain(gone).collect();
        self.encode(&ids.into_iter().collect::<Vec<_>>())
    }

    /// Ids present.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether nobody is present.
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    fn set(
        &mut self,
        from: ConnectionId,
        strength: Strength,
        stamp: Option<&Stamp>,
        entry: &Entry,
        state: &Bytes,
        received: &mut Received,
    ) {
        // Everything up to here costs no look at the JSON: most of what comes in is an echo.
        let place = match self.place(from, strength, entry) {
            Ok(place) => place,
            Err(NoPlace::Echo) => {
                received.echoes += 1;
                return;
            }
            Err(NoPlace::Full) => {
                received.refused += 1;
                return;
            }
            Err(NoPlace::Foreign(owner)) => {
                received.foreign.push((entry.client, owner));
                if self.may_claim(from, strength, entry.client)
                    && let Some(state) = checked(state, stamp)
                {
                    self.claim(from, entry, state);
                }
                return;
            }
        };
        let Some(state) = checked(state, stamp) else {
            received.refused += 1;
            return;
        };
        if let Some(present) = self.present.get_mut(&entry.client) {
            // y-websocket clients send back what they hear of themselves too.
            if present.owner == from && entry.clock == present.clock && present.state == state {
                present.said = entry.clock;
                received.echoes += 1;
                return;
            }
        }
        if place.is_return {
            self.returned.push(from);
        }
        received.is_ahead |= self.is_node(from) && place.clock > entry.clock.saturating_add(1);
        let present = Present {
            clock: place.clock,
            said: entry.clock,
            state,
            owner: from,
            strength: place.strength,
        };
        self.bind(entry.client, present);
        received.changed.push(entry.client);
    }

    /// Where an entry with a state would go: the clock to announce it with and the strength of its binding.
    fn place(&self, from: ConnectionId, strength: Strength, entry: &Entry) -> Result<Place, NoPlace> {
        if let Some(present) = self.present.get(&entry.client) {
            if present.owner == from {
                if entry.clock <= present.said {
                    return Err(NoPlace::Echo);
                }
                // The owner need not know that its clock was moved on.
                let clock = entry.clock.max(present.clock.saturating_add(1));
                return Ok(Place {
                    clock,
                    strength: present.strength,
                    is_return: false,
                });
            }
            if strength == Strength::Primary && present.strength == Strength::Relayed {
                let clock = entry.clock.max(present.clock).saturating_add(1);
                return Ok(Place {
                    clock,
                    strength,
                    is_return: false,
                });
            }
            // Somebody who introduces itself with another's id is worth a probe of the owner, whatever its clock:
            // a client that came back has the clock it had.
            if entry.clock <= present.clock && strength == Strength::Relayed {
                return Err(NoPlace::Echo);
            }
            return Err(NoPlace::Foreign(present.owner));
        }
        let Some(member) = self.members.get(&from) else {
            return Err(NoPlace::Full);
        };
        if member.ids.len() >= member.ids_count_max() {
            return Err(NoPlace::Full);
        }
        match self.removed.get(&entry.client) {
            // It moved to that node, which never saw the clock that it had here. Clients cannot be that node's echo.
            Some(removed) if member.is_node && removed.owner != from && entry.clock <= removed.clock => {
                Ok(Place {
                    clock: removed.clock.saturating_add(1),
                    strength,
                    is_return: false,
                })
            }
            Some(removed) if entry.clock <= removed.clock => {
                // Whoever said goodbye may greet again on the same connection: that is no echo either.
                // And whoever introduces itself here may have been on another node until now, whose goodbye came later.
                let moved_here = removed.by_node && strength == Strength::Primary;
                if member.joined > removed.order || removed.owner == from || moved_here {
                    Ok(Place {
                        clock: removed.clock.saturating_add(1),
                        strength,
                        is_return: true,
                    })
                } else {
                    Err(NoPlace::Echo)
                }
            }
            // One more than it says: others may know it at this clock from before the server was started.
            known => Ok(Place {
                clock: entry.clock + 1,
                strength,
                // Its old socket ended after this one had begun: it introduced itself too early, was taken for an echo, and went on
                // from its own goodbye. It has dropped everybody all the same.
                is_return: known.is_some_and(|removed| removed.owner != from && !member.is_node),
            }),
        }
    }

    fn unset(&mut self, from: ConnectionId, entry: &Entry, received: &mut Received) {
        if let Some(node) = self.members.get_mut(&from).filter(|member| member.is_node) {
            // It takes its word back: that would be a ghost when the owner goes.
            node.claims.retain(|(claimed, _, _)| *claimed != entry.client);
        }
        match self.present.get_mut(&entry.client) {
            // Gone already, or never here: nothing to say.
            None => received.echoes += 1,
            Some(present) if present.owner != from => {
                if entry.clock <= present.clock {
                    received.echoes += 1;
                } else {
                    received.foreign.push((entry.client, present.owner));
                }
            }
            Some(present) if entry.clock < present.said => received.echoes += 1,
            Some(present) => {
                present.clock = entry.clock.max(present.clock);
                self.remove_by_owner(from, entry.client);
                received.changed.push(entry.client);
            }
        }
    }

    fn remove_by_owner(&mut self, owner: ConnectionId, client: ClientId) {
        if let Some(member) = self.members.get_mut(&owner) {
            member.ids.retain(|id| *id != client);
        }
        self.remove(client, self.is_node(owner));
        self.promote_claim(client);
    }

    /// Peers accept `null` at the clock they know.
    fn remove(&mut self, client: ClientId, by_node: bool) {
        if let Some(present) = self.present.remove(&client) {
            self.note_removed(client, present.clock, present.owner, by_node);
        }
    }

    /// Remembers at which clock somebody was known, up to a bound.
    fn note_removed(&mut self, client: ClientId, clock: u32, owner: ConnectionId, by_node: bool) {
        self.order += 1;
        let order = self.order;
        self.removed.insert(
            client,
            Removed {
                clock,
                order,
                owner,
                by_node,
            },
        );
        self.removed_order.push_back((self.order, client));
        while self.removed_order.len() > AWARENESS_TOMBSTONES_COUNT_MAX {
            let Some((order, oldest)) = self.removed_order.pop_front() else {
                break;
            };
            if self
                .removed
                .get(&oldest)
                .is_some_and(|removed| removed.order == order)
            {
                self.removed.remove(&oldest);
            }
        }
    }

    /// Somebody claimed the id while its owner was here: a client whose old socket was half-open. Of several the one that came
    /// last: those before it may be half-open as well.
    fn promote_claim(&mut self, client: ClientId) {
        let claims = self.members.iter().filter_map(|(id, member)| {
            let claim = member.claims.iter().find(|(claimed, _, _)| *claimed == client)?;
            (member.ids.len() < member.ids_count_max()).then_some((member.joined, *id, claim))
        });
        let heir = claims.max_by_key(|(joined, ..)| *joined);
        let Some((heir, clock, state)) = heir.map(|(_, id, claim)| (id, claim.1, claim.2.clone())) else {
            return;
        };
        if let Some(member) = self.members.get_mut(&heir) {
            member.claims.retain(|(claimed, _, _)| *claimed != client);
        }
        let known = self
            .removed
            .get(&client)
            .map_or(0, |removed| removed.clock.saturating_add(1));
        // It came back while its old socket still seemed to be there.
        if !self.is_node(heir) {
            self.returned.push(heir);
        }
        let present = Present {
            clock: clock.max(known),
            said: clock,
            state,
            owner: heir,
            strength: Strength::Primary,
        };
        self.bind(client, present);
    }

    /// Only who introduces itself with an id claims it, and may renew that. A second tab of a browser, which hears of
    /// the first one's changes before we do and sends them on, would inherit the first one's id otherwise.
    fn may_claim(&self, from: ConnectionId, strength: Strength, client: ClientId) -> bool {
        let claims = |member: &Member| member.claims.iter().any(|(claimed, _, _)| *claimed == client);
        strength == Strength::Primary || self.members.get(&from).is_some_and(claims)
    }

    fn claim(&mut self, from: ConnectionId, entry: &Entry, state: Bytes) {
        let Some(member) = self.members.get_mut(&from) else {
            return;
        };
        member.claims.retain(|(claimed, _, _)| *claimed != entry.client);
        if member.claims.len() >= member.claims_count_max() {
            member.claims.pop_front();
        }
        member.claims.push_back((entry.client, entry.clock, state));
    }

    fn bind(&mut self, client: ClientId, present: Present) {
        self.removed.remove(&client);
        let owner = present.owner;
        let before = self.present.insert(client, present);
        if before.as_ref().is_some_and(|before| before.owner == owner) {
            return;
        }
        if let Some(member) = before.and_then(|before| self.members.get_mut(&before.owner)) {
            member.ids.retain(|id| *id != client);
        }
        if let Some(member) = self.members.get_mut(&owner) {
            member.ids.push(client);
        }
    }
}

struct Place {
    clock: u32,
    strength: Strength,
    /// The connection came back after its id was removed.
    is_return: bool,
}

enum NoPlace {
    Echo,
    Full,
    Foreign(ConnectionId),
}
