//! Tests of this crate from outside, in one binary.

mod awareness;
mod browsers;
mod codec;
mod doc;
mod gate;
mod hostile;
mod mutation;
mod random;
mod replicas;
mod session;
mod written;
mod yjs;
