//! `check`: finds problems in mapping files before they are used. `--check-config` uses the same code.
//!
//! Files with errors of the loader are not checked further. Must not print.

use serde_json::{Value, json};

use super::{Remark, Severity, lint, stanzas};
use crate::mapping::config::MappingText;
use crate::mapping::report::write_report;
use crate::options::Options;
use crate::program::rulebook::Sources;

/// The result of a check.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// The remarks, by file, line and column.
    pub remarks: Vec<Remark>,
    /// The number of rules; 0 if the files are rejected.
    pub rules: usize,
    /// The number of `tests:` stanzas.
    pub tests: usize,
    /// The texts of the files; empty if they cannot be read.
    pub texts: Vec<MappingText>,
}

/// Reads and checks the sources, and runs their tests. `options` are those of the bridge that would use the rules.
pub(crate) fn check(sources: &Sources, options: &Options) -> Report {
    let texts = sources.texts().unwrap_or_default();
    match sources.read() {
        Err(mistakes) => Report { remarks: mistakes.0.into_iter().map(Remark::from).collect(), rules: 0, tests: 0, texts },
        Ok(book) => {
            let mut remarks: Vec<Remark> = book.findings.into_iter().map(Remark::from).collect();
            remarks.extend(without_notes_on_presets(lint::lint(&book.rules, options, &texts), sources, options));
            remarks.extend(stanzas::run(&book.rules, options));
            let config = book.rules.config();
            let (rules, tests) = (config.rules.len(), config.tests.len());
            sort(&mut remarks, &texts);
            Report { remarks, rules, tests, texts }
        }
    }
}

/// Removes notes that a preset also has alone, because its user cannot fix them. The preset's own tests define its behaviour.
fn without_notes_on_presets(mut remarks: Vec<Remark>, sources: &Sources, options: &Options) -> Vec<Remark> {
    for preset in &sources.presets {
        let alone = Sources { presets: vec![preset.clone()], names: sources.names, ..Sources::default() };
        let (Ok(book), Ok(texts)) = (alone.read(), alone.texts()) else {
            debug_assert!(false, "preset {preset} was read before");
            continue;
        };
        let own = lint::lint(&book.rules, options, &texts);
        remarks.retain(|remark| remark.severity > Severity::Note || !own.contains(remark));
    }
    remarks
}

/// Sorts by file in the order of the texts, then by line and column.
fn sort(remarks: &mut [Remark], texts: &[MappingText]) {
    let file = |remark: &Remark| texts.iter().position(|text| text.name == remark.position.file);
    remarks.sort_by_key(|remark| (file(remark), remark.position.line, remark.position.column));
}

impl Report {
    /// The number of remarks of a severity.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.remarks.iter().filter(|remark| remark.severity == severity).count()
    }

    /// The worst severity; `None` without remarks.
    pub(crate) fn worst(&self) -> Option<Severity> {
        self.remarks.iter().map(|remark| remark.severity).max()
    }

    /// 0 without remarks or with notes only, 1 for errors, 3 for warnings; with `strict`, 1 for warnings too.
    pub(crate) fn exit_code(&self, strict: bool) -> u8 {
        match self.worst() {
            Some(Severity::Error) => 1,
            Some(Severity::Warning) if strict => 1,
            Some(Severity::Warning) => 3,
            Some(Severity::Note) | None => 0,
        }
    }

    /// The remarks as text, each with its line and a caret; empty without remarks. Equal remarks on several lines of a file are printed
    /// once.
    pub(crate) fn remarks_text(&self) -> String {
        let lines: Vec<_> = self.remarks.iter().map(Remark::as_line).collect();
        let mut out = String::new();
        let written = write_report(&lines, &self.texts, &mut out);
        debug_assert!(written.is_ok(), "a String takes any text");
        out
    }

    /// A line with the numbers of rules, tests and remarks.
    pub(crate) fn summary(&self) -> String {
        let (errors, warnings, notes) = (self.count(Severity::Error), self.count(Severity::Warning), self.count(Severity::Note));
        if errors > 0 && self.rules == 0 {
            return format!("rejected: {}", plural(errors, "error"));
        }
        let read = format!("{}, {}", plural(self.rules, "rule"), plural(self.tests, "test"));
        let found: Vec<String> = [(errors, "error"), (warnings, "warning"), (notes, "note")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| plural(count, word))
            .collect();
        if found.is_empty() { format!("{read}: no remarks") } else { format!("{read}: {}", found.join(", ")) }
    }

    /// The JSON output.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "rules": self.rules,
            "tests": self.tests,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "notes": self.count(Severity::Note),
            "findings": self.remarks.iter().map(Remark::to_json).collect::<Vec<_>>(),
        })
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
