//! Documents, updates, awareness and the wire messages of every dialect.
//!
//! This crate does no I/O, reads no clock, and no input makes it panic. Read it in this order: `lib0` (how bytes
//! are read), `gate` and `block` (what may pass), `shape` (what fits into a document), `pending` (what waits for its
//! past), `doc` (the engine, and the only file that names it), `deleted` (what is gone from it), `presence` and `awareness` (who is here), `message` and
//! the dialects (what clients say), `encode` (what they hear).

mod any;
mod awareness;
mod block;
mod deleted;
mod dialect;
mod doc;
pub mod encode;
mod gate;
pub mod hocuspocus;
mod lib0;
pub mod limits;
mod message;
pub mod native;
mod pending;
mod presence;
mod shape;
mod state_vector;
mod update;
pub mod ysweet;
pub mod ywebsocket;

pub use awareness::{Awareness, ConnectionId, Received};
pub use dialect::Dialect;
pub use doc::{Broken, Doc, Late, Outcome, Turn};
pub use gate::{ClockRange, Extent, Refusal, Rule};
pub use lib0::{Reader, Writer};
pub use message::{BadFrame, Message};
pub use presence::{AwarenessUpdate, Stamp};
pub use state_vector::StateVector;
pub use update::Update;

/// A Yjs client id: one writer of one document, drawn at random by the client. Below 2^53.
pub type ClientId = u64;
