//! What had to be settled when a series was admitted, because it would have spoilt the page: by name, with one sample of each side.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::arrival::Arrival;
use super::kind::FamilyKind;
use crate::lock::lock;
use crate::memory::{Account, Memory};
use crate::source::Source;
use crate::telemetry::Refusal;
use crate::time::Timestamp;

/// How many conflicts are kept each on its own; what comes after them is counted under [`OTHER`].
const NAMES: usize = 100;

/// The name under which further ones are counted.
const OTHER: &str = "_other_";

/// What clashed, and so what was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The name is that of a family of another type: the first type wins, the sample is refused.
    Type,
    /// A line of the family could be mistaken for another family's (`x_sum` beside a histogram `x`): the first name wins, the
    /// sample is refused.
    Lines,
    /// The name is one of the bridge's own metrics: the sample is refused.
    OwnName,
    /// The name is one that Prometheus writes itself: the sample is refused.
    PrometheusName,
    /// Nothing is left of the name once it is mapped: the sample is refused.
    EmptyName,
    /// A label that the page format or Prometheus keeps for itself: it is renamed `exported_...`, the sample is recorded.
    ReservedLabel,
    /// Two rules give one family different helps: the first one stays, the sample is recorded.
    Help,
    /// A page's escaping gives two families one name: the sample is recorded, and such pages leave one family out.
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

    /// What was done.
    pub const fn policy(self) -> &'static str {
        match self {
            Self::Type => "refused: the first type of a name stays",
            Self::Lines => "refused: the first of two names whose lines collide stays",
            Self::OwnName => "refused: the name belongs to the bridge",
            Self::PrometheusName => "refused: Prometheus writes a metric of this name itself",
            Self::EmptyName => "refused: a metric needs a name",
            Self::ReservedLabel => "recorded: the label is renamed exported_...",
            Self::Help => "recorded: the first help of a family stays",
            Self::Escaping => "recorded, but not on pages whose escaping gives it the name of another family",
        }
    }

    /// The reason under which its samples are refused; `None` where they are recorded.
    pub const fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Type | Self::Lines => Some(Refusal::Conflict),
            Self::OwnName => Some(Refusal::OwnName),
            Self::PrometheusName => Some(Refusal::PrometheusName),
            Self::EmptyName => Some(Refusal::EmptyName),
            Self::ReservedLabel | Self::Help | Self::Escaping => None,
        }
    }
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The family's name.
    pub name: Box<str>,
    /// What it is: `counter`, `gauge`, `histogram`, `summary` or `set`.
    pub kind: &'static str,
    /// A sample as it was sent, cut at 160 bytes; for [`Reason::Help`] the help.
    pub example: Box<str>,
    /// Who sent it.
    pub source: Source,
}

/// One name, and what it clashed with.
#[derive(Debug)]
pub struct Conflict {
    /// What clashed.
    pub reason: Reason,
    /// The name, as it is kept.
    pub name: Box<str>,
    /// When it was met first.
    pub first: Timestamp,
    /// What was there before and stays; nothing for the reasons that need no other side.
    pub kept: Option<Side>,
    /// What came and was settled.
    pub came: Side,
    samples: AtomicU64,
}

impl Conflict {
    /// Counts one sample, or one new identity or page where samples are recorded all the same.
    pub fn count(&self) {
        self.samples.fetch_add(1, Relaxed);
    }

    /// Samples refused so far; for reasons whose samples are recorded: identities that met it, or pages.
    pub fn samples(&self) -> u64 {
        self.samples.load(Relaxed)
    }
}

/// By name, type and reason.
type ByName = BTreeMap<(Box<str>, &'static str, Reason), Arc<Conflict>>;

pub(super) struct Conflicts {
    by_name: Mutex<ByName>,
    /// They stay as long as it does.
    account: Arc<Account>,
}

impl Conflicts {
    pub(super) fn new(memory: &Arc<Memory>) -> Self {
        Self { by_name: Mutex::default(), account: Account::new(memory) }
    }

    /// The conflict of this name; made, and logged, when it is met for the first time.
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
    /// A sample that comes; its text is added where it is kept.
    pub(super) fn of_arrival(name: &str, kind: &FamilyKind, arrival: &Arrival<'_>) -> Self {
        Self { name: name.into(), kind: kind.as_str(), example: "".into(), source: arrival.source }
    }
}
