//! Retire against record, in every order: a model that loom runs with the bridge's own code for stamps, cells and epochs.
//!
//! [`value`] and [`registry`] take in the files of the bridge as they are (stamp, counter, gauge, workers), over loom's atomics
//! and locks. What those files are used by is written anew here, small and step for step the same: a [`Table`] with one series
//! as `registry::family` and `registry::series` keep many, a [`Writer`] as `pipeline::Worker`, an [`Expirer`] as
//! `Registry::expire`, and a [`Fault`] on purpose, which loom must find. [`reload`] does the same for a family that ends at once.
//!
//! [`Histogram`] is the bridge's own code for reading a histogram while it is written.
//!
//! loom follows C11 but for loads that see stores of the future; it does not try compilers.

mod histogram;
mod registry;
mod value;

pub use self::histogram::Histogram;
pub use self::registry::{Expirer, Fault, Kind, Table, Writer, reload};
