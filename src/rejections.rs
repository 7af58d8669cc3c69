//! rejections: the last input of each reason that was rejected, with its sender and its time: what `/api/v1/rejections` shows.
//!
//! Workers hand in what they kept, once a batch and only where something was rejected. Bounded: reasons are the program's own.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::lock::lock;
use crate::source::Source;
use crate::time::Timestamp;

/// How much of the input is kept.
pub(crate) const SHOWN_BYTES: usize = 160;

/// A line, or the name of a sample, that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedInput {
    /// Its first 160 bytes, escaped where they are not printable ASCII. Empty where it did not come whole.
    pub input: String,
    /// Who sent it.
    pub source: Source,
    /// When it came.
    pub at: Timestamp,
}

/// A reason to reject, how often it was met since the start, and the last input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// The value of the label `reason` of the self-metrics.
    pub reason: String,
    /// Lines or samples.
    pub count: u64,
    /// The last of them.
    pub last: Option<RejectedInput>,
}

/// The last input of each reason, of all workers.
#[derive(Debug, Default)]
pub(crate) struct Rejections(Mutex<BTreeMap<&'static str, LastInput>>);

/// An input as it came; its memory is kept for the next of its reason, so that a flood of bad lines allocates nothing.
#[derive(Debug)]
struct LastInput {
    bytes: Vec<u8>,
    source: Source,
    at: Timestamp,
}

impl Rejections {
    /// Notes an input, of which the first [`SHOWN_BYTES`] are kept, in place of the one before.
    pub(crate) fn note(&self, reason: &'static str, input: &[u8], source: Source, at: Timestamp) {
        let mut all = lock(&self.0);
        let last = all.entry(reason).or_insert_with(|| LastInput { bytes: Vec::with_capacity(SHOWN_BYTES), source, at });
        last.bytes.clear();
        last.bytes.extend_from_slice(input.get(..SHOWN_BYTES).unwrap_or(input));
        (last.source, last.at) = (source, at);
    }

    /// The last input of a reason.
    pub(crate) fn last(&self, reason: &str) -> Option<RejectedInput> {
        let all = lock(&self.0);
        let last = all.get(reason)?;
        Some(RejectedInput { input: last.bytes.escape_ascii().to_string(), source: last.source, at: last.at })
    }
}
