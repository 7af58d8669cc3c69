//! A request to the registry, and its answers.

use std::sync::Arc;

use super::arrival::Arrival;
use super::conflicts::Conflict;
use super::kind::FamilyKind;
use super::label_set::Labels;
use super::limited::Limited;
use super::series::Series;
use super::worker_cells::WorkerCell;
use crate::mapping::spec::RuleLimits;
use crate::name::FamilyName;

use crate::time::Timestamp;

/// The series that a new binding requests.
pub(crate) struct Request<'a> {
    /// The family's name.
    pub name: &'a FamilyName,
    /// The kind that the family must have.
    pub kind: &'a FamilyKind,
    /// The labels.
    pub labels: &'a Labels,
    /// The rule's help for the family.
    pub help: Option<Arc<str>>,
    /// The base unit of the values, if the rule states one.
    pub unit: Option<&'static str>,
    /// The pattern of the rule that matched; empty for none.
    pub origin: &'a str,
    /// Milliseconds without a sample after which the series expires; 0 for never.
    pub ttl_ms: u64,
    /// The rule's limits for the family.
    pub limits: RuleLimits,
    /// Increases with each change of rules.
    pub generation: u64,
    /// The worker that will write to the cell.
    pub worker: u32,
    /// Created timestamp of a new series: now, unless it is restored.
    pub created: Timestamp,
    /// The sample that requests the series.
    pub arrival: Arrival<'a>,
}

/// A series found or admitted for a worker.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The worker's cell.
    pub cell: WorkerCell,
    /// The series of the cell.
    pub series: Arc<Series>,
    /// The limit because of which the sample is folded into this series; `None` if the series is the requested one.
    pub folded: Option<Arc<Limited>>,
    /// Whether the family's help differs from the requested one.
    pub has_other_help: bool,
}

/// Why a series is not admitted.
#[derive(Debug)]
pub(crate) enum NotAdmitted {
    /// The family has another type, or lines would collide.
    Conflict(Arc<Conflict>),
    /// A limit was hit.
    Limited(Arc<Limited>),
}
