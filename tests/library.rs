//! The library as other programs use it: extreme values, expiry, the programs in examples/, and the package.

/// The programs in examples/.
mod examples;
/// Expiry with workers that are idle.
mod expiry;
/// Extreme times, durations and limits, such as the largest number.
mod extremes;
/// The files of the package: those that a build needs, and few others.
mod package;
/// The self-metrics of an embedder.
mod self_metrics;
/// The times at which gauges were set.
mod set_times;
