//! Remarks on mapping files, from the loader and from `lint`. Must not know rules.

use std::fmt;

use serde_json::{Value, json};

use crate::mapping::report::ReportLine;
use crate::mapping::spec::{Finding, Position};

/// The severity of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// A frequent mistake that can be intended.
    Note,
    /// A certain problem; the file is accepted.
    Warning,
    /// The file is rejected, or one of its tests fails.
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
    /// The position in the file.
    pub position: Position,
    /// The severity of a remark.
    pub severity: Severity,
    /// A short and stable code for programs.
    pub code: &'static str,
    /// The problem and the advice, in one or two sentences.
    pub text: String,
}

impl Remark {
    pub(super) fn new(severity: Severity, code: &'static str, position: &Position, text: String) -> Self {
        Self { position: position.clone(), severity, code, text }
    }

    /// Converts the remark for a report.
    pub(super) fn as_line(&self) -> ReportLine<'_> {
        ReportLine { position: &self.position, severity: self.severity.as_str(), code: self.code, text: &self.text }
    }

    /// The JSON output: `file`, `line`, `column`, `severity`, `code`, `text`.
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
