//! What people ask of the registry: which families and labels take the room, and what hit a limit. Plain values; their form on
//! the wire is not known here.

use std::sync::Arc;

use super::limited::Limited;
use crate::name::series_text;

/// Series against their limits, and the families that have the most.
#[derive(Debug, Clone)]
pub struct Cardinality {
    /// Series in all, overflow series not counted.
    pub series: usize,
    /// The limit on them.
    pub series_limit: usize,
    /// Bytes that they take, as the limit counts them.
    pub series_bytes: usize,
    /// The limit on these.
    pub series_bytes_limit: usize,
    /// Families.
    pub families: usize,
    /// The limit on them.
    pub families_limit: usize,
    /// Expired series whose values are kept for the case that they come back.
    pub resting: usize,
    /// What kept whole families out.
    pub limited: Vec<Arc<Limited>>,
    /// The families with the most series, most first; those at a limit before all others.
    pub top: Vec<FamilyReport>,
}

/// One family.
#[derive(Debug, Clone)]
pub struct FamilyReport {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge`, `histogram`, `summary` or `set`.
    pub kind: &'static str,
    /// Its series, the overflow series not counted.
    pub series: usize,
    /// Bytes that they take, as the limit counts them.
    pub bytes: usize,
    /// Its labels, those with the most values first.
    pub labels: Vec<LabelReport>,
    /// The limits that it has hit.
    pub limited: Vec<Arc<Limited>>,
}

/// One label of a family.
#[derive(Debug, Clone)]
pub struct LabelReport {
    /// Its name.
    pub name: String,
    /// Distinct values in the family's series.
    pub values: usize,
    /// Some of them, each cut at 120 bytes.
    pub examples: Vec<String>,
}

impl LabelReport {
    pub(super) fn new(name: &str, values: usize) -> Self {
        Self { name: name.to_owned(), values, examples: Vec::new() }
    }
}

/// Says of a family's name and a series' labels whether it is meant.
pub type Wanted<'w> = &'w dyn Fn(&str, &[(&str, String)]) -> bool;

/// What a deletion found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    /// How many series match, and so are gone unless it was a dry run.
    pub series: usize,
    /// Up to 20 of them, as the page shows them where names stay as they are: `name{label="value"}`, `{"na.me"}`.
    pub examples: Vec<String>,
}

/// How many deleted series are named.
const NAMED: usize = 20;

impl Deleted {
    pub(super) fn note(&mut self, name: &str, labels: &str) {
        self.series += 1;
        if self.examples.len() < NAMED {
            self.examples.push(series_text(name, labels));
        }
    }
}
