//! Families and series as plain data, to be saved before a restart and restored after it.
//!
//! Saved values are merged over workers. A restored value is the cell of one more worker, [`BASE`](super::parts::BASE), and the first worker with a sample
//! of the series takes that cell over. Restored series are admitted as new ones are: with the same limits, conflicts and folding. Knows
//! neither files nor encodings.

mod form;
mod restoring;

use std::sync::Arc;

use super::Registry;
use super::family::Family;
use super::grace::Expired;
use super::kind::FamilyKind;
use super::series::Series;
use crate::mapping::spec::RuleLimits;
use crate::name::NameValidation;
use crate::options::NativeOptions;
use crate::registry::cell::{SavedNative, SavedSet, SavedSummary};
use crate::time::Timestamp;

/// Maximum number of series in a piece, which is in memory at once.
const PIECE_SERIES: usize = 1_024;

/// Bytes after which a piece ends, about.
const PIECE_BYTES: usize = 256 << 10;

/// Maximum number of series in a piece of series in their grace period.
const GRACE_PIECE_SERIES: usize = PIECE_SERIES / 16;

/// A family, or a piece of one: a large family is saved in several pieces that differ in their series only. Opaque, for
/// [`Bridge::save`](crate::Bridge::save) and [`Bridge::restore`](crate::Bridge::restore); with the feature `state`, serde keeps it.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedFamily {
    /// The name.
    pub(crate) name: String,
    /// Type, buckets, quantiles.
    pub(crate) kind: SavedKind,
    /// The help of its rule.
    pub(crate) help: Option<String>,
    /// The pattern of the rule that created it; empty for none.
    pub(crate) origin: String,
    /// The label names of its first series, which are those of the overflow series.
    pub(crate) first_names: Vec<String>,
    /// The series.
    pub(crate) series: Vec<SavedSeries>,
}

/// The kind of a family.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum SavedKind {
    /// A sum that never goes down.
    Counter,
    /// A value that is set or changed.
    Gauge,
    /// A distinct count.
    Set,
    /// Classic buckets, and native ones.
    Histogram {
        /// Finite upper bounds in ascending order.
        bounds: Vec<f64>,
        /// Options of native buckets; `None` if it has none.
        native: Option<NativeOptions>,
    },
    /// Quantiles over a sliding window.
    Summary {
        /// Quantiles from 0 to 1 in ascending order.
        quantiles: Vec<f64>,
        /// Length of the window in milliseconds.
        max_age_ms: u64,
        /// Number of steps of the window.
        age_buckets: u32,
    },
}

/// A series. Its times are in wall time.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct SavedSeries {
    /// The labels as expositions without escaping show them.
    pub labels: String,
    /// Whether it is the family's overflow series.
    pub overflow: bool,
    /// Time of the last write, in milliseconds since 1970.
    pub last_ms: u64,
    /// Milliseconds without a sample after which it expires; 0 for never.
    pub ttl_ms: u64,
    /// Created timestamp, in milliseconds since 1970.
    pub created_ms: u64,
    /// End of its grace period, in milliseconds since 1970; 0 for a series that has not expired.
    pub grace_until_ms: u64,
    /// The value.
    pub value: SavedValue,
}

/// A value, merged over workers.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum SavedValue {
    /// A counter or a gauge.
    Number(f64),
    /// A histogram.
    Histogram {
        /// Sum of value times weight.
        sum: f64,
        /// Weight by bucket, not cumulative, `+Inf` last.
        buckets: Vec<f64>,
        /// Native buckets, if it has any.
        native: Option<SavedNative>,
    },
    /// A summary.
    Summary(SavedSummary),
    /// A set.
    Set(SavedSet),
    /// A histogram with native buckets that expositions show as floats, because one of its counts was a fraction once.
    FloatHistogram {
        /// As in [`SavedValue::Histogram`].
        sum: f64,
        /// As in [`SavedValue::Histogram`].
        buckets: Vec<f64>,
        /// Native buckets.
        native: SavedNative,
    },
    /// A new counter that expositions show at 0.
    NewCounter {
        /// The value of the counter.
        sum: f64,
        /// Second since 1970 from which expositions show the value; 0 while the 0 was not delivered.
        shown_from_s: u32,
    },
}

/// The result of restoring series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Series restored.
    pub series: u64,
    /// Series folded into their family's overflow series, because of a limit.
    pub folded: u64,
    /// Series not restored: a gauge or a new family at a limit, a name in conflict, or contents that no bridge would save.
    pub rejected: u64,
    /// Series not restored because their ttl or their grace period has passed.
    pub expired: u64,
}

impl Restored {
    const ONE: Self = Self { series: 1, folded: 0, rejected: 0, expired: 0 };
    const ONE_FOLDED: Self = Self { series: 0, folded: 1, rejected: 0, expired: 0 };
    const ONE_REJECTED: Self = Self { series: 0, folded: 0, rejected: 1, expired: 0 };
    const ONE_EXPIRED: Self = Self { series: 0, folded: 0, rejected: 0, expired: 1 };
}

impl std::ops::AddAssign for Restored {
    fn add_assign(&mut self, other: Self) {
        self.series += other.series;
        self.folded += other.folded;
        self.rejected += other.rejected;
        self.expired += other.expired;
    }
}

/// How a family is restored under the rules in force.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RestoreRules {
    /// The ttl in milliseconds of series that were saved without one; 0 for never.
    pub ttl_ms: u64,
    /// The rule's limits for the family.
    pub limits: RuleLimits,
    /// The validation of names.
    pub names: NameValidation,
    /// Whether counters, histograms and summaries start at 0: expositions may have shown later values than the saved ones.
    pub sums_from_zero: bool,
}

/// Calls `each` with every series, family by family in pieces of bounded size. Values are those of the moment when they are read. No
/// lock is held while `each` runs. Ends at the first error.
///
/// # Errors
///
/// The first error of `each`.
pub(crate) fn save<E>(registry: &Registry, now: Timestamp, each: &mut dyn FnMut(&SavedFamily) -> Result<(), E>) -> Result<(), E> {
    // A series may return or expire while families are saved. So the grace period is read before and after them. A series that is
    // saved twice is restored as one that has not expired.
    let mut in_grace = registry.grace.all();
    let moment = Moment { now, wall_ms: registry.wall().millis(), has_zeroes: registry.counters_start_at_zero };
    registry.families().iter().try_for_each(|family| save_family(family, moment, each))?;
    in_grace.extend(registry.grace.all());
    in_grace.sort_by(|a, b| (&a.name, a.series.labels()).cmp(&(&b.name, b.series.labels())));
    in_grace.dedup_by(|a, b| Arc::ptr_eq(&a.series, &b.series));
    save_in_grace(&in_grace, moment, each)
}

/// The time of a snapshot, the offset of the wall clock at that time, and whether expositions show new counters at 0 first.
#[derive(Clone, Copy)]
struct Moment {
    now: Timestamp,
    wall_ms: i64,
    has_zeroes: bool,
}

fn save_in_grace<E>(all: &[Expired], moment: Moment, each: &mut dyn FnMut(&SavedFamily) -> Result<(), E>) -> Result<(), E> {
    for family in all.chunk_by(|a, b| a.name == b.name && a.kind == b.kind) {
        for piece in family.chunks(GRACE_PIECE_SERIES) {
            let Some(first) = piece.first() else {
                debug_assert!(false, "a chunk is not empty");
                continue;
            };
            let head = SavedFamily::empty(first.name.as_str(), &first.kind);
            let saved = |expired: &Expired| {
                let series = SavedSeries::of(&expired.series, &expired.kind, moment);
                let series = SavedSeries { last_ms: moment.now.as_millis(), grace_until_ms: expired.end_ms, ..series };
                series.shifted(moment.wall_ms, &head.kind)
            };
            each(&SavedFamily { series: piece.iter().map(saved).collect(), ..head.clone() })?;
        }
    }
    Ok(())
}

impl SavedFamily {
    fn empty(name: &str, kind: &FamilyKind) -> Self {
        let (name, origin) = (name.to_owned(), String::new());
        Self { name, kind: SavedKind::of(kind), help: None, origin, first_names: Vec::new(), series: Vec::new() }
    }
}

impl SavedSeries {
    /// A series that has not expired and is not the overflow series.
    fn of(series: &Series, kind: &FamilyKind, moment: Moment) -> Self {
        Self {
            labels: series.labels().to_owned(),
            overflow: false,
            last_ms: series.last().unwrap_or(moment.now.as_millis()),
            ttl_ms: series.ttl_ms(),
            created_ms: series.created().as_millis(),
            grace_until_ms: 0,
            value: SavedValue::of(series, kind, moment),
        }
    }
}

fn save_family<E>(family: &Family, moment: Moment, each: &mut dyn FnMut(&SavedFamily) -> Result<(), E>) -> Result<(), E> {
    let snapshot = family.snapshot();
    let mut piece = SavedFamily {
        help: snapshot.help.as_deref().map(str::to_owned),
        origin: family.origin().to_owned(),
        first_names: snapshot.first_names,
        ..SavedFamily::empty(family.name().as_str(), family.kind())
    };
    let mut bytes = 0;
    for series in snapshot.series.iter() {
        // The series is expiring now. `save` finds it in its grace period, if there is one.
        if series.is_expired() {
            continue;
        }
        let overflow = snapshot.overflow.as_ref().is_some_and(|overflow| Arc::ptr_eq(overflow, series));
        let saved = SavedSeries { overflow, ..SavedSeries::of(series, family.kind(), moment) }.shifted(moment.wall_ms, &piece.kind);
        bytes += saved.labels.len() + saved.value.bytes();
        piece.series.push(saved);
        if piece.series.len() >= PIECE_SERIES || bytes >= PIECE_BYTES {
            each(&piece)?;
            piece.series.clear();
            bytes = 0;
        }
    }
    if piece.series.is_empty() { Ok(()) } else { each(&piece) }
}
