//! The locks that `registry.rs` is built over: those of the standard library here, those of a model checker in its tests.

use std::sync::PoisonError;
pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

/// Locks. Nothing that runs under these locks can panic half-way, so a poisoned one still guards a whole state.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
