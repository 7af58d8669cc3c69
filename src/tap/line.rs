//! A line as a viewer sees it.

use crate::ingest::protocol::SampleError;
use crate::source::Source;
use crate::telemetry::{SampleRejection, Tally};
use crate::time::Timestamp;

/// What became of a line, as the counts say that changed while it was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Samples recorded.
    pub(crate) recorded: u64,
    /// Samples that a rule dropped.
    pub(crate) dropped: u64,
    /// Reasons of rejected samples, or of the rejected line, with their number.
    pub(crate) rejected: Vec<(&'static str, u64)>,
    /// Whether it is a DogStatsD event.
    pub(crate) is_event: bool,
    /// Whether it is a DogStatsD service check.
    pub(crate) is_service_check: bool,
}

impl Verdict {
    /// A line that was rejected as a whole.
    pub(crate) fn rejected(reason: SampleError) -> Self {
        Self { rejected: vec![(reason.as_str(), 1)], ..Self::default() }
    }

    /// The difference of two states of the same counts.
    pub(crate) fn between(before: &Tally, after: &Tally) -> Self {
        let of_lines = SampleError::ALL.iter().map(|error| error.as_str()).zip(increases(&before.errors, &after.errors));
        let of_samples = SampleRejection::ALL.iter().map(|reason| reason.as_str()).zip(increases(&before.rejected, &after.rejected));
        Self {
            recorded: increases(&before.recorded, &after.recorded).sum(),
            dropped: after.dropped.saturating_sub(before.dropped),
            rejected: of_lines.chain(of_samples).filter(|(_, count)| *count > 0).collect(),
            is_event: after.events > before.events,
            is_service_check: after.service_checks > before.service_checks,
        }
    }

    /// One word: `recorded`, `partly_recorded`, `rejected`, `dropped`, `event` or `service_check` if it became no sample, `empty`.
    pub(crate) fn as_str(&self) -> &'static str {
        match (self.recorded > 0, self.rejected.is_empty()) {
            (true, true) if self.dropped == 0 => "recorded",
            (true, _) => "partly_recorded",
            (false, false) => "rejected",
            (false, true) if self.dropped > 0 => "dropped",
            (false, true) if self.is_event => "event",
            (false, true) if self.is_service_check => "service_check",
            (false, true) => "empty",
        }
    }
}

fn increases<'a>(before: &'a [u64], after: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
    before.iter().zip(after).map(|(before, after)| after.saturating_sub(*before))
}

/// What the rules make of the first sample of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// The family; `None` if a rule drops the sample, or if its name has no allowed character.
    pub(crate) family: Option<String>,
    /// The labels of the series, sorted by name, with raw values.
    pub(crate) labels: Vec<(String, String)>,
    /// The rule that matched: its number from 1, and `file:line:column`.
    pub(crate) rule: Option<(usize, String)>,
    /// Whether a limit folds the sample into another series than that of `labels`.
    pub(crate) is_folded: bool,
}

/// A line, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TappedLine {
    /// When it arrived.
    pub(crate) at: Timestamp,
    pub(crate) source: Source,
    /// The line without its end.
    pub(crate) line: Vec<u8>,
    pub(crate) verdict: Verdict,
    /// `None` if it has no sample that the grammar accepts.
    pub(crate) mapping: Option<Mapping>,
}

impl TappedLine {
    /// About the memory that it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let of_mapping = self.mapping.as_ref().map_or(0, |mapping| {
            let labels: usize = mapping.labels.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>()).sum();
            labels + mapping.family.as_ref().map_or(0, String::len) + mapping.rule.as_ref().map_or(0, |(_, position)| position.len())
        });
        size_of::<Self>() + self.line.len() + self.verdict.rejected.len() * size_of::<(&str, u64)>() + of_mapping
    }
}
