//! What a viewer wants to see.

use memchr::memmem;

use super::line::{Mapping, Verdict};
use crate::source::Source;

/// A pattern for a text. Without a `*`, it matches texts that contain it. With one, it matches whole texts, and each `*` stands for any
/// characters, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextPattern {
    parts: Vec<Vec<u8>>,
}

impl TextPattern {
    /// `None` for an empty pattern, which matches everything.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        let parts = pattern.split('*').map(|part| part.as_bytes().to_owned()).collect();
        (!pattern.is_empty()).then_some(Self { parts })
    }

    /// Whether the text matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let (first, middle, last) = match &*self.parts {
            [] => return true,
            [part] => return memmem::find(text, part).is_some(),
            [first, middle @ .., last] => (first, middle, last),
        };
        let Some(mut rest) = text.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last)) else { return false };
        // The leftmost place of each part leaves the most text to the next one.
        for part in middle {
            let Some(at) = memmem::find(rest, part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        true
    }
}

/// Which lines by what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VerdictFilter {
    /// At least one sample was recorded.
    Recorded,
    /// The line or at least one sample was rejected.
    Rejected,
    /// A rule dropped at least one sample.
    Dropped,
    /// Rejected for this reason.
    Reason(&'static str),
}

impl VerdictFilter {
    fn matches(&self, verdict: &Verdict) -> bool {
        match self {
            Self::Recorded => verdict.recorded > 0,
            Self::Rejected => !verdict.rejected.is_empty(),
            Self::Dropped => verdict.dropped > 0,
            Self::Reason(reason) => verdict.rejected.iter().any(|(rejected, _)| rejected == reason),
        }
    }
}

/// Which lines by the rule that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleFilter {
    /// Lines that no rule matches.
    Unmapped,
    /// Lines of the rule with this number, from 1.
    Number(usize),
}

/// Which lines by a label of their series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelFilter {
    /// The name of the label.
    pub(crate) name: String,
    /// Its value; `None` for any.
    pub(crate) value: Option<TextPattern>,
}

/// What a viewer wants to see; all parts must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TapFilter {
    /// The raw name, as sent.
    pub(crate) name: Option<TextPattern>,
    /// The sender, in the form of [`Source`](crate::source::Source)'s `Display`.
    pub(crate) source: Option<TextPattern>,
    pub(crate) verdict: Option<VerdictFilter>,
    pub(crate) rule: Option<RuleFilter>,
    pub(crate) label: Option<LabelFilter>,
}

impl TapFilter {
    /// Whether the raw name matches.
    pub(crate) fn wants_name(&self, name: &[u8]) -> bool {
        self.name.as_ref().is_none_or(|pattern| pattern.matches(name))
    }

    /// Whether the sender matches.
    pub(crate) fn wants_source(&self, source: &Source) -> bool {
        self.source.as_ref().is_none_or(|pattern| pattern.matches(source.to_string().as_bytes()))
    }

    /// Whether the parts match that are known only after the line was recorded.
    pub(crate) fn wants_result(&self, verdict: &Verdict, mapping: Option<&Mapping>) -> bool {
        self.verdict.as_ref().is_none_or(|filter| filter.matches(verdict))
            && self.rule.is_none_or(|filter| match (filter, mapping.map(|mapping| &mapping.rule)) {
                (RuleFilter::Unmapped, Some(None)) => true,
                (RuleFilter::Number(wanted), Some(Some((number, _)))) => wanted == *number,
                _ => false,
            })
            && self.label.as_ref().is_none_or(|filter| mapping.is_some_and(|mapping| matches_label(filter, mapping)))
    }
}

fn matches_label(filter: &LabelFilter, mapping: &Mapping) -> bool {
    mapping
        .labels
        .iter()
        .any(|(name, value)| *name == filter.name && filter.value.as_ref().is_none_or(|pattern| pattern.matches(value.as_bytes())))
}
