//! The nodes of the cluster: this one tells the others that it lives, and knows who they are.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use roomtone_persistence::limits::NODE_SILENCE_SECONDS;
use roomtone_persistence::{NodeEntry, NodeReport, NodeState, Store, StoreError};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::drain::{Drain, Stage, Window};
use crate::limits::{DRAIN_WINDOW_DEFAULT_MS, HEARTBEAT_MS, LOOK_AROUND_MS_MAX};
use crate::metrics;

/// A cheap handle to what is known of the nodes.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    drain: Drain,
    address: String,
    /// Whether other nodes may have the store open.
    is_shared: bool,
    is_listening: watch::Sender<bool>,
    started: SystemTime,
    seen: Mutex<Option<Seen>>,
}

/// The last answer of the store.
struct Seen {
    at: Instant,
    /// Other nodes that take clients.
    ready_count: usize,
}

/// One node in a listing.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// One start of one server: no other has this id.
    pub id: Uuid,
    /// The name of its machine, which others may have too.
    pub name: String,
    /// HOST:PORT on which others reach it.
    pub address: String,
    /// Its release.
    pub version: String,
    /// `starting`, `ready`, `draining`, `gone`, or a word of a later release.
    pub state: String,
    /// Rooms in its memory at the last heartbeat.
    pub rooms_count: u64,
    /// Sockets that were open at the last heartbeat.
    pub connections_count: u64,
    /// When it started, in Unix milliseconds by the clock of the store.
    pub started_ms: u64,
    /// How long ago that was, in milliseconds by the same clock.
    pub up_ms: u64,
    /// How long ago its last heartbeat was, in milliseconds by the clock of the store.
    pub heard_ms_ago: u64,
}

impl From<NodeEntry> for Node {
    fn from(entry: NodeEntry) -> Node {
        Node {
            id: entry.run,
            name: entry.node,
            address: entry.address,
            version: entry.version,
            state: if entry.is_gone { "gone".into() } else { entry.state },
            rooms_count: entry.rooms_count,
            connections_count: entry.connections_count,
            started_ms: entry.started_ms,
            up_ms: entry.up_ms,
            heard_ms_ago: entry.heard_ms_ago,
        }
    }
}

impl Registry {
    /// Of a node that others reach at `address`. `is_shared` says whether other nodes may have the store open.
    pub fn new(store: Arc<dyn Store>, drain: Drain, address: String, is_shared: bool) -> Registry {
        Registry {
            shared: Arc::new(Shared {
                store,
                drain,
                address,
                is_shared,
                is_listening: watch::Sender::new(false),
                started: SystemTime::now(),
                seen: Mutex::new(None),
            }),
        }
    }

    /// The node takes clients from now on.
    pub fn set_listening(&self) {
        self.shared.is_listening.send_replace(true);
    }

    /// Shows every few seconds that this node lives, and at once when its state changes. A heartbeat that takes too long is given
    /// up: they never pile up. Where nobody shares the store there is nobody to tell.
    pub async fn keep_up(self) {
        if !self.shared.is_shared {
            return;
        }
        let mut listening = self.shared.is_listening.subscribe();
        let mut stage = self.shared.drain.watch();
        let mut is_failing = false;
        loop {
            match self.beat().await {
                Ok(_) if is_failing => {
                    tracing::info!("other nodes hear of this one again");
                    is_failing = false;
                }
                Ok(_) => {}
                Err(error) if !is_failing => {
                    tracing::warn!(%error, "other nodes cannot be told that this one lives");
                    is_failing = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS)) => {}
                // Their senders live as long as this.
                _ = listening.changed() => {}
                _ = stage.changed() => {}
            }
        }
    }

    /// All nodes that were there lately, this one included.
    ///
    /// # Errors
    /// The store is away.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let entries = self.beat().await?;
        if entries.is_empty() {
            // Nobody shares the store: this node is all.
            return Ok(vec![self.alone()]);
        }
        Ok(entries.into_iter().map(Node::from).collect())
    }

    /// Looks once more who is there, before it is decided how to go: what was seen is up to some seconds old, and nodes that started
    /// together have not seen each other yet.
    pub async fn look_around(&self) {
        if self.shared.is_shared {
            // Else what was seen last has to do.
            let _ = timeout(Duration::from_millis(LOOK_AROUND_MS_MAX), self.beat()).await;
        }
    }

    /// Over how long clients are sent away when nobody says it: at once where there is no other node for them to go to.
    pub fn default_window(&self) -> Window {
        if !self.shared.is_shared {
            return Window::NONE;
        }
        let seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_alone = seen.as_ref().is_some_and(|seen| {
            seen.at.elapsed() < Duration::from_secs(NODE_SILENCE_SECONDS) && seen.ready_count == 0
        });
        if is_alone {
            return Window::NONE;
        }
        Window::from_ms(DRAIN_WINDOW_DEFAULT_MS).unwrap_or(Window::NONE)
    }

    /// This node ends in order, and need not be missed.
    pub async fn sign_off(&self) {
        let patience = Duration::from_millis(HEARTBEAT_MS);
        // Else the others find out by its silence.
        let _ = timeout(patience, self.shared.store.sign_off()).await;
    }

    async fn beat(&self) -> Result<Vec<NodeEntry>, StoreError> {
        let report = self.report();
        let patience = Duration::from_millis(HEARTBEAT_MS);
        let entries = timeout(patience, self.shared.store.heartbeat(&report))
            .await
            .map_err(|_| StoreError::Unavailable(format!("no answer within {HEARTBEAT_MS} ms")))??;
        let count = |state: &str| {
            let is = |entry: &&NodeEntry| {
                if entry.is_gone {
                    state == "gone"
                } else {
                    entry.state == state
                }
            };
            entries.iter().filter(is).count()
        };
        for state in ["starting", "ready", "draining", "gone"] {
            metrics::nodes(state, count(state));
        }
        let is_ready = report.state == NodeState::Ready;
        let seen = Seen {
            at: Instant::now(),
            ready_count: count("ready").saturating_sub(usize::from(is_ready)),
        };
        *self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(entries)
    }

    fn report(&self) -> NodeReport {
        let status = self.shared.drain.status();
        let state = match status.stage {
            Stage::Serving if *self.shared.is_listening.borrow() => NodeState::Ready,
            Stage::Serving => NodeState::Starting,
            Stage::Draining | Stage::Drained | Stage::Unsaved => NodeState::Draining,
        };
        NodeReport {
            address: self.shared.address.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state,
            rooms_count: status.rooms_count as u64,
            connections_count: status.clients_count as u64,
        }
    }

    fn alone(&self) -> Node {
        let report = self.report();
        Node {
            id: Uuid::nil(),
            name: "this".to_owned(),
            address: report.address,
            version: report.version,
            state: report.state.to_string(),
            rooms_count: report.rooms_count,
            connections_count: report.connections_count,
            started_ms: since(UNIX_EPOCH, self.shared.started),
            up_ms: since(self.shared.started, SystemTime::now()),
            heard_ms_ago: 0,
        }
    }
}

fn since(from: SystemTime, to: SystemTime) -> u64 {
    to.duration_since(from).unwrap_or_default().as_millis() as u64
}

/// Where others reach a node that listens here and was not told what to say: at the address that it listens on, and where that
/// is every address of the machine, at the one from which the machine reaches others.
pub fn derive_address(listens_on: SocketAddr) -> String {
    if !listens_on.ip().is_unspecified() {
        return listens_on.to_string();
    }
    let ip = outward_ip(listens_on.ip()).unwrap_or(listens_on.ip());
    SocketAddr::new(ip, listens_on.port()).to_string()
}

/// Asks the routing table: an unconnected socket sends nothing, and the address (RFC 5737) is nobody's.
fn outward_ip(any: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip().to_canonical();
    (!ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_can_use() {
        let derive = |text: &str| derive_address(text.parse().expect("an address"));
        assert_eq!(derive("10.1.2.3:4000"), "10.1.2.3:4000");
        assert_eq!(derive("[2001:db8::1]:4000"), "[2001:db8::1]:4000");
        assert!(derive("0.0.0.0:4000").ends_with(":4000"));
    }
}
