//! The whole server: parts put together, run, and stopped in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use roomtone_persistence::{PostgresStore, SqliteStore, Store, StoreError};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::app::{App, Parts};
use crate::auth::Authenticator;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::compactor::Compactor;
use crate::config::{Access, Config, StorePlace};
use crate::hub::{Context, Hub};
use crate::limits::STOP_MS_MAX;
use crate::saver::Saver;
use crate::{http, listener, metrics};

async fn open_store(place: &StorePlace) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match place {
        StorePlace::Sqlite(path) => Arc::new(SqliteStore::open(path).await?),
        StorePlace::Postgres(options) => Arc::new(PostgresStore::open(options.clone()).await?),
    })
}

/// A server that listens.
pub struct Server {
    app: App,
    store: Arc<dyn Store>,
    socket: TcpListener,
    connections_max: usize,
}

impl Server {
    /// Opens the store, builds the parts and binds the address.
    ///
    /// # Errors
    /// In words for the operator: the store cannot be opened, or the address is taken.
    pub async fn start(config: &Config) -> anyhow::Result<Server> {
        let metrics = metrics::install().context("metrics")?;
        tokio::spawn(metrics::keep_up(metrics.clone()));
        let store = open_store(&config.store)
            .await
            .with_context(|| format!("the store {} cannot be opened", config.store))?;
        let clock = Clock::default();
        // Before the first token is looked at.
        if clock.ask(&*store).await {
            tokio::spawn(clock.clone().keep(store.clone()));
        }
        let limits = Arc::new(config.limits.clone());
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
        let connections_max = limits.connections_count_max;
        let app = App::new(Parts {
            hub,
            saver,
            auth,
            origins: config.origins.clone(),
            limits,
            metrics,
        });
        let socket = listener::bind(config.listen).with_context(|| {
            format!(
                "cannot listen on {}; is another server running there? --listen takes another",
                config.listen
            )
        })?;
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

    /// Serves until `stop` turns true; then lets rooms save, tells every client to come back, and returns.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let Server {
            app,
            store,
            socket,
            connections_max,
        } = self;
        let hub = app.hub().clone();
        let saver = app.saver().clone();
        let router = http::router(app);
        let slots = listener::serve(socket, router, connections_max, stop).await;
        let ends = Instant::now() + Duration::from_millis(STOP_MS_MAX);
        tracing::info!(
            rooms = hub.rooms_count(),
            "stopping: saving and telling clients to come back"
        );
        let all_saved = hub.stop(ends.saturating_duration_since(Instant::now())).await
            && timeout_at(ends, saver.flush()).await.is_ok();
        if !all_saved {
            tracing::error!(
                "not everything reached the store in time; what is missing was never acknowledged"
            );
        }
        // Clients read their close code while these drain.
        let all_slots = u32::try_from(connections_max).unwrap_or(u32::MAX);
        let patience = ends
            .saturating_duration_since(Instant::now())
            .min(Duration::from_secs(2));
        let _ = timeout(patience, slots.acquire_many(all_slots)).await;
        let _ = timeout_at(ends + Duration::from_millis(500), store.close()).await;
        tracing::info!("stopped");
    }
}
