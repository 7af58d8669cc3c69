//! Options of the list of senders.

/// What is counted by sender, and the limits of a sender. Every number is valid. Default: nothing, and no limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SourceOptions {
    /// Senders with counts of their own: see [`Bridge::sources`](crate::Bridge::sources). Each needs up to 1 KiB. 0: none, which saves
    /// some instructions for each call of [`Worker::ingest`](crate::Worker::ingest).
    pub max: usize,
}
