//! Conflicts resolved when a series was created: by name, with one sample of each side.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::arrival::Arrival;
use super::kind::FamilyKind;
use crate::lock::lock;
use crate::memory::{Account, Memory};
use crate::source::Source;
use crate::telemetry::SampleRejection;
use crate::time::Timestamp;

/// Maximum number of conflicts with a separate entry. Further ones are counted under [`OTHER`].
const NAMES: usize = 100;

/// The name that further conflicts are counted under.
const OTHER: &str = "_other_";

/// The kind of conflict. It determines the treatment of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The name belongs to a family of another type. The first type is kept, the sample is rejected.
    Type,
    /// The lines of the family would collide with another family's (`x_sum` beside a histogram `x`). The first name is kept, the
    /// sample is rejected.
    Lines,
    /// The name belongs to a self-metric. The sample is rejected.
    OwnName,
    /// Prometheus writes a metric of this name itself. The sample is rejected.
    PrometheusName,
    /// The mapped name is empty. The sample is rejected.
    EmptyName,
    /// The exposition format or Prometheus reserves the label. It is renamed to `exported_...`, the sample is recorded.
    ReservedLabel,
    /// Two rules give one family different help texts. The first one is kept, the sample is recorded.
    Help,
    /// An exposition's escaping gives two families one name. The sample is recorded, and such expositions leave one family out.
    Escaping,
}

impl Reason {
    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Lines => "lines",
            Self::OwnName => "own_name",
            Self::PrometheusName => "prometheus_name",
            Self::EmptyName => "empty_name",
            Self::ReservedLabel => "reserved_label",
            Self::Help => "help",
            Self::Escaping => "escaping",
        }
    }

    /// The treatment of the samples.
    pub const fn policy(self) -> &'static str {
        match self {
            Self::Type => "rejected: the first type of a name is kept",
            Self::Lines => "rejected: its lines would collide with those of a family that exists",
            Self::OwnName => "rejected: the name belongs to a self-metric",
            Self::PrometheusName => "rejected: Prometheus writes a metric of this name itself",
            Self::EmptyName => "rejected: the mapped name is empty",
            Self::ReservedLabel => "recorded: the label is renamed to exported_...",
            Self::Help => "recorded: the first help of a family is kept",
            Self::Escaping => "recorded, but left out of expositions whose escaping gives it the name of another family",
        }
    }

    /// The reason that its samples are rejected under; `None` where they are recorded.
    pub(crate) const fn rejection(self) -> Option<SampleRejection> {
        match self {
            Self::Type | Self::Lines => Some(SampleRejection::Conflict),
            Self::OwnName => Some(SampleRejection::OwnName),
            Self::PrometheusName => Some(SampleRejection::PrometheusName),
            Self::EmptyName => Some(SampleRejection::EmptyName),
            Self::ReservedLabel | Self::Help | Self::Escaping => None,
        }
    }
}

/// Why a name is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// A self-metric has this name.
    Own,
    /// Prometheus writes a metric of this name itself.
    Prometheus,
}

impl Reserved {
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::Own => Reason::OwnName,
            Self::Prometheus => Reason::PrometheusName,
        }
    }

    pub(crate) const fn rejection(self) -> SampleRejection {
        match self {
            Self::Own => SampleRejection::OwnName,
            Self::Prometheus => SampleRejection::PrometheusName,
        }
    }
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Side {
    /// The family's name.
    pub name: Box<str>,
    /// `counter`, `gauge`, `histogram`, `summary` or `set`.
    pub kind: &'static str,
    /// A sample as it was sent, truncated to 160 bytes; for [`Reason::Help`] the help.
    pub example: Box<str>,
    /// The sender of the sample.
    pub source: Source,
}

/// A name with a conflict.
#[derive(Debug)]
pub struct Conflict {
    /// The kind of conflict.
    pub reason: Reason,
    /// The family's name, or `_other_` for conflicts beyond the first 100.
    pub name: Box<str>,
    /// Time of the first sample in conflict.
    pub first: Timestamp,
    /// The family that existed before and is kept; `None` for the reasons that involve no other family.
    pub kept: Option<Side>,
    /// The sample in conflict.
    pub came: Side,
    samples: AtomicU64,
}

impl Conflict {
    /// Counts one sample; for reasons whose samples are recorded, one new identity or one exposition.
    pub(crate) fn count(&self) {
        self.samples.fetch_add(1, Relaxed);
    }

    /// Samples rejected so far; for reasons whose samples are recorded, identities or expositions.
    pub fn samples(&self) -> u64 {
        self.samples.load(Relaxed)
    }
}

/// By name, type and reason.
type ByName = BTreeMap<(Box<str>, &'static str, Reason), Arc<Conflict>>;

pub(super) struct Conflicts {
    by_name: Mutex<ByName>,
    /// The memory is never released, because conflicts are kept as long as the registry.
    account: Arc<Account>,
}

impl Conflicts {
    pub(super) fn new(memory: &Arc<Memory>) -> Self {
        Self { by_name: Mutex::default(), account: Account::new(memory) }
    }

    /// The conflict of this name. Created and logged when it occurs for the first time.
    pub(super) fn of(&self, reason: Reason, came: Side, arrival: &Arrival<'_>, kept: impl FnOnce() -> Option<Side>) -> Arc<Conflict> {
        let mut by_name = lock(&self.by_name);
        let key = |name: &str| (Box::from(name), came.kind, reason);
        let is_named = by_name.len() < NAMES || by_name.contains_key(&key(&came.name));
        let name: Box<str> = if is_named { came.name.clone() } else { OTHER.into() };
        let new = || {
            let (came, kept) = (Side { example: arrival.example().into(), ..came }, kept());
            let taken_by = kept.as_ref().map_or("", |kept| &kept.name);
            let sample = &*came.example;
            tracing::warn!(%name, reason = reason.as_str(), sample, source = %came.source, taken_by, "{}", reason.policy());
            let texts = [&*came.name, &*came.example].into_iter().chain(kept.iter().flat_map(|kept| [&*kept.name, &*kept.example]));
            self.account.take(2 * size_of::<Conflict>() + 2 * name.len() + texts.map(str::len).sum::<usize>());
            Arc::new(Conflict { reason, name: name.clone(), first: arrival.now, kept, came, samples: AtomicU64::new(0) })
        };
        Arc::clone(by_name.entry(key(&name)).or_insert_with(new))
    }

    pub(super) fn all(&self) -> Vec<Arc<Conflict>> {
        lock(&self.by_name).values().map(Arc::clone).collect()
    }
}

impl Side {
    /// The side of an incoming sample. Its text is added where the conflict is kept.
    pub(super) fn of_arrival(name: &str, kind: &FamilyKind, arrival: &Arrival<'_>) -> Self {
        Self { name: name.into(), kind: kind.as_str(), example: "".into(), source: arrival.source }
    }
}
