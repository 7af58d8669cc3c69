//! tried: why a rule matched or did not match, as `explain` prints it.

use std::fmt;

use super::spec::MetricKind;

/// One rule and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Index into the configuration's rules.
    pub rule: usize,
    /// The outcome.
    pub outcome: Outcome,
}

/// The outcome of one rule for one sample. Its `Display` is a part of a sentence, without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The rule applies to the sample.
    Matched,
    /// The rule matches, but another rule has precedence.
    Hidden {
        /// Index of that rule.
        by: usize,
    },
    /// A segment of the name does not match; the first such segment.
    Segment {
        /// The number of the segment, from 1.
        number: usize,
        /// The segment of the pattern.
        wants: String,
        /// The segment of the name.
        has: String,
    },
    /// All segments of the name match, but the pattern has more segments.
    TooFewSegments {
        /// Segments of the pattern.
        wants: usize,
        /// Segments of the name.
        has: usize,
    },
    /// All segments of the pattern match, but the name has more segments.
    TooManySegments {
        /// Segments of the pattern.
        wants: usize,
        /// Segments of the name.
        has: usize,
    },
    /// The regular expression or the glob with `**` does not match.
    NoMatch,
    /// The name matches, the kind does not.
    Kind {
        /// The kind of the rule.
        wants: MetricKind,
    },
    /// Name and kind match, a tag does not; the first such tag.
    Tag {
        /// The tag's key, escaped.
        key: String,
        /// The pattern of the value.
        wants: String,
        /// The value of the sample; `None` if the tag is absent.
        has: Option<String>,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched => f.write_str("matched"),
            Self::Hidden { by } => write!(f, "matches too, but rule {} counts before it", by + 1),
            Self::Segment { number, wants, has } => write!(f, "segment {number} is `{has}`, not `{wants}`"),
            Self::TooFewSegments { wants, has } => write!(f, "the name has only {has} of {wants} segments"),
            Self::TooManySegments { wants, has } => write!(f, "the name has {has} segments, the pattern {wants}"),
            Self::NoMatch => f.write_str("the pattern does not match"),
            Self::Kind { wants } => write!(f, "it is for the kind {}", wants.as_str()),
            Self::Tag { key, wants, has: Some(has) } => write!(f, "tag {key} is `{has}`, not `{wants}`"),
            Self::Tag { key, wants, has: None } => write!(f, "tag {key} is absent; it must be `{wants}`"),
        }
    }
}

impl MetricKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Observer => "observer",
            Self::Set => "set",
        }
    }
}
