//! The tests of this crate, in one binary: rooms in process over a store that breaks on request, real sockets where
//! the wire matters, and the binary itself. Names carry the rules of `docs/PROTOCOL.md` that they hold.

/// The production file, over the locks of `sync`.
#[path = "../../src/handles.rs"]
#[allow(dead_code, reason = "the model asks less of it than the hub")]
mod handles;
mod net;
mod peer;
mod postgres;
mod redis;
mod sync;
mod world;
mod yjs;

mod binary;
mod bounds;
mod broken;
mod bus;
mod chat;
mod compacting;
mod drain;
mod following;
mod http;
mod lifecycle;
mod native;
mod nodes;
mod polled;
mod presence;
mod relay;
mod retire;
mod roles;
mod saved;
mod sim;
mod slow;
mod sockets;
mod stop;
