//! The tests of this crate, in one binary: rooms in process over a store that breaks on request, real sockets where
//! the wire matters, and the binary itself. Names carry the rules of `docs/PROTOCOL.md` that they hold.

mod net;
mod peer;
mod redis;
/// The production file, over the locks of `sync`.
#[path = "../../src/registry.rs"]
#[allow(dead_code, reason = "the model asks less of it than the hub")]
mod registry;
mod sync;
mod world;
mod yjs;

mod binary;
mod bounds;
mod broken;
mod bus;
mod http;
mod lifecycle;
mod nodes;
mod presence;
mod relay;
mod retire;
mod roles;
mod saved;
mod sim;
mod slow;
mod sockets;
mod stop;
