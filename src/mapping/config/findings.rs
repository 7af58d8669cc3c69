//! Collects the findings of one file, and defines the code of every finding.

use std::sync::Arc;

use crate::mapping::spec::{Finding, Position};

/// A position in the current file. Line and column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    /// Line.
    pub(crate) line: u32,
    /// Column.
    pub(crate) column: u32,
}

impl At {
    /// The position of the first character of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// The codes of findings. They are stable: programs may depend on them.
pub mod code {
    /// The file is not valid YAML, or exceeds a limit (16 MiB, depth, nodes, aliases).
    pub const YAML: &str = "yaml";
    /// The file has a second document, which is ignored. A warning unless the file has `syntax: extended`.
    pub const SECOND_DOCUMENT: &str = "second_document";
    /// An unquoted value starts with `*`.
    pub const UNQUOTED_STAR: &str = "unquoted_star";
    /// The key is unknown.
    pub const UNKNOWN_KEY: &str = "unknown_key";
    /// The key occurs twice in the same map, or in its old and its new spelling.
    pub const DOUBLE_KEY: &str = "double_key";
    /// Warning: an old spelling of a key or of a value.
    pub const OLD_KEY: &str = "old_key";
    /// The value has the wrong type.
    pub const BAD_TYPE: &str = "bad_type";
    /// The value is not one of the valid values of the key.
    pub const BAD_VALUE: &str = "bad_value";
    /// The value is not a duration, or has no unit.
    pub const BAD_DURATION: &str = "bad_duration";
    /// Warning: the ttl is negative and is ignored.
    pub const NEGATIVE_TTL: &str = "negative_ttl";
    /// The rule has no `match`.
    pub const NO_MATCH: &str = "no_match";
    /// The glob is invalid.
    pub const BAD_GLOB: &str = "bad_glob";
    /// The regular expression does not compile.
    pub const BAD_REGEX: &str = "bad_regex";
    /// The rule has no `name`.
    pub const NO_NAME: &str = "no_name";
    /// The name template can never produce a valid name.
    pub const BAD_NAME: &str = "bad_name";
    /// The label name is invalid.
    pub const BAD_LABEL: &str = "bad_label";
    /// Prometheus reserves the label. A warning in the `labels` of a rule, which statsd_exporter accepts.
    pub const RESERVED_LABEL: &str = "reserved_label";
    /// A summary has histogram options, or a histogram has summary options.
    pub const OBSERVER_CONFLICT: &str = "observer_conflict";
    /// The buckets do not ascend or are not finite.
    pub const BAD_BUCKETS: &str = "bad_buckets";
    /// A quantile or its error is not within 0 to 1. A warning unless the file has `syntax: extended`: the quantile is left out, or the
    /// error has no effect.
    pub const BAD_QUANTILE: &str = "bad_quantile";
    /// `${NAME}` is not set, or has no closing brace.
    pub const BAD_ENVIRONMENT: &str = "bad_environment";
    /// The test sends or expects nothing.
    pub const BAD_TEST: &str = "bad_test";
}

/// The maximum number of errors, and of warnings, that are kept for one file.
const MAX_FINDINGS: usize = 1_000;

/// Collects findings of one file.
#[derive(Debug)]
pub(super) struct Findings {
    file: Arc<str>,
    list: Vec<Finding>,
    errors: usize,
}

impl Findings {
    /// Creates an empty collection for `file`.
    pub(super) fn new(file: Arc<str>) -> Self {
        Self { file, list: Vec::new(), errors: 0 }
    }

    /// Returns `at` with the name of the file.
    pub(super) fn position(&self, at: At) -> Position {
        Position { file: Arc::clone(&self.file), line: at.line, column: at.column }
    }

    /// Reports whether further errors are discarded, so that callers can skip building their texts.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= MAX_FINDINGS
    }

    /// Adds an error: the file is rejected.
    pub(super) fn error(&mut self, at: At, code: &'static str, text: impl Into<String>) {
        if !self.is_full() {
            self.errors += 1;
            self.list.push(Finding::new(self.position(at), true, code, text));
        }
    }

    /// Adds a warning: the file is accepted.
    pub(super) fn warning(&mut self, at: At, code: &'static str, text: impl Into<String>) {
        if self.list.len() - self.errors < MAX_FINDINGS {
            self.list.push(Finding::new(self.position(at), false, code, text));
        }
    }

    /// Returns the findings sorted by position, without duplicates. Aliases can repeat a finding at the same position.
    pub(super) fn into_sorted(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| (finding.position.line, finding.position.column));
        self.list.dedup();
        self.list
    }
}
