//! report: prints findings, each with its line and a caret. The tool `check` and [`RulesError`](super::RulesError) print the same.

use std::fmt;

use super::config::MappingText;
use super::spec::{Finding, Position};

/// One finding of the parser or of the linter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ReportLine<'a> {
    pub(crate) position: &'a Position,
    /// `error`, `warning` or `note`.
    pub(crate) severity: &'a str,
    /// A short, stable identifier for programs.
    pub(crate) code: &'a str,
    /// The mistake and how to fix it, in one or two sentences.
    pub(crate) text: &'a str,
}

impl<'a> From<&'a Finding> for ReportLine<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self { position: &finding.position, severity: finding.severity(), code: finding.code, text: &finding.text }
    }
}

impl fmt::Display for ReportLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {} [{}]", self.position, self.severity, self.text, self.code)
    }
}

/// Writes `lines`, each with the text at its position and a caret. Findings with the same code and text in one file are
/// written once, followed by the line numbers of the others.
pub(crate) fn write_report(lines: &[ReportLine<'_>], texts: &[MappingText], out: &mut dyn fmt::Write) -> fmt::Result {
    let is_same = |a: &ReportLine<'_>, b: &ReportLine<'_>| (a.code, a.text, &a.position.file) == (b.code, b.text, &b.position.file);
    for (at, line) in lines.iter().enumerate() {
        let (before, rest) = lines.split_at(at);
        if before.iter().any(|other| is_same(other, line)) {
            continue;
        }
        writeln!(out, "{line}")?;
        let source = texts.iter().find(|text| text.name == line.position.file);
        if let Some(excerpt) = source.and_then(|source| source.excerpt(line.position)) {
            excerpt.lines().try_for_each(|text| writeln!(out, "    {text}"))?;
        }
        let others = rest.iter().skip(1).filter(|other| is_same(other, line));
        let others: Vec<String> = others.map(|other| other.position.line.to_string()).collect();
        if !others.is_empty() {
            writeln!(out, "    the same in line{} {}", if others.len() == 1 { "" } else { "s" }, others.join(", "))?;
        }
    }
    Ok(())
}
