//! What somebody has: for each client id, the clock it has reached.

use crate::ClientId;
use crate::gate::{Refusal, Rule};
use crate::lib0::{Reader, Writer};
use crate::limits::CLOCK_COUNT_MAX;

/// A state vector, sorted by client id, without zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateVector {
    clocks: Vec<(ClientId, u32)>,
}

impl StateVector {
    /// Reads one from the wire: `varUint n`, then n times client and clock.
    ///
    /// # Errors
    /// [`Rule::Count`], [`Rule::Integer`], [`Rule::Clock`], [`Rule::Truncated`], [`Rule::Trailing`].
    pub fn decode(bytes: &[u8]) -> Result<StateVector, Refusal> {
        let mut reader = Reader::new(bytes);
        let count = reader.count(2)?;
        // Bounded by the bytes that are there.
        let mut clocks = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let client = reader.var_uint()?;
            let clock = reader.var_uint()?;
            if clock >= CLOCK_COUNT_MAX {
                return Err(reader.refuse(Rule::Clock));
            }
            if clock > 0 {
                clocks.push((client, clock as u32));
            }
        }
        if !reader.is_done() {
            return Err(reader.refuse(Rule::Trailing));
        }
        Ok(StateVector::from_pairs(clocks))
    }

    /// From pairs in any order; of two for one client the higher clock counts.
    pub fn from_pairs(mut clocks: Vec<(ClientId, u32)>) -> StateVector {
        clocks.retain(|(_, clock)| *clock > 0);
        clocks.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        clocks.dedup_by_key(|(client, _)| *client);
        StateVector { clocks }
    }

    /// As it goes over the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(5 + 9 * self.clocks.len());
        writer.var_uint(self.clocks.len() as u64);
        for (client, clock) in &self.clocks {
            writer.var_uint(*client).var_uint(u64::from(*clock));
        }
        writer.into_bytes()
    }

    /// The clock of a client; 0 for one that is not in it.
    pub fn get(&self, client: ClientId) -> u32 {
        match self.clocks.binary_search_by_key(&client, |(client, _)| *client) {
            Ok(index) => self.clocks[index].1,
            Err(_) => 0,
        }
    }

    /// Moves a client on to a clock, if it is not there already.
    pub fn advance(&mut self, client: ClientId, clock: u32) {
        if clock == 0 {
            return;
        }
        match self.clocks.binary_search_by_key(&client, |(client, _)| *client) {
            Ok(index) => self.clocks[index].1 = self.clocks[index].1.max(clock),
            Err(index) => self.clocks.insert(index, (client, clock)),
        }
    }

    /// What both have: of two clocks for a client the lower one.
    pub fn meet(&self, other: &StateVector) -> StateVector {
        let lower = self
            .iter()
            .map(|(client, clock)| (client, clock.min(other.get(client))));
        StateVector::from_pairs(lower.collect())
    }

    /// Whether this has everything that the other has. Deletions are not part of a state vector.
    pub fn covers(&self, other: &StateVector) -> bool {
        other
            .clocks
            .iter()
            .all(|(client, clock)| self.get(*client) >= *clock)
    }

    /// Whether nothing was ever there.
    pub fn is_empty(&self) -> bool {
        self.clocks.is_empty()
    }

    /// The clients and their clocks, by client id.
    pub fn iter(&self) -> impl Iterator<Item = (ClientId, u32)> + '_ {
        self.clocks.iter().copied()
    }
}
