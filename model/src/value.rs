//! The bridge's cells over loom's atomics.

// The model has no use for all that the files offer.
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
