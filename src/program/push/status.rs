//! The state of a target, for the API and for messages.

use std::time::{Instant, SystemTime};

use super::answer::Answer;
use super::dialect::Dialect;
use crate::exposition::write::WriteVersion;
use crate::telemetry::PushResult;
use crate::time::Timestamp;

/// What is known about the protocol of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Negotiated {
    /// Nothing: 2.0 is tried.
    Unknown,
    /// A request of 2.0 was answered by 400 without its headers: 1.0 is tried.
    Probing,
    /// 1.0 was rejected as well: 2.0 is sent, and 400 is final.
    Unclear,
    /// The receiver does not know 2.0.
    V1,
    /// The receiver knows 2.0, or the configuration says so.
    V2,
    /// OTLP has no versions to choose from.
    Otlp,
}

impl Negotiated {
    /// The protocol of the next request.
    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Probing | Self::V1 => Dialect::Write(WriteVersion::V1),
            Self::Unknown | Self::Unclear | Self::V2 => Dialect::Write(WriteVersion::V2),
            Self::Otlp => Dialect::Otlp,
        }
    }
}

/// The last answer of a receiver, or the last error.
#[derive(Debug, Clone)]
pub(crate) struct LastAnswer {
    pub(crate) at: SystemTime,
    /// The status code; `None` without an answer.
    pub(crate) status: Option<u16>,
    /// The beginning of the body, or the error.
    pub(crate) text: String,
}

impl LastAnswer {
    pub(super) fn of(answer: &Answer) -> Self {
        let redirect = answer.location.as_ref().filter(|_| (300..400).contains(&answer.status));
        let text = redirect.map_or_else(|| answer.text.clone(), |location| format!("redirects to {location}"));
        Self { at: SystemTime::now(), status: Some(answer.status), text }
    }

    pub(super) fn error(text: &str) -> Self {
        Self { at: SystemTime::now(), status: None, text: text.to_owned() }
    }
}

/// The state of one target.
#[derive(Debug, Clone)]
pub(crate) struct TargetStatus {
    pub(crate) protocol: Negotiated,
    /// The last answer or error.
    pub(crate) last: Option<LastAnswer>,
    /// The last answer that rejected samples.
    pub(crate) last_rejection: Option<LastAnswer>,
    pub(crate) last_success: Option<SystemTime>,
    /// Failed attempts in a row.
    pub(crate) failures: u64,
    /// Floats and histograms made.
    pub(crate) made: u64,
    /// Floats and histograms by result, in the order of [`PushResult::NAMES`].
    pub(crate) settled: [u64; PushResult::NAMES.len()],
    /// The time of the newest cycle that was made, in wall time.
    pub(crate) last_cycle: Option<Timestamp>,
    /// The time of the newest cycle that was accepted, in wall time.
    pub(crate) last_written: Option<Timestamp>,
    /// When that cycle was made.
    pub(super) written_made: Option<Instant>,
    /// The time of the newest cycle of which the receiver may have written something, in wall time. It takes no older samples.
    pub(super) may_have: Option<Timestamp>,
}

impl TargetStatus {
    pub(super) fn new(protocol: Negotiated) -> Self {
        Self {
            protocol,
            last: None,
            last_rejection: None,
            last_success: None,
            failures: 0,
            made: 0,
            settled: [0; PushResult::NAMES.len()],
            last_cycle: None,
            last_written: None,
            written_made: None,
            may_have: None,
        }
    }
}
