//! Families and series as plain data, to be kept over a restart and taken up again.
//!
//! What is kept is merged over workers. It comes back as one more worker's part, the [`BASE`], with which the first
//! worker that meets the series goes on. Admission is that of new series: limits, conflicts and folding are the same. Knows no file and no encoding.

mod form;

use std::sync::Arc;

use super::Registry;
use super::arrival::Arrival;
use super::family::Family;
use super::kind::FamilyKind;
use super::label_set::{Labels, split};
use super::parts::BASE;
use super::request::Request;
use super::series::Series;
use crate::mapping::spec::RuleLimits;
use crate::name::{FamilyName, NameValidation};
use crate::options::NativeOptions;
use crate::registry::cell::{SavedNative, SavedSet, SavedSummary};
use crate::source::Source;
use crate::time::Timestamp;

/// Series of one piece, and bytes of it, about: what is in memory at once.
const PIECE_SERIES: usize = 1_024;
const PIECE_BYTES: usize = 256 << 10;

/// A family, or a piece of it: a large family comes in several, each with the same head.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedFamily {
    /// The name.
    pub name: String,
    /// Type, buckets, quantiles.
    pub kind: SavedKind,
    /// The help that a rule gave.
    pub help: Option<String>,
    /// The rule that made it, as its pattern is written; empty for none.
    pub origin: String,
    /// The label names of its first series, which are those of the overflow series.
    pub first_names: Vec<String>,
    /// Series.
    pub series: Vec<SavedSeries>,
}

/// What a family is.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub enum SavedKind {
    /// A sum that never goes down.
    Counter,
    /// A value that is set or changed.
    Gauge,
    /// A distinct count.
    Set,
    /// Classic buckets, and native ones.
    Histogram {
        /// Upper bounds, ascending, finite.
        bounds: Vec<f64>,
        /// How native buckets are kept; `None` if they are not.
        native: Option<NativeOptions>,
    },
    /// Quantiles over a sliding window.
    Summary {
        /// Ascending, each within 0 to 1.
        quantiles: Vec<f64>,
        /// Length of the window in milliseconds.
        max_age_ms: u64,
        /// Steps of the window.
        age_buckets: u32,
    },
}

/// A series.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedSeries {
    /// The labels as the page shows them.
    pub labels: String,
    /// Whether it is the family's overflow series.
    pub overflow: bool,
    /// When it was last written, milliseconds since 1970, as all times here in wall time.
    pub last_ms: u64,
    /// Milliseconds unseen after which it expires; 0 for never.
    pub ttl_ms: u64,
    /// When its counting began, milliseconds since 1970.
    pub created_ms: u64,
    /// When its grace period ends, milliseconds since 1970: it has expired, and goes on if it comes back before. 0 for one that lives.
    pub resting_until_ms: u64,
    /// The value.
    pub value: SavedValue,
}

/// A value, merged over workers.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub enum SavedValue {
    /// Of a counter or a gauge.
    Number(f64),
    /// Of a histogram.
    Histogram {
        /// Sum of value times weight.
        sum: f64,
        /// Weight by bucket, not cumulative, `+Inf` last.
        buckets: Vec<f64>,
        /// Native buckets, if it has any.
        native: Option<SavedNative>,
    },
    /// Of a summary.
    Summary(SavedSummary),
    /// Of a set.
    Set(SavedSet),
    /// Of a histogram with native buckets whose counts are shown as floats, because one of them was a fraction once.
    FloatHistogram {
        /// As in [`SavedValue::Histogram`].
        sum: f64,
        /// As in [`SavedValue::Histogram`].
        buckets: Vec<f64>,
        /// Native buckets.
        native: SavedNative,
    },
    /// Of a counter that expositions show at 0, because it is new.
    NewCounter {
        /// What it is worth.
        sum: f64,
        /// Second since 1970 from which expositions show that; 0 while nobody has got the 0.
        shown_from_s: u32,
    },
}

/// What became of series that were to be restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Series that are there again.
    pub series: u64,
    /// Series folded into their family's overflow series, because of a limit.
    pub folded: u64,
    /// Series not restored: a gauge or a new family at a limit, a name that is taken, or nothing that could have been saved.
    pub refused: u64,
    /// Series not restored because their ttl passed meanwhile.
    pub expired: u64,
}

impl std::ops::AddAssign for Restored {
    fn add_assign(&mut self, other: Self) {
        self.series += other.series;
        self.folded += other.folded;
        self.refused += other.refused;
        self.expired += other.expired;
    }
}

/// What the rules in force say of a restored family.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RestoreRules {
    /// Milliseconds unseen after which a series expires that had no ttl so far; 0 for never.
    pub ttl_ms: u64,
    /// Limits of the family, where its rule has its own.
    pub limits: RuleLimits,
    /// Which names are taken.
    pub names: NameValidation,
    /// Whether counters, histograms and summaries begin at 0: what was saved of them is older than what expositions have shown.
    pub sums_from_zero: bool,
}

/// Shows every series to `each`, family by family in pieces of bounded size. Values are those of the moment when they are
/// read; no lock is held while `each` runs. Ends at the first error.
///
/// # Errors
///
/// The first one that `each` returned.
pub(crate) fn save<E>(registry: &Registry, now: Timestamp, each: &mut dyn FnMut(&SavedFamily) -> Result<(), E>) -> Result<(), E> {
    // One that comes back while families are saved may be in none of those saved later, and one that expires in none of those
    // before; who is both alive and in grace is restored alive.
    let mut in_grace = registry.grace.all();
    let moment = Moment { now, wall_ms: registry.wall().millis(), has_zeroes: registry.counters_start_at_zero };
    registry.families().iter().try_for_each(|family| save_family(family, moment, each))?;
    in_grace.extend(registry.grace.all());
    in_grace.sort_by(|a, b| (&a.0, a.2.labels()).cmp(&(&b.0, b.2.labels())));
    in_grace.dedup_by(|a, b| Arc::ptr_eq(&a.2, &b.2));
    save_in_grace(&in_grace, moment, each)
}

/// When series are saved, how far the wall clock is ahead then, and whether expositions show counters at 0 first.
#[derive(Clone, Copy)]
struct Moment {
    now: Timestamp,
    wall_ms: i64,
    has_zeroes: bool,
}

impl SavedFamily {
    /// Restores this piece of a family. To be called before the first sample, from one thread.
    pub(crate) fn restore(self, registry: &Registry, rules: RestoreRules, now: Timestamp) -> Restored {
        let all_refused = Restored { refused: self.series.len() as u64, ..Restored::default() };
        let Some((name, kind)) = checked_name(&self.name, rules.names).zip(self.kind.restore()) else { return all_refused };
        let no_labels = Labels::new(rules.names);
        let request = Request {
            name: &name,
            kind: &kind,
            labels: &no_labels,
            help: self.help.as_deref().map(Arc::from),
            // The rules say it anew with the first sample.
            unit: None,
            origin: &self.origin,
            ttl_ms: rules.ttl_ms,
            limits: rules.limits,
            generation: 0,
            worker: BASE,
            created: registry.wall().of(now),
            arrival: Arrival { text: &|| "restored from the state file".to_owned(), source: Source::Unknown, now },
        };
        // Where native buckets were kept they go on; also those of series to come, as before.
        if self.series.iter().any(|series| series.value.has_native()) {
            registry.want_native();
            kind.want_native();
        }
        let from_zero = rules.sums_from_zero && kind.accumulates();
        let mut restored = Restored::default();
        let to_timeline_ms = registry.wall().millis().saturating_neg();
        for series in self.series {
            let series = series.shifted(to_timeline_ms, &self.kind);
            restored += match series.resting_until_ms {
                0 => series.restore(registry, &request, (&self.first_names, from_zero)),
                // Without its value there is nothing to come back to.
                _ if from_zero => Restored { expired: 1, ..Restored::default() },
                end => series.restore_in_grace(registry, &request, end),
            };
        }
        restored
    }
}

impl SavedSeries {
    fn restore(self, registry: &Registry, request: &Request<'_>, (first_names, from_zero): (&[String], bool)) -> Restored {
        let (one, none) = (1, Restored::default());
        let refused = Restored { refused: one, ..none };
        // After the clock went back, a time to come would keep the series for longer than its ttl.
        let now = request.arrival.now;
        let last = Timestamp::from_millis(self.last_ms.min(now.as_millis()));
        // A series without a ttl may have got one with new flags or rules; otherwise it would stay until a sample comes.
        let ttl_ms = if self.ttl_ms > 0 { self.ttl_ms } else { request.ttl_ms };
        if ttl_ms > 0 && now.as_millis() - last.as_millis() >= ttl_ms {
            return Restored { expired: one, ..none };
        }
        let Some(labels) = checked_labels(&self.labels, request.kind, request.labels.names()) else { return refused };
        if !self.value.is_of(request.kind) {
            return refused;
        }
        let Ok(family) = registry.create(request, request.limits.overflow.unwrap_or(registry.limits.overflow)) else { return refused };
        if family.kind() != request.kind {
            return refused;
        }
        family.restore_first_names(first_names);
        let now_by_wall = request.created;
        let created = if from_zero { now_by_wall } else { now_by_wall.min(Timestamp::from_millis(self.created_ms)) };
        let arrival = Arrival { now: last, ..request.arrival };
        let request = Request { labels: &labels, help: request.help.clone(), ttl_ms, created, arrival, ..*request };
        let admitted = if self.overflow {
            Ok((family.restore_overflow(&request), false))
        } else {
            registry.admit(&request).map(|admitted| ((admitted.cell, admitted.series), admitted.folded.is_some()))
        };
        if let Ok(((_, series), is_folded)) = &admitted
            && !from_zero
        {
            // A 0 after a value that expositions have shown would be a fall.
            series.set_shown_from_s(if *is_folded { 1 } else { self.value.shown_from_s() });
        }
        match admitted {
            Ok(((cell, _), _)) if !(from_zero || self.value.absorbed_by(&cell, now)) => refused,
            Ok(((cell, _), true)) => {
                // What was folded before may have been written later.
                cell.stamp().touch(now.as_millis());
                Restored { folded: one, ..none }
            }
            Ok((_, false)) => Restored { series: one, ..none },
            Err(_) => refused,
        }
    }

    /// One that had expired before, and whose grace period goes on.
    fn restore_in_grace(self, registry: &Registry, request: &Request<'_>, end_ms: u64) -> Restored {
        let now = request.arrival.now;
        let family = registry.families.get(request.name.as_str());
        if end_ms <= now.as_millis() || family.is_some_and(|family| family.has(&self.labels)) {
            return Restored { expired: 1, ..Restored::default() };
        }
        let is_good = checked_labels(&self.labels, request.kind, request.labels.names()).is_some() && self.value.is_of(request.kind);
        let series = Arc::new(Series::new(&self.labels, request.kind, (Timestamp::from_millis(self.created_ms), registry.grace.account())));
        series.set_shown_from_s(self.value.shown_from_s());
        let cell = series.cell(request.kind, BASE, (self.ttl_ms, now)).filter(|_| is_good);
        if !cell.is_some_and(|cell| self.value.absorbed_by(&cell, now)) {
            return Restored { refused: 1, ..Restored::default() };
        }
        series.retire_now();
        registry.grace.put_until(request.name, request.kind, &series, end_ms);
        Restored { series: 1, ..Restored::default() }
    }
}

fn save_in_grace<E>(
    all: &[(FamilyName, FamilyKind, Arc<Series>, u64)],
    moment: Moment,
    each: &mut dyn FnMut(&SavedFamily) -> Result<(), E>,
) -> Result<(), E> {
    for family in all.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1) {
        for piece in family.chunks(PIECE_SERIES / 16) {
            let Some((name, kind, ..)) = piece.first() else { continue };
            let saved = |(_, kind, series, end_ms): &(FamilyName, FamilyKind, Arc<Series>, u64)| SavedSeries {
                last_ms: moment.now.as_millis(),
                resting_until_ms: *end_ms,
                ..SavedSeries::of(series, kind, moment)
            };
            let head = SavedFamily::empty(name.as_str(), kind);
            let series = piece.iter().map(|one| saved(one).shifted(moment.wall_ms, &head.kind)).collect();
            each(&SavedFamily { series, ..head })?;
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
    /// A series that lives and is no overflow series.
    fn of(series: &Series, kind: &FamilyKind, moment: Moment) -> Self {
        Self {
            labels: series.labels().to_owned(),
            overflow: false,
            last_ms: series.last().unwrap_or(moment.now.as_millis()),
            ttl_ms: series.ttl_ms(),
            created_ms: series.created().as_millis(),
            resting_until_ms: 0,
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
        // Retired: it has outlived its ttl, and is in grace if it may be.
        if series.is_retired() {
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

/// The name, if it is one as they are kept.
fn checked_name(text: &str, names: NameValidation) -> Option<FamilyName> {
    FamilyName::new(text, names).filter(|name| name.as_str() == text)
}

/// The labels, if this is how they would be rendered, and none would spoil the page.
fn checked_labels(text: &str, kind: &FamilyKind, names: NameValidation) -> Option<Labels> {
    let (mut labels, mut legal) = (Labels::new(names), String::new());
    for (name, value) in split(text) {
        legal.clear();
        names.push_name(&name, &mut legal);
        if name.is_empty() || legal != *name || kind.reserves(&name) {
            return None;
        }
        labels.push(&name, &value);
    }
    labels.finish();
    Some(labels).filter(|labels| labels.text() == text)
}
