//! rejections: the last rejected input of each reason, with its sender and time. `/api/v1/rejections` shows them.
//!
//! A worker reports its rejected inputs once per batch. The number of entries is bounded, because the program defines all reasons.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::lock::lock;
use crate::source::Source;
use crate::time::Timestamp;

/// The number of bytes of an input that are kept.
pub(crate) const SHOWN_BYTES: usize = 160;

/// A rejected line, or the name of a rejected sample.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedInput {
    /// The first 160 bytes, escaped where they are not printable ASCII. Empty if the input did not arrive completely.
    pub input: String,
    /// The sender.
    pub source: Source,
    /// The time of arrival.
    pub at: Timestamp,
}

/// A reason for rejection, its count since the start, and the last rejected input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// The value of the label `reason` of the self-metrics.
    pub reason: String,
    /// The number of rejected lines or samples.
    pub count: u64,
    /// The last rejected line or sample.
    pub last: Option<RejectedInput>,
}

/// The last rejected input of each reason, over all workers.
#[derive(Debug, Default)]
pub(crate) struct Rejections(Mutex<BTreeMap<&'static str, LastInput>>);

/// A rejected input. The next input of the same reason reuses its memory, so that a flood of bad lines allocates nothing.
#[derive(Debug)]
struct LastInput {
    bytes: Vec<u8>,
    source: Source,
    at: Timestamp,
}

impl Rejections {
    /// Replaces the last input of `reason`. Keeps the first [`SHOWN_BYTES`] of `input`.
    pub(crate) fn note(&self, reason: &'static str, input: &[u8], source: Source, at: Timestamp) {
        let mut all = lock(&self.0);
        let last = all.entry(reason).or_insert_with(|| LastInput { bytes: Vec::with_capacity(SHOWN_BYTES), source, at });
        last.bytes.clear();
        last.bytes.extend_from_slice(input.get(..SHOWN_BYTES).unwrap_or(input));
        (last.source, last.at) = (source, at);
    }

    /// Returns the last rejected input of `reason`.
    pub(crate) fn last(&self, reason: &str) -> Option<RejectedInput> {
        let all = lock(&self.0);
        let last = all.get(reason)?;
        Some(RejectedInput { input: last.bytes.escape_ascii().to_string(), source: last.source, at: last.at })
    }
}
