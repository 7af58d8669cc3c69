//! The bridge's cells with loom's atomics.

// The model does not use every item of these files.
#![allow(dead_code)]

use loom::sync::atomic::AtomicU64;

#[path = "../../src/registry/cell/counter.rs"]
mod counter;
#[path = "../../src/registry/cell/gauge.rs"]
mod gauge;
#[path = "../../src/registry/cell/stamp.rs"]
mod stamp;

pub(crate) use self::counter::CounterCell;
pub(crate) use self::gauge::GaugeCell;
pub(crate) use self::stamp::Stamp;
