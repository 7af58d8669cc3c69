//! Reports about the registry: the families and labels with the most series, and the limits that were hit. Plain values, without an
//! encoding.

use std::sync::Arc;

use super::limited::Limited;
use crate::name::series_text;

/// Numbers of series and families with their limits, and the families with the most series.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Cardinality {
    /// Number of series, without overflow series.
    pub series: usize,
    /// Limit on the number of series.
    pub series_limit: usize,
    /// Memory of the series in bytes, as the limit counts it.
    pub series_bytes: usize,
    /// Limit on the memory of the series in bytes.
    pub series_bytes_limit: usize,
    /// Number of families.
    pub families: usize,
    /// Limit on the number of families.
    pub families_limit: usize,
    /// Number of expired series whose values are kept for the grace period.
    pub in_grace: usize,
    /// Limits that rejected whole families.
    pub limited: Vec<Arc<Limited>>,
    /// The families with the most series, in descending order; families at a limit come first.
    pub top: Vec<FamilyReport>,
}

/// One family.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FamilyReport {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge`, `histogram`, `summary` or `set`.
    pub kind: &'static str,
    /// Number of its series, without the overflow series.
    pub series: usize,
    /// Memory of its series in bytes, as the limit counts it.
    pub bytes: usize,
    /// Its labels, in descending order of their number of values.
    pub labels: Vec<LabelReport>,
    /// The limits that it hit.
    pub limited: Vec<Arc<Limited>>,
}

/// One label of a family.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LabelReport {
    /// Its name.
    pub name: String,
    /// Number of distinct values in the family's series.
    pub values: usize,
    /// Some of the values, each truncated to 120 bytes.
    pub examples: Vec<String>,
}

impl LabelReport {
    pub(super) fn new(name: &str, values: usize) -> Self {
        Self { name: name.to_owned(), values, examples: Vec::new() }
    }
}

/// Returns whether a series is selected, given its family's name and its labels.
pub type Wanted<'w> = &'w dyn Fn(&str, &[(&str, String)]) -> bool;

/// The result of a deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Number of selected series. They are deleted unless it was a dry run.
    pub series: usize,
    /// Up to 20 of them, as expositions without escaping show them: `name{label="value"}`, `{"na.me"}`.
    pub examples: Vec<String>,
}

/// Maximum number of examples of deleted series.
const EXAMPLES: usize = 20;

impl Deleted {
    pub(super) fn note(&mut self, name: &str, labels: &str) {
        self.series += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(series_text(name, labels));
        }
    }
}
