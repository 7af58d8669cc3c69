//! Why a rule did or did not match: the words of `explain`. Knows no patterns.

use std::fmt;

use super::spec::MetricKind;

/// One rule and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Index into the configuration's rules.
    pub rule: usize,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a rule. Its `Display` is a part of a sentence, without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is the one that counts.
    Matched,
    /// It fits too, but another rule counts before it.
    Hidden {
        /// Index of that rule.
        by: usize,
    },
    /// A segment of the name differs; the first such.
    Segment {
        /// Counted from 1.
        number: usize,
        /// What the pattern has there.
        wants: String,
        /// What the name has there.
        has: String,
    },
    /// All segments of the name fit, but the pattern has more.
    TooFewSegments {
        /// Segments of the pattern.
        wants: usize,
        /// Segments of the name.
        has: usize,
    },
    /// All segments of the pattern fit, but the name has more.
    TooManySegments {
        /// Segments of the pattern.
        wants: usize,
        /// Segments of the name.
        has: usize,
    },
    /// The regular expression, or a glob with `**`, is found nowhere.
    NoMatch,
    /// The name fits, the kind does not.
    Kind {
        /// The rule's.
        wants: MetricKind,
    },
    /// Name and kind fit, a tag does not; the first such.
    Tag {
        /// The tag's key, escaped.
        key: String,
        /// What its value must be.
        wants: String,
        /// What it is; `None`: the tag is absent.
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
