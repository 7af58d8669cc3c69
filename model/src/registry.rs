//! The bridge's epochs with loom's atomics and locks, and a small table that uses them.

use std::sync::Arc;

use loom::sync::atomic::AtomicU64;
use loom::sync::{Mutex, MutexGuard};

#[path = "../../src/registry/workers.rs"]
mod workers;

pub mod reload;
mod table;

pub use self::table::{Expirer, Fault, Kind, Table, Writer};

/// loom has no poisoned locks, because a panic ends the model.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of a model dies with a lock")
}
