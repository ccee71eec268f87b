//! The whole server: parts put together, run, and stopped in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use roomtone_persistence::{
    BlobError, BlobOptions, BlobStore, PostgresStore, SqliteStore, Store, StoreError,
};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::app::{App, Parts};
use crate::auth::Authenticator;
use crate::bus::Bus;
use crate::chat::Chat;
use crate::clock::Clock;
use crate::compactor::Compactor;
use crate::config::{Access, Config, StorePlace};
use crate::drain::Drain;
use crate::hub::{Context, Hub};
use crate::limits::{CLOSE_MS_MAX, STORE_CLOSE_MS_MAX};
use crate::polled::Sessions;
use crate::registry::{self, Registry};
use crate::saver::Saver;
use crate::{collector, http, listener, metrics, waiting};

async fn open_store(
    config: &Config,
    blobs: Option<BlobStore>,
    socket: &TcpListener,
) -> anyhow::Result<Arc<dyn Store>> {
    match (&config.store, blobs) {
        (StorePlace::Sqlite(path), None) => Ok(Arc::new(SqliteStore::open(path).await?)),
        (StorePlace::Sqlite(path), Some(blobs)) => {
            Ok(Arc::new(SqliteStore::open_with_blobs(path, blobs).await?))
        }
        (StorePlace::Postgres(options), blobs) => {
            let options = match blobs {
                Some(blobs) => options.clone().blobs(blobs),
                None => options.clone(),
            };
            let open = || async {
                let store: Arc<dyn Store> = Arc::new(PostgresStore::open(options.clone()).await?);
                Ok::<_, StoreError>(store)
            };
            waiting::open(open, config.store_wait, socket).await
        }
    }
}

/// What somebody has to change is said now. What may pass is not: a node comes up while the blob store is away, and serves
/// all that does not need it.
async fn open_blobs(options: &BlobOptions) -> Result<BlobStore, BlobError> {
    let blobs = BlobStore::observed(options.clone(), metrics::blob_call)?;
    match blobs.check().await {
        Ok(()) => {}
        Err(error @ BlobError::Misconfigured(_)) => return Err(error),
        Err(error) => tracing::warn!(%error, "going on without the blob store until it is there"),
    }
    Ok(blobs)
}

/// A server that listens.
pub struct Server {
    app: App,
    store: Arc<dyn Store>,
    socket: TcpListener,
    connections_max: usize,
}

impl Server {
    /// Binds the address, opens the store and builds the parts.
    ///
    /// # Errors
    /// In words for the operator: the store cannot be opened, or the address is taken.
    pub async fn start(config: &Config) -> anyhow::Result<Server> {
        let metrics = metrics::install().context("metrics")?;
        tokio::spawn(metrics::keep_up(metrics.clone()));
        // First: while the store is waited for, this node says so.
        let socket = listener::bind(config.listen).with_context(|| {
            format!(
                "cannot listen on {}; is another server running there? --listen takes another",
                config.listen
            )
        })?;
        let blobs = match &config.blobs {
            Some(options) => Some(
                open_blobs(options)
                    .await
                    .with_context(|| format!("the blob store {options} cannot be used"))?,
            ),
            None => None,
        };
        let store = open_store(config, blobs.clone(), &socket)
            .await
            .with_context(|| format!("the store {} cannot be opened", config.store))?;
        let clock = Clock::default();
        // Before the first token is looked at.
        if clock.ask(&*store).await {
            tokio::spawn(clock.clone().keep(store.clone()));
        }
        let limits = Arc::new(config.limits.clone());
        if let Some(blobs) = &blobs {
            metrics::blobs_away(blobs.is_away());
            tokio::spawn(collector::run(store.clone(), blobs.clone(), limits.blob_grace()));
        }
        let saver = Saver::start(store.clone(), limits.backlog_bytes_max);
        let bus = config
            .redis
            .as_ref()
            .map(Bus::redis)
            .transpose()
            .context("redis")?;
        let hub = Hub::new(Context {
            store: store.clone(),
            saver: saver.clone(),
            compactor: Compactor::start(store.clone()),
            bus,
            limits: limits.clone(),
        });
        let auth = match &config.access {
            // Its own tokens bind until the next start; nobody else's do.
            Access::Open => Authenticator::open(uuid::Uuid::new_v4().as_bytes()),
            Access::Jwt {
                secret,
                audience,
                issuer,
            } => {
                let secret = secret.expose_secret().as_bytes();
                Authenticator::jwt(secret, audience.as_deref(), issuer.as_deref())
            }
        }
        .with_clock(clock);
        let address = match &config.advertise {
            Some(address) => address.clone(),
            None => registry::derive_address(socket.local_addr().context("the socket has no address")?),
        };
        let is_shared = matches!(config.store, StorePlace::Postgres(_));
        let drain = Drain::new(hub.clone(), saver.clone());
        let registry = Registry::new(store.clone(), drain.clone(), address, is_shared);
        tokio::spawn(registry.clone().keep_up());
        let connections_max = limits.connections_count_max;
        let app = App::new(Parts {
            chat: Chat::new(hub.clone()),
            hub,
            saver,
            blobs,
            auth,
            origins: config.origins.clone(),
            limits,
            drain,
            drain_window: config.drain_window,
            polled: Sessions::default(),
            registry,
            metrics,
        });
        Ok(Server {
            app,
            store,
            socket,
            connections_max,
        })
    }

    /// The address in use, with the port that was picked.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` turns true; then drains, and returns. A drain that was begun before is waited for.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let Server {
            app,
            store,
            socket,
            connections_max,
        } = self;
        let (drain, registry) = (app.drain().clone(), app.registry().clone());
        let (shut_door, door) = watch::channel(false);
        let router = http::router(app.clone());
        let listening = tokio::spawn(listener::serve(socket, router, connections_max, door));
        registry.set_listening();
        // Its sender lives as long as the process.
        let _ = stop.wait_for(|stop| *stop).await;
        registry.look_around().await;
        let window = app.drain_window();
        if window.is_none() {
            shut_door.send_replace(true);
        }
        // Over a window, whoever asks meanwhile is told to ask another node, and operators see how far it is.
        drain.begin(window);
        drain.ended().await;
        shut_door.send_replace(true);
        // Clients read their close code while these end.
        if let Ok(slots) = listening.await {
            let all_slots = u32::try_from(connections_max).unwrap_or(u32::MAX);
            let _ = timeout(Duration::from_millis(CLOSE_MS_MAX), slots.acquire_many(all_slots)).await;
        }
        let ending = async {
            registry.sign_off().await;
            store.close().await;
        };
        let _ = timeout(Duration::from_millis(STORE_CLOSE_MS_MAX), ending).await;
        tracing::info!("stopped");
    }
}
