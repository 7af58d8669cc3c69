//! The library as another program uses it: values that are checked, the programs in examples/, the package.

/// The programs in examples/, run for real.
mod examples;
/// Expiry with workers that are idle.
mod expiry;
/// Every number that a time, a duration or a limit may be, the largest included.
mod extremes;
/// The files of the package: what a build needs, and little else.
mod package;
/// The self-metrics of an embedder.
mod self_metrics;
