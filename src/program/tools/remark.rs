//! A remark on a mapping file: a finding of the loader, or something that the linter proved. Must not know rules.

use std::fmt;

use serde_json::{Value, json};

use crate::mapping::report::ReportLine;
use crate::mapping::spec::{Finding, Position};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Worth knowing; may be meant so.
    Note,
    /// Almost surely not what was meant; the file is taken.
    Warning,
    /// The file is refused, or one of its own tests fails.
    Error,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    /// Where.
    pub position: Position,
    /// How bad it is.
    pub severity: Severity,
    /// Short and stable, for programs.
    pub code: &'static str,
    /// What is wrong and what to do, in one or two sentences.
    pub text: String,
}

impl Remark {
    pub(super) fn new(severity: Severity, code: &'static str, position: &Position, text: String) -> Self {
        Self { position: position.clone(), severity, code, text }
    }

    /// For a report.
    pub(super) fn as_line(&self) -> ReportLine<'_> {
        ReportLine { position: &self.position, severity: self.severity.as_str(), code: self.code, text: &self.text }
    }

    /// As a program reads it: `file`, `line`, `column`, `severity`, `code`, `text`.
    pub(crate) fn to_json(&self) -> Value {
        let Position { file, line, column } = &self.position;
        json!({
            "file": **file, "line": line, "column": column, "severity": self.severity.as_str(), "code": self.code, "text": self.text,
        })
    }
}

impl From<Finding> for Remark {
    fn from(finding: Finding) -> Self {
        let Finding { position, is_error, code, text } = finding;
        Self { position, severity: if is_error { Severity::Error } else { Severity::Warning }, code, text }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_line().fmt(f)
    }
}
