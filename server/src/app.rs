//! What every request handler works with.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use roomtone_persistence::BlobStore;

use crate::auth::Authenticator;
use crate::chat::Chat;
use crate::deflate::Deflater;
use crate::drain::{Drain, Window};
use crate::hub::Hub;
use crate::limits::Limits;
use crate::origin::OriginPolicy;
use crate::polled::Sessions;
use crate::registry::Registry;
use crate::saver::Saver;

/// A cheap handle to the parts of the server.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    deflater: Arc<Deflater>,
}

/// The parts.
pub struct Parts {
    /// The rooms.
    pub hub: Hub,
    /// For its health.
    pub saver: Saver,
    /// For its health, where there is one.
    pub blobs: Option<BlobStore>,
    /// The chats of the rooms.
    pub chat: Chat,
    /// Who may do what.
    pub auth: Authenticator,
    /// Which pages may connect.
    pub origins: OriginPolicy,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// The way out, and the open sockets.
    pub drain: Drain,
    /// Over how long clients are sent away, if the operator said so.
    pub drain_window: Option<Window>,
    /// Sessions without WebSocket.
    pub polled: Sessions,
    /// The nodes of the cluster.
    pub registry: Registry,
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
}

impl App {
    /// Wraps the parts.
    pub fn new(parts: Parts) -> App {
        App {
            parts: Arc::new(parts),
            deflater: Arc::default(),
        }
    }

    /// The rooms.
    pub fn hub(&self) -> &Hub {
        &self.parts.hub
    }

    /// The group commit.
    pub fn saver(&self) -> &Saver {
        &self.parts.saver
    }

    /// Where large snapshots are, if not in the store.
    pub fn blobs(&self) -> Option<&BlobStore> {
        self.parts.blobs.as_ref()
    }

    /// The chats of the rooms.
    pub fn chat(&self) -> &Chat {
        &self.parts.chat
    }

    /// Who may do what.
    pub fn auth(&self) -> &Authenticator {
        &self.parts.auth
    }

    /// Which pages may connect.
    pub fn origins(&self) -> &OriginPolicy {
        &self.parts.origins
    }

    /// Bounds.
    pub fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// The way out, and the open sockets.
    pub fn drain(&self) -> &Drain {
        &self.parts.drain
    }

    /// Over how long clients are sent away when the request does not say.
    pub fn drain_window(&self) -> Window {
        let configured = self.parts.drain_window;
        configured.unwrap_or_else(|| self.parts.registry.default_window())
    }

    /// Makes large answers smaller.
    pub(crate) fn deflater(&self) -> &Arc<Deflater> {
        &self.deflater
    }

    /// Sessions without WebSocket.
    pub(crate) fn polled(&self) -> &Sessions {
        &self.parts.polled
    }

    /// The nodes of the cluster.
    pub fn registry(&self) -> &Registry {
        &self.parts.registry
    }

    /// The metrics of this process as Prometheus text.
    pub fn render_metrics(&self) -> String {
        self.parts.metrics.render()
    }
}
