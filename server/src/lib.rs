//! The collaboration server: sockets, rooms, presence, HTTP.
//!
//! From the top: `server` puts the parts together, `http` and `socket` take requests and frames, `hub` holds the
//! `room`s that are awake, `saver` commits what they accept, `bus` carries it to other nodes, `chat` serves the messages beside documents, `follower` reads what it does not, `outbox` is the way back. Follow one edit through
//! them in `docs/ARCHITECTURE.md`.

pub mod ambient;
pub mod app;
pub mod auth;
pub mod bus;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod close;
pub mod collector;
pub mod compactor;
pub mod config;
pub mod deflate;
pub mod drain;
mod follower;
mod guest;
mod handles;
mod heavy;
pub mod http;
pub mod hub;
pub mod limits;
pub mod listener;
pub mod logs;
pub mod metrics;
pub mod operator;
pub mod origin;
pub mod outbox;
pub mod polled;
pub mod registry;
pub mod room;
pub mod saver;
pub mod server;
pub mod signals;
pub mod socket;
mod sync;
mod waiting;
