//! What can be typed: commands, flags and their environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::drain::Window;

/// Roomtone: real-time collaboration for Yjs editors, durable before it says "saved".
#[derive(Parser, Debug)]
#[command(name = "roomtone", version, max_term_width = 100)]
#[command(after_help = "Start with:  roomtone serve --open\nThen open    http://127.0.0.1:4000/")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the server.
    Serve(Box<ServeArgs>),
    /// Look at the configuration without starting anything.
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Ask a running server on this machine whether it is healthy; exit code 0 or 1.
    Health {
        /// Address of the server.
        #[arg(
            long,
            env = "ROOMTONE_LISTEN",
            value_name = "HOST:PORT",
            default_value = "127.0.0.1:4000"
        )]
        listen: SocketAddr,
    },
    /// List the nodes over the same store: address, version, state, rooms and connections.
    Nodes(Box<NodesArgs>),
    /// Tell a running node to send its clients to other nodes and take no new ones. It goes on running until a signal ends it.
    Drain(Box<DrainArgs>),
}

/// Which node is asked, and by what right.
#[derive(Args, Debug, Clone)]
pub struct OperatorArgs {
    /// Address of a node: HOST:PORT, or http://HOST:PORT.
    #[arg(
        long,
        env = "ROOMTONE_LISTEN",
        value_name = "URL",
        default_value = "127.0.0.1:4000"
    )]
    pub url: String,
    /// Token with the role owner in all rooms (`*`). Prefer the environment: flags are visible to other processes.
    #[arg(long, env = "ROOMTONE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The secret of the servers, in place of a token: the command signs one for itself.
    #[arg(
        long,
        env = "ROOMTONE_JWT_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub jwt_secret: Option<String>,
    /// Value that the servers want as `aud`.
    #[arg(long, env = "ROOMTONE_JWT_AUDIENCE", value_name = "TEXT")]
    pub jwt_audience: Option<String>,
    /// Value that the servers want as `iss`.
    #[arg(long, env = "ROOMTONE_JWT_ISSUER", value_name = "TEXT")]
    pub jwt_issuer: Option<String>,
}

/// What `roomtone nodes` takes.
#[derive(Args, Debug, Clone)]
pub struct NodesArgs {
    /// Who is asked.
    #[command(flatten)]
    pub node: OperatorArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `roomtone drain` takes.
#[derive(Args, Debug, Clone)]
pub struct DrainArgs {
    /// Who is asked.
    #[command(flatten)]
    pub node: OperatorArgs,
    /// Drain this node, which the one at --url knows: its id, name or address, as `roomtone nodes` shows them.
    #[arg(long = "node", value_name = "ID")]
    pub id: Option<String>,
    /// Time over which clients are sent away, such as 30s; 0 is all at once. [default: that of the node]
    #[arg(long, value_name = "TIME", value_parser = crate::operator::parse_window)]
    pub window: Option<Window>,
    /// Wait until nobody is left and everything is saved, and show how far it is.
    #[arg(long)]
    pub wait: bool,
}

/// What to do with the configuration.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Check flags, environment and file, and print what they amount to (secrets left out).
    Check(Box<ServeArgs>),
}

/// Everything that can be configured. Flags win over the environment, the environment over the file.
#[derive(Args, Debug, Default, Clone)]
pub struct ServeArgs {
    /// TOML file with the same keys as the flags (listen, data, store, ...) and a [limits] table.
    #[arg(long, env = "ROOMTONE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one and prints it. [default: 127.0.0.1:4000]
    #[arg(long, env = "ROOMTONE_LISTEN", value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Folder for everything that is stored. [default: ./data]
    #[arg(long, env = "ROOMTONE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where documents are stored: sqlite:PATH, or postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full. Prefer the
    /// environment for a password: flags are visible to other processes. [default: sqlite:DATA/roomtone.db]
    #[arg(long, env = "ROOMTONE_STORE", value_name = "URL", hide_env_values = true)]
    pub store: Option<String>,
    /// Where large snapshots are kept, if not in the store: file:///PATH (shared by all nodes), or s3://BUCKET/PREFIX, with
    /// ?endpoint=https://HOST&region=NAME behind it for another service than Amazon's (allow_http=true for a plain http one).
    /// Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the machine's role. [default: in the store]
    #[arg(long, env = "ROOMTONE_BLOBS", value_name = "URL")]
    pub blobs: Option<String>,
    /// How long to wait at the start for a PostgreSQL that cannot be reached or is still starting; /readyz is red meanwhile.
    /// 0 asks once. [default: 60]
    #[arg(long, env = "ROOMTONE_STORE_WAIT", value_name = "SECONDS")]
    pub store_wait: Option<u64>,
    /// Redis that connects several nodes, such as redis://:PASSWORD@HOST:PORT; rediss for TLS, redis-sentinel, redis-cluster.
    #[arg(long, env = "ROOMTONE_REDIS", value_name = "URL", hide_env_values = true)]
    pub redis: Option<String>,
    /// HOST:PORT on which other nodes and operators reach this one. [default: the address it listens on; where that is every
    /// address, the one from which this machine reaches others]
    #[arg(long, env = "ROOMTONE_ADVERTISE", value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// Time over which a node that stops sends its clients away, in milliseconds: 0 for all at once, or at least 5000. [default:
    /// 10000 while another node is ready to take them, else 0]
    #[arg(long, env = "ROOMTONE_DRAIN_WINDOW_MS", value_name = "MS")]
    pub drain_window_ms: Option<u64>,
    /// Shared secret of HS256 tokens. Prefer the environment: flags are visible to other processes.
    #[arg(
        long,
        env = "ROOMTONE_JWT_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub jwt_secret: Option<String>,
    /// Value that every token must carry as `aud`.
    #[arg(long, env = "ROOMTONE_JWT_AUDIENCE", value_name = "TEXT")]
    pub jwt_audience: Option<String>,
    /// Value that every token must carry as `iss`.
    #[arg(long, env = "ROOMTONE_JWT_ISSUER", value_name = "TEXT")]
    pub jwt_issuer: Option<String>,
    /// Web origin whose pages may connect, such as https://app.example.com; repeat or separate by commas.
    #[arg(
        long,
        env = "ROOMTONE_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub allow_origin: Vec<String>,
    /// No authentication: everybody may do everything. For development, on a loopback address.
    #[arg(long, env = "ROOMTONE_OPEN")]
    pub open: bool,
    /// Allow --open on an address that others can reach.
    #[arg(long, env = "ROOMTONE_OPEN_TO_NETWORK")]
    pub open_to_network: bool,
    /// Threads that serve sockets and rooms. [default: one less than the cores, which is left to the store and the kernel]
    #[arg(long, env = "ROOMTONE_WORKERS", value_name = "COUNT")]
    pub workers: Option<usize>,
    /// Move a bound, such as room_idle_ms=5000; repeat or separate by commas. `config check` lists them.
    #[arg(
        long = "limit",
        env = "ROOMTONE_LIMITS",
        value_name = "NAME=VALUE",
        value_delimiter = ','
    )]
    pub limits: Vec<String>,
    /// What to log, such as info or roomtone=debug. [default: info]
    #[arg(long, env = "ROOMTONE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How to log. [default: text]
    #[arg(long, env = "ROOMTONE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}
