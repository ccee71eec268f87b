//! A server in one test: rooms over a store that breaks on request, and a port where the wire matters.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use metrics_exporter_prometheus::PrometheusHandle;
use roomtone_crdt::{Doc, Stamp, Update};
use roomtone_persistence::{DocId, Faults, FaultyStore, MemoryStore, Store};
use roomtone_server::app::{App, Parts};
use roomtone_server::auth::{Authenticator, Role};
use roomtone_server::bus::Bus;
use roomtone_server::chat::Chat;
use roomtone_server::close::Close;
use roomtone_server::compactor::Compactor;
use roomtone_server::drain::Drain;
use roomtone_server::hub::{Context, Hub};
use roomtone_server::limits::Limits;
use roomtone_server::origin::OriginPolicy;
use roomtone_server::outbox::Outbox;
use roomtone_server::registry::Registry;
use roomtone_server::room::{Ask, Greeting, Member, Voice};
use roomtone_server::saver::Saver;
use roomtone_server::{http, listener, metrics};
use tokio::sync::{oneshot, watch};

use crate::peer::Peer;

/// The secret of every token in these tests.
pub(crate) const SECRET: &[u8] = b"a secret of thirty-two bytes or more";

/// Rooms, their saver and their store.
pub(crate) struct World<S = MemoryStore> {
    pub(crate) hub: Hub,
    pub(crate) saver: Saver,
    pub(crate) store: Arc<FaultyStore<S>>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) limits: Arc<Limits>,
}

impl World {
    /// With the bounds of a server that nobody configured, but for a store that may be late.
    pub(crate) fn new() -> World {
        World::with(|_| {})
    }

    /// With some bounds moved.
    pub(crate) fn with(move_bounds: impl FnOnce(&mut Limits)) -> World {
        let mut limits = Limits {
            // A store that is late by less than this is only late here.
            relay_deadline_ms: 250,
            ..Limits::default()
        };
        move_bounds(&mut limits);
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        // As the default store does. Where there are several servers, the store answers when it is on the disk.
        store.faults().write_first(true);
        World::over(store, limits)
    }

    /// Another server over a store that is there: a restart.
    pub(crate) fn over(store: Arc<FaultyStore<MemoryStore>>, limits: Limits) -> World {
        World::on_bus(store, limits, None)
    }
}

impl<S: Store> World<S> {
    /// One of several servers over a store.
    pub(crate) fn on_bus(store: Arc<FaultyStore<S>>, limits: Limits, bus: Option<Bus>) -> World<S> {
        let limits = Arc::new(limits);
        let saver = Saver::start(store.clone(), limits.backlog_bytes_max);
        let hub = Hub::new(Context {
            store: store.clone(),
            saver: saver.clone(),
            compactor: Compactor::start(store.clone()),
            bus,
            limits: limits.clone(),
        });
        let faults = store.faults();
        World {
            hub,
            saver,
            store,
            faults,
            limits,
        }
    }

    /// Joins as an editor.
    pub(crate) async fn join(&self, doc: &str, voice: Voice) -> Peer {
        self.join_as(doc, voice, Role::Editor).await
    }

    /// Joins with a role.
    pub(crate) async fn join_as(&self, doc: &str, voice: Voice, role: Role) -> Peer {
        let outbox = Outbox::new(self.limits.outbox_bytes_max);
        self.sit(doc, voice, role, outbox, None).await.expect("a seat")
    }

    /// Joins with everything that a socket brings.
    pub(crate) async fn sit(
        &self,
        doc: &str,
        voice: Voice,
        role: Role,
        outbox: Outbox,
        user: Option<&str>,
    ) -> Result<Peer, Close> {
        let id = self.hub.connection_id();
        let member = Member {
            id,
            voice: voice.clone(),
            outbox: outbox.clone(),
            role,
            user: user.map(Arc::from),
            stamp: user.map(|user| Stamp {
                id: user.to_owned(),
                name: None,
            }),
            greeting: Greeting::None,
        };
        let seat = self.hub.join(&doc_id(doc), member).await?;
        Ok(Peer {
            id,
            voice,
            outbox,
            seat: Some(seat),
            doc: Doc::new(),
            present: Default::default(),
            heard: Default::default(),
            closed: None,
            probes: 0,
            holes: 0,
        })
    }

    /// The document as a back end reads it.
    pub(crate) async fn snapshot(&self, doc: &str) -> Result<Doc, Close> {
        let (reply, answer) = oneshot::channel();
        self.hub.ask(&doc_id(doc), Ask::Snapshot(reply)).await?;
        let update = answer.await.expect("the room answers")?;
        Ok(Doc::load([update]).expect("it loads"))
    }

    /// Applies an update as a back end does. The answer comes when it is durable.
    pub(crate) async fn apply(&self, doc: &str, update: Update) -> oneshot::Receiver<Result<(), Close>> {
        let (done, answer) = oneshot::channel();
        let ask = Ask::Apply {
            update,
            user: None,
            role: Role::Editor,
            done,
        };
        self.hub.ask(&doc_id(doc), ask).await.expect("the room is awake");
        answer
    }

    /// The document as the store has it, past every room.
    pub(crate) async fn stored(&self, doc: &str) -> Doc {
        stored(self.store.as_ref(), doc).await
    }

    /// Serves these rooms on a free port. The server ends with the returned value.
    pub(crate) async fn serve(&self, auth: Authenticator) -> Served {
        let drain = Drain::new(self.hub.clone(), self.saver.clone());
        let registry = Registry::new(self.store.clone(), drain.clone(), "node:4000".into(), false);
        registry.set_listening();
        let app = App::new(Parts {
            hub: self.hub.clone(),
            chat: Chat::new(self.hub.clone()),
            saver: self.saver.clone(),
            blobs: None,
            auth,
            origins: OriginPolicy::new(&[], true, true).expect("a policy"),
            limits: self.limits.clone(),
            drain: drain.clone(),
            drain_window: None,
            polled: Default::default(),
            registry,
            metrics: recorder(),
        });
        let socket = listener::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = socket.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let connections_max = self.limits.connections_count_max;
        tokio::spawn(listener::serve(
            socket,
            http::router(app),
            connections_max,
            stopped,
        ));
        Served {
            address,
            drain,
            _stop: stop,
        }
    }
}

/// A listening server.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    /// Its end is the server's.
    _stop: watch::Sender<bool>,
}

/// A world that anybody may enter.
pub(crate) async fn open() -> (World, Served) {
    let world = World::new();
    let served = world.serve(Authenticator::open(SECRET)).await;
    (world, served)
}

/// A world that asks for tokens.
pub(crate) async fn behind_tokens() -> (World, Served) {
    let world = World::new();
    let served = world.serve(Authenticator::jwt(SECRET, None, None)).await;
    (world, served)
}

/// Reads a document past every room.
pub(crate) async fn stored(store: &dyn Store, doc: &str) -> Doc {
    let stored = store.load(&doc_id(doc)).await.expect("the store can be read");
    assert_eq!(stored.damage, Vec::new());
    let updates = stored
        .updates()
        .map(|bytes| Update::check(bytes.clone()).expect("stored bytes pass the gate"));
    Doc::load(updates).expect("it loads")
}

/// The name of a document.
pub(crate) fn doc_id(doc: &str) -> DocId {
    DocId::in_default_tenant(doc).expect("a legal name")
}

/// A Hocuspocus voice.
pub(crate) fn hocuspocus(address: &str) -> Voice {
    Voice::Hocuspocus(Arc::from(address))
}

/// A voice of each dialect.
pub(crate) fn every_voice(doc: &str) -> [Voice; 4] {
    [
        Voice::YWebsocket,
        Voice::YSweet,
        hocuspocus(doc),
        Voice::Native(1),
    ]
}

/// The recorder of this process: there can be one.
fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| metrics::install().expect("the first recorder"))
        .clone()
}
