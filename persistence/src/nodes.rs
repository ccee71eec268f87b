//! Servers that share a store, as they tell each other about themselves.

use std::fmt;

use uuid::Uuid;

/// How far a server is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeState {
    /// It does not listen yet.
    Starting,
    /// It takes clients.
    Ready,
    /// It takes no more clients, and sends away those that it has.
    Draining,
}

impl NodeState {
    /// The word in the database, in listings and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Starting => "starting",
            NodeState::Ready => "ready",
            NodeState::Draining => "draining",
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a server says about itself at each heartbeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeReport {
    /// HOST:PORT on which others reach it.
    pub address: String,
    /// Its release.
    pub version: String,
    /// How far it is.
    pub state: NodeState,
    /// Rooms in its memory.
    pub rooms_count: u64,
    /// Sockets that are open.
    pub connections_count: u64,
}

/// A server, as the store knows it. Times are by the clock of the store: those of the servers may differ by hours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeEntry {
    /// One start of one server. No other has it.
    pub run: Uuid,
    /// Its name, which others may have too.
    pub node: String,
    /// HOST:PORT on which others reach it.
    pub address: String,
    /// Its release.
    pub version: String,
    /// [`NodeState::as_str`], or a word of a later release.
    pub state: String,
    /// Rooms in its memory at the last heartbeat.
    pub rooms_count: u64,
    /// Sockets that were open at the last heartbeat.
    pub connections_count: u64,
    /// When it started, in Unix milliseconds.
    pub started_ms: u64,
    /// How long ago that was, in milliseconds.
    pub up_ms: u64,
    /// How long ago its last heartbeat was, in milliseconds.
    pub heard_ms_ago: u64,
    /// Whether it has been silent for [`crate::limits::NODE_SILENCE_SECONDS`]: it ended without a word, or cannot reach the
    /// store.
    pub is_gone: bool,
}
