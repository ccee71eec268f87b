//! The tests of this crate, in one binary: the contract that every backend keeps, and what each of them can suffer.

// A test that meets what it did not expect should stop there and then.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[macro_use]
mod contract;
mod blobs;
mod damage;
mod faults;
mod killed;
mod memory;
mod merge;
mod postgres;
mod sqlite;
mod tail;
mod wal;
