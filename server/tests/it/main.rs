//! The tests of this crate, in one binary: rooms in process over a store that breaks on request, real sockets where
//! the wire matters, and the binary itself. Names carry the rules of `docs/PROTOCOL.md` that they hold.

mod peer;
mod world;
mod yjs;

mod bounds;
mod broken;
mod lifecycle;
mod relay;
mod saved;
mod slow;
