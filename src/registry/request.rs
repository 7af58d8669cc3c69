//! What is asked of the registry, and what it answers. Knows nothing of how it is decided.

use std::sync::Arc;

use super::arrival::Arrival;
use super::conflicts::Conflict;
use super::kind::FamilyKind;
use super::label_set::Labels;
use super::limited::Limited;
use super::series::Series;
use super::worker_cells::CellHandle;
use crate::mapping::spec::RuleLimits;
use crate::name::FamilyName;
use crate::telemetry::Refusal;
use crate::time::Timestamp;

/// What a new binding asks for.
pub(crate) struct Request<'a> {
    /// The family's name.
    pub name: &'a FamilyName,
    /// What the family is to be.
    pub kind: &'a FamilyKind,
    /// The labels.
    pub labels: &'a Labels,
    /// The family's help, if a rule says so.
    pub help: Option<Arc<str>>,
    /// The base unit of the values, if a rule says so.
    pub unit: Option<&'static str>,
    /// The rule that asks, as its pattern is written; empty for none.
    pub origin: &'a str,
    /// Milliseconds unseen after which the series expires; 0 for never.
    pub ttl_ms: u64,
    /// Limits of the family, where a rule has its own.
    pub limits: RuleLimits,
    /// Rises with each change of rules.
    pub generation: u64,
    /// The worker that will write.
    pub worker: u32,
    /// When the counting of a new series began: now, unless it is restored.
    pub created: Timestamp,
    /// The sample.
    pub arrival: Arrival<'a>,
}

/// A series found or admitted for a worker.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The worker's cell.
    pub cell: CellHandle,
    /// The series that it is of.
    pub series: Arc<Series>,
    /// Where the sample is folded into a series that stands for many: which limit did it.
    pub folded: Option<Arc<Limited>>,
    /// Whether the family has another help than was asked for.
    pub has_other_help: bool,
}

/// Why a series is not admitted.
#[derive(Debug)]
pub(crate) enum NotAdmitted {
    /// Another type, or lines that would collide.
    Conflict(Arc<Conflict>),
    /// A limit, and what is counted of it.
    Limited(Refusal, Arc<Limited>),
}
