//! The bridge's epochs over loom's atomics and locks, and a small table that stands on them.

use std::sync::Arc;

use loom::sync::atomic::AtomicU64;
use loom::sync::{Mutex, MutexGuard};

#[path = "../../src/registry/workers.rs"]
mod workers;

pub mod reload;
mod table;

pub use self::table::{Expirer, Fault, Kind, Table, Writer};

/// loom has no poisoned locks: a model that panics ends.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of a model dies with a lock")
}
