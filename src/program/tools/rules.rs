//! `rules`: what adds up the series of many bridges in a database, for the families of a mapping.
//!
//! ```text
//! names        a rule's template -> the names of its families
//! families     rules -> families with their kind
//! selectors    families -> selectors of their series
//! recording    recording rules                                 aggregation  stream aggregation
//! yaml         comments and strings of the output
//! ```
//! The output depends on the mapping and the arguments only. Must not know which samples arrive.

mod aggregation;
mod families;
mod names;
mod recording;
mod selectors;
mod yaml;

use super::Remark;
use crate::mapping::report::write_report;
use crate::program::cli::{RulesFormat, RulesWanted};

/// The output of `rules`.
pub(super) struct Written {
    /// The file.
    pub(super) text: String,
    /// Warnings about families that are left out; empty without any.
    pub(super) warnings: String,
}

/// Writes the rules.
///
/// # Errors
///
/// The mistakes of the mapping files, each with its line and a caret.
pub(super) fn rules(wanted: &RulesWanted) -> Result<Written, String> {
    let texts = wanted.sources.texts().unwrap_or_default();
    let report = |remarks: &[Remark]| {
        let lines: Vec<_> = remarks.iter().map(Remark::as_line).collect();
        let mut out = String::new();
        let written = write_report(&lines, &texts, &mut out);
        debug_assert!(written.is_ok(), "a String takes any text");
        out
    };
    let book = wanted.sources.read().map_err(|mistakes| {
        let remarks: Vec<Remark> = mistakes.0.into_iter().map(Remark::from).collect();
        format!("the mapping files have errors:\n{}", report(&remarks).trim_end())
    })?;
    let (all, remarks) = families::families(&book.rules, &wanted.options, wanted.form.untyped);
    let text = match wanted.form.format {
        RulesFormat::Prometheus => recording::write(&all, &wanted.form),
        RulesFormat::Vmagent => aggregation::write(&all, &wanted.form),
    };
    Ok(Written { text, warnings: report(&remarks) })
}
