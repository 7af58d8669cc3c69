//! What was found in one file, and every code that a finding can have.

use std::sync::Arc;

use crate::mapping::spec::{Finding, Position};

/// A place in the file at hand; line and column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    /// Line.
    pub(crate) line: u32,
    /// Column.
    pub(crate) column: u32,
}

impl At {
    /// The first character of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// Every code of a finding. Programs depend on them: they stay as they are.
pub mod code {
    /// Not YAML, or more than its budgets (16 MiB, depth, nodes, aliases).
    pub const YAML: &str = "yaml";
    /// The file has another document, which is not read. A warning where statsd_exporter takes the file.
    pub const SECOND_DOCUMENT: &str = "second_document";
    /// A value starts with `*` and has no quotes.
    pub const UNQUOTED_STAR: &str = "unquoted_star";
    /// A key that the format does not have.
    pub const UNKNOWN_KEY: &str = "unknown_key";
    /// A key stands twice.
    pub const DOUBLE_KEY: &str = "double_key";
    /// Warning: a key of older files, or of a value.
    pub const OLD_KEY: &str = "old_key";
    /// A value of another type than the key takes.
    pub const BAD_TYPE: &str = "bad_type";
    /// A value that is none of those that the key takes.
    pub const BAD_VALUE: &str = "bad_value";
    /// Not a duration, or one without a unit.
    pub const BAD_DURATION: &str = "bad_duration";
    /// Warning: a ttl below zero; it counts as not said.
    pub const NEGATIVE_TTL: &str = "negative_ttl";
    /// A rule has no `match`.
    pub const NO_MATCH: &str = "no_match";
    /// A glob that is none.
    pub const BAD_GLOB: &str = "bad_glob";
    /// A regular expression that does not compile.
    pub const BAD_REGEX: &str = "bad_regex";
    /// A rule has no `name`.
    pub const NO_NAME: &str = "no_name";
    /// The template of a name that can never be legal.
    pub const BAD_NAME: &str = "bad_name";
    /// The name of a label that is not legal.
    pub const BAD_LABEL: &str = "bad_label";
    /// A label that Prometheus keeps for itself. A warning in a rule's `labels`, which statsd_exporter takes.
    pub const RESERVED_LABEL: &str = "reserved_label";
    /// Options of a histogram for a summary, or the other way round.
    pub const OBSERVER_CONFLICT: &str = "observer_conflict";
    /// Buckets that do not ascend or are not finite.
    pub const BAD_BUCKETS: &str = "bad_buckets";
    /// A quantile or its error outside 0 to 1. A warning where statsd_exporter takes the file: that quantile is left out.
    pub const BAD_QUANTILE: &str = "bad_quantile";
    /// `${NAME}` is not set, or not closed.
    pub const BAD_ENVIRONMENT: &str = "bad_environment";
    /// A test that cannot test anything.
    pub const BAD_TEST: &str = "bad_test";
}

/// Errors, and warnings, of one file that are kept at most.
const MOST: usize = 1_000;

/// Collects findings of one file.
#[derive(Debug)]
pub(super) struct Findings {
    file: Arc<str>,
    list: Vec<Finding>,
    errors: usize,
}

impl Findings {
    /// None yet.
    pub(super) fn new(file: Arc<str>) -> Self {
        Self { file, list: Vec::new(), errors: 0 }
    }

    /// A place as others know it.
    pub(super) fn position(&self, at: At) -> Position {
        Position { file: Arc::clone(&self.file), line: at.line, column: at.column }
    }

    /// Whether no further error is kept: its text need not be made.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= MOST
    }

    /// The file is refused for this.
    pub(super) fn error(&mut self, at: At, code: &'static str, text: impl Into<String>) {
        if !self.is_full() {
            self.errors += 1;
            let finding = Finding { position: self.position(at), is_error: true, code, text: text.into() };
            self.list.push(finding);
        }
    }

    /// The file is taken, but this should be known.
    pub(super) fn warning(&mut self, at: At, code: &'static str, text: impl Into<String>) {
        if self.list.len() - self.errors < MOST {
            let finding = Finding { position: self.position(at), is_error: false, code, text: text.into() };
            self.list.push(finding);
        }
    }

    /// All, by place. The same is said once, even if an alias brings it in many times.
    pub(super) fn into_sorted(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| (finding.position.line, finding.position.column));
        self.list.dedup();
        self.list
    }
}
