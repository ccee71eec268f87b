//! The collaboration server: sockets, rooms, presence, HTTP.
//!
//! From the top: `server` puts the parts together, `http` and `socket` take requests and frames, `hub` holds the
//! `room`s that are awake, `saver` commits what they accept, `outbox` is the way back. Follow one edit through
//! them in `docs/ARCHITECTURE.md`.

pub mod server;
pub mod config;
pub mod cli;
pub mod app;
pub mod http;
pub mod listener;
pub mod socket;
pub mod auth;
pub mod origin;
pub mod hub;
pub mod room;
pub mod outbox;
pub mod saver;
pub mod compactor;
pub mod close;
pub mod limits;
pub mod metrics;
pub mod logs;
pub mod signals;
