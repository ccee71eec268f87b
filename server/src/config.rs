//! What was typed, read once into a configuration that later code can trust.

mod access;
mod limits;

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use roomtone_persistence::{BlobOptions, PostgresOptions};
use serde::Deserialize;

use crate::bus::RedisAddress;
use crate::cli::{LogFormat, ServeArgs};
use crate::drain::Window;
use crate::limits::{DRAIN_WINDOW_DEFAULT_MS, Limits, STORE_WAIT_SECONDS, WORKERS_COUNT_MAX};
use crate::origin::OriginPolicy;

pub use access::Access;
use access::access;
use limits::limits;

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where documents are stored.
    pub store: StorePlace,
    /// Where large snapshots are, if not in the store.
    pub blobs: Option<BlobOptions>,
    /// How long a start waits for a store on another machine.
    pub store_wait: Duration,
    /// How tokens are judged.
    pub access: Access,
    /// What connects this node with others, if anything.
    pub redis: Option<RedisAddress>,
    /// Where others reach this node, if that was said.
    pub advertise: Option<String>,
    /// Over how long clients are sent away at a stop, if that was said.
    pub drain_window: Option<Window>,
    /// Which web pages may connect.
    pub origins: OriginPolicy,
    /// Threads that serve sockets and rooms.
    pub workers: usize,
    /// Bounds.
    pub limits: Limits,
    /// What to log.
    pub log: String,
    /// How to log.
    pub log_format: LogFormat,
    /// Things worth a warning at start.
    pub warnings: Vec<&'static str>,
}

/// Where documents are stored. Shown without its password.
#[derive(Debug, Clone)]
pub enum StorePlace {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresOptions),
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorePlace::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            StorePlace::Postgres(options) => options.fmt(f),
        }
    }
}

/// A configuration that cannot be used. The text names the key and says what would do.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    key: String,
    problem: String,
}

fn wrong(key: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError {
        key: key.to_owned(),
        problem: problem.into(),
    }
}

/// The file: the same keys as the flags.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<String>,
    data: Option<PathBuf>,
    store: Option<String>,
    blobs: Option<String>,
    store_wait: Option<u64>,
    redis: Option<String>,
    advertise: Option<String>,
    drain_window_ms: Option<u64>,
    jwt_secret: Option<String>,
    jwt_audience: Option<String>,
    jwt_issuer: Option<String>,
    #[serde(default)]
    allow_origin: Vec<String>,
    open: Option<bool>,
    open_to_network: Option<bool>,
    workers: Option<usize>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    limits: Option<toml::Table>,
}

impl Config {
    /// Reads flags (with their environment) and the file they name.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key.
    pub fn read(args: ServeArgs) -> Result<Config, ConfigError> {
        let file = match &args.config {
            Some(path) => read_file(path)?,
            None => File::default(),
        };
        let listen_text = args
            .listen
            .or(file.listen)
            .unwrap_or_else(|| "127.0.0.1:4000".into());
        let listen = listen_text
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .ok_or_else(|| {
                wrong(
                    "listen",
                    format!("`{listen_text}` is not HOST:PORT, such as 127.0.0.1:4000"),
                )
            })?;
        let data = args.data.or(file.data).unwrap_or_else(|| "data".into());
        let store = store_place(args.store.or(file.store).as_deref(), &data)?;
        let blobs = args.blobs.or(file.blobs);
        let blobs = blobs.as_deref().map(BlobOptions::parse).transpose();
        let blobs = blobs.map_err(|bad| wrong("blobs", bad.to_string()))?;
        let is_store_shared = matches!(store, StorePlace::Postgres(_));
        let redis = redis(args.redis.or(file.redis).as_deref(), is_store_shared)?;
        let mut warnings = Vec::new();
        let access = access(
            args.jwt_secret.or(file.jwt_secret),
            args.jwt_audience.or(file.jwt_audience),
            args.jwt_issuer.or(file.jwt_issuer),
            args.open || file.open.unwrap_or(false),
            args.open_to_network || file.open_to_network.unwrap_or(false),
            listen,
            &mut warnings,
        )?;
        let named = if args.allow_origin.is_empty() {
            file.allow_origin
        } else {
            args.allow_origin
        };
        let is_open = matches!(access, Access::Open);
        let origins = OriginPolicy::new(&named, is_open, listen.ip().is_loopback())
            .map_err(|problem| wrong("allow_origin", problem))?;
        Ok(Config {
            listen,
            store,
            blobs,
            store_wait: Duration::from_secs(
                args.store_wait.or(file.store_wait).unwrap_or(STORE_WAIT_SECONDS),
            ),
            access,
            redis,
            advertise: advertise(args.advertise.or(file.advertise))?,
            drain_window: drain_window(args.drain_window_ms.or(file.drain_window_ms))?,
            origins,
            workers: workers(args.workers.or(file.workers))?,
            limits: limits(file.limits, &args.limits)?,
            log: args.log.or(file.log).unwrap_or_else(|| "info".into()),
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
            warnings,
        })
    }

    /// The configuration as text, without secrets.
    pub fn describe(&self) -> String {
        let access = match &self.access {
            Access::Open => "open (no authentication)".to_owned(),
            Access::Jwt { audience, issuer, .. } => format!(
                "JWT HS256, audience {}, issuer {}",
                audience.as_deref().unwrap_or("any"),
                issuer.as_deref().unwrap_or("any"),
            ),
        };
        let limits = toml::to_string(&self.limits).unwrap_or_default();
        let blobs = match &self.blobs {
            Some(options) => options.to_string(),
            None => "none (all snapshots are in the store)".to_owned(),
        };
        let redis = match &self.redis {
            Some(address) => address.to_string(),
            None => "none".to_owned(),
        };
        let advertise = self.advertise.as_deref().unwrap_or("derived");
        let drain = match self.drain_window {
            Some(window) => format!("over {} ms", window.as_ms()),
            None => format!("over {DRAIN_WINDOW_DEFAULT_MS} ms while another node is ready, else at once"),
        };
        format!(
            "listen      {}\nstore       {}\nblobs       {blobs}\nredis       {redis}\nadvertise   {advertise}\ndrain       {drain}\naccess      {access}\norigins     {}\nworkers     {}\nlog         {} ({:?})\n\n[limits]\n{limits}",
            self.listen, self.store, self.origins, self.workers, self.log, self.log_format,
        )
    }
}

fn read_file(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong("config", format!("{} cannot be read: {error}", path.display())))?;
    // The parser's message quotes the offending line, which may hold a secret: only its place is shown.
    toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        wrong(
            "config",
            format!("{} line {line}: {}", path.display(), error.message()),
        )
    })
}

fn store_place(store: Option<&str>, data: &Path) -> Result<StorePlace, ConfigError> {
    let Some(url) = store else {
        return Ok(StorePlace::Sqlite(data.join("roomtone.db")));
    };
    match url.split_once(':') {
        Some(("sqlite", path)) if !path.trim_start_matches("//").is_empty() => Ok(StorePlace::Sqlite(
            PathBuf::from(path.strip_prefix("//").unwrap_or(path)),
        )),
        Some(("postgres" | "postgresql", _)) => PostgresOptions::parse(url)
            .map(StorePlace::Postgres)
            .map_err(|error| wrong("store", error.to_string())),
        Some(_) | None => Err(wrong(
            "store",
            "expected sqlite:PATH, such as sqlite:./data/roomtone.db, or postgres://USER:PASSWORD@HOST/DATABASE",
        )),
    }
}

/// Nodes that are connected take each other's word for what is in the log: it has to be one log.
fn redis(url: Option<&str>, is_store_shared: bool) -> Result<Option<RedisAddress>, ConfigError> {
    let Some(url) = url else { return Ok(None) };
    let address = RedisAddress::parse(url).map_err(|bad| wrong("redis", bad.to_string()))?;
    if !is_store_shared {
        return Err(wrong(
            "redis",
            "the nodes that it connects share one store, and SQLite is one node's; leave it out",
        ));
    }
    Ok(Some(address))
}

fn advertise(address: Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(address) = address else { return Ok(None) };
    let is_whole = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if is_whole {
        return Ok(Some(address));
    }
    let problem = format!("`{address}` is not HOST:PORT, such as 10.0.0.7:4000");
    Err(wrong("advertise", problem))
}

fn drain_window(ms: Option<u64>) -> Result<Option<Window>, ConfigError> {
    ms.map(Window::from_ms)
        .transpose()
        .map_err(|bad| wrong("drain_window_ms", bad.to_string()))
}

/// A thread that has nothing to do is woken to look for work again and again: where the store's own thread and the kernel
/// have a core, sockets cost a third less.
fn workers(count: Option<usize>) -> Result<usize, ConfigError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match count {
        None => Ok((cores - 1).max(1)),
        Some(count) if (1..=WORKERS_COUNT_MAX).contains(&count) => Ok(count),
        Some(count) => Err(wrong(
            "workers",
            format!("{count} is not from 1 to {WORKERS_COUNT_MAX}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ServeArgs {
        ServeArgs::default()
    }

    fn problem(args: ServeArgs) -> String {
        Config::read(args).expect_err("a bad configuration").to_string()
    }

    #[test]
    fn the_defaults_are_open_on_loopback_with_a_warning() {
        let config = Config::read(args()).expect("defaults work");
        assert!(matches!(config.access, Access::Open));
        assert_eq!(config.warnings.len(), 1);
        assert_eq!(config.store.to_string(), "sqlite:data/roomtone.db");
    }

    #[test]
    fn errors_name_the_key() {
        let listen = |listen: &str| ServeArgs {
            listen: Some(listen.into()),
            ..args()
        };
        assert!(problem(listen("nonsense")).starts_with("listen:"));
        assert!(problem(listen("0.0.0.0:1")).starts_with("jwt_secret:"));
        assert!(
            problem(ServeArgs {
                open: true,
                ..listen("0.0.0.0:1")
            })
            .contains("--open-to-network")
        );
        let store = |store: &str| ServeArgs {
            store: Some(store.into()),
            ..args()
        };
        assert!(problem(store("postgres://x")).starts_with("store:"));
        assert!(problem(store("mysql://x")).starts_with("store:"));
        assert!(problem(store("sqlite:")).starts_with("store:"));
        assert!(
            problem(ServeArgs {
                redis: Some("redis://:CANARY@".into()),
                ..args()
            })
            .starts_with("redis: expected")
        );
        for advertise in [
            "4000",
            ":4000",
            "host",
            "host:0",
            "http://host:4000",
            "host:70000",
        ] {
            let args = ServeArgs {
                advertise: Some(advertise.into()),
                ..args()
            };
            assert!(problem(args).starts_with("advertise:"), "{advertise}");
        }
        let window = ServeArgs {
            drain_window_ms: Some(1_000),
            ..args()
        };
        assert!(problem(window).starts_with("drain_window_ms:"));
        let both = ServeArgs {
            open: true,
            jwt_secret: Some("s".into()),
            ..args()
        };
        assert!(problem(both).starts_with("open:"));
        let limit = |limit: &str| ServeArgs {
            limits: vec![limit.into()],
            ..args()
        };
        assert!(problem(limit("room_idle_ms=x")).starts_with("limits.room_idle_ms:"));
        assert!(problem(limit("no_such=1")).contains("no_such"));
        assert!(problem(limit("frame_bytes_max=1")).starts_with("limits.frame_bytes_max:"));
        assert!(problem(limit("crowd_pace_ms_max=1001")).starts_with("limits.crowd_pace_ms_max:"));
        let origin = ServeArgs {
            allow_origin: vec!["example.com".into()],
            ..args()
        };
        assert!(problem(origin).starts_with("allow_origin:"));
    }

    #[test]
    fn the_password_of_a_database_is_never_shown() {
        let at = |url: &str| ServeArgs {
            store: Some(url.into()),
            ..args()
        };
        let config = Config::read(at("postgres://u:CANARY@db.example/docs?sslmode=require")).expect("good");
        assert_eq!(config.store.to_string(), "postgres://u@db.example:5432/docs");
        for shown in [format!("{config:?}"), config.describe()] {
            assert!(!shown.contains("CANARY"), "{shown}");
        }
        assert!(!problem(at("postgres://u:CANARY@db.example")).contains("CANARY"));
        assert!(!problem(at("postgras://u:CANARY@db.example/docs")).contains("CANARY"));
    }

    #[test]
    fn redis_needs_a_store_that_is_shared_and_its_password_is_not_shown() {
        let url = Some("rediss://user:CANARY@cache:6380");
        let error = redis(url, false).expect_err("SQLite is one node's").to_string();
        assert!(error.starts_with("redis:") && !error.contains("CANARY"));
        let mut config = Config::read(args()).expect("good");
        config.redis = redis(url, true).expect("good");
        let shown = format!("{}{config:?}", config.describe());
        assert!(shown.contains("rediss://cache:6380") && !shown.contains("CANARY"));
    }

    #[test]
    fn a_file_fills_what_flags_leave_open_and_its_errors_name_the_line_not_the_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("roomtone.toml");
        std::fs::write(
            &path,
            "listen = \"127.0.0.1:1\"\njwt_secret = \"CANARY\"\n[limits]\nroom_idle_ms = 7\n",
        )
        .expect("written");
        let file = ServeArgs {
            config: Some(path.clone()),
            ..args()
        };
        let config = Config::read(ServeArgs {
            listen: Some("127.0.0.1:2".into()),
            ..file.clone()
        })
        .expect("good");
        assert_eq!((config.listen.port(), config.limits.room_idle_ms), (2, 7));
        assert!(!config.describe().contains("CANARY"));
        std::fs::write(&path, "\nlisten = \"127.0.0.1:1\"\njwt_sekret = \"CANARY\"\n").expect("written");
        let text = problem(file);
        assert!(
            text.contains("line 3") && text.contains("jwt_sekret") && !text.contains("CANARY"),
            "{text}"
        );
    }
}
