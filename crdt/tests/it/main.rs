//! Tests of this crate from outside, in one binary.

// How much was tried is part of what a test says.
#![allow(clippy::print_stdout)]

mod awareness;
mod browsers;
mod codec;
mod doc;
mod gate;
mod hostile;
mod mutation;
mod native;
mod random;
mod repack;
mod replicas;
mod session;
mod turns;
mod written;
mod yjs;
