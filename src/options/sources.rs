//! Options of the list of senders.

/// What is counted by sender, and the limits of a sender. Every number is valid. Default: nothing, and no limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SourceOptions {
    /// Senders with counts of their own: see [`Bridge::sources`](crate::Bridge::sources). Each needs up to 1 KiB. 0: none, which saves
    /// some instructions for each call of [`Worker::ingest`](crate::Worker::ingest).
    pub max: usize,
    /// Lines that one sender may send per second, on average; 0 for no limit. Beyond, its datagrams are rejected as a whole. Has an effect
    /// only for senders with counts of their own.
    pub lines_per_second: u64,
    /// Series that the samples of one sender may create per second, on average; 0 for no limit. Beyond, samples of new series are rejected.
    /// Has an effect only for senders with counts of their own.
    pub new_series_per_second: u64,
}
