//! Expiry and recording in every order: a model that loom runs with the bridge's own code for stamps, cells and epochs.
//!
//! [`value`] and [`registry`] include files of the bridge (stamp, counter, gauge, workers) with loom's atomics and locks. Their
//! callers are small copies with the same steps: a [`Table`] with one series for `registry::family` and `registry::series`, a
//! [`Writer`] for `pipeline::Worker`, and an [`Expirer`] for `Registry::expire`. A [`Fault`] omits a step, and loom must find it.
//! [`reload`] does the same for a family that ends at a reload.
//!
//! [`Histogram`] is the bridge's own code that reads a histogram during writes.
//!
//! loom follows C11, except for loads that see later stores. It does not model compilers.

mod histogram;
mod registry;
mod value;

pub use self::histogram::Histogram;
pub use self::registry::{Expirer, Fault, Kind, Table, Writer, reload};
