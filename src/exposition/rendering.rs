//! An exposition that is rendered in parts, so that memory does not grow with its size. This module decides the order of families
//! and series; the formats decide their form.

use std::fmt;
use std::sync::Arc;

use super::escape::{Names, without_clashes};
use super::float::{push_canonical, push_float};
use super::line::Lines;
use super::openmetrics::{self, FamilyPart};
use super::protobuf::Messages;
use super::self_families::{created_of, self_families};
use super::shape::{Contents, Shape};
use super::{Format, How, Style, Zeroes, text};
use crate::engine::Engine;
use crate::name::Escaping;
use crate::registry::{Family, Series};
use crate::telemetry::SelfFamily;
use crate::time::Timestamp;

/// The approximate number of bytes of one part. A family's head or a series is never split.
const STEP_BYTES: usize = 64 << 10;

/// Series between two checks of the part's size; also the distance of prefetches.
const STEP_SERIES: usize = 16;

/// An exposition: all families, each with its series in a stable order, then the self-families.
pub struct Exposition {
    engine: Arc<Engine>,
    format: Format,
    style: Style,
    now: Timestamp,
    /// Both lists are sorted by name. `begun` is the number of families begun; self-families follow the others.
    families: Vec<Arc<Family>>,
    self_families: Vec<SelfFamily>,
    begun: usize,
    current: Option<Current>,
    /// The buffers of the current family.
    lines: Lines,
    messages: Messages,
    zeroes: Zeroes,
    is_ended: bool,
}

/// The current family, and the number of its series that are written.
struct Current {
    family: Arc<Family>,
    names: Names,
    series: Arc<Vec<Arc<Series>>>,
    shape: Shape,
    /// The part of a family that OpenMetrics splits.
    part: usize,
    done: usize,
}

impl Current {
    fn as_part(&self) -> FamilyPart<'_> {
        FamilyPart { family: &self.family, names: &self.names, shape: self.shape, part: self.part }
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition").field("format", &self.format).field("now", &self.now).finish_non_exhaustive()
    }
}

impl Exposition {
    /// An exposition of the series that exist now. Each value is read when it is written.
    pub(crate) fn new(engine: &Arc<Engine>, (format, escaping): (Format, Escaping), now: Timestamp) -> Self {
        if format == Format::Protobuf {
            // Only protobuf shows native buckets, so they are wanted from now on.
            engine.registry().want_native();
        }
        let style = Style::of(engine.options(), escaping);
        let (families, self_families) = families(engine, &style, now);
        let (engine, lines, messages) = (Arc::clone(engine), Lines::default(), Messages::default());
        let zeroes = Zeroes::default();
        Self { engine, format, style, now, families, self_families, begun: 0, current: None, lines, messages, zeroes, is_ended: false }
    }

    /// Leaves out the self-metrics, so that only the families of senders are shown. Call it before the first part is written.
    pub fn without_self_metrics(mut self) -> Self {
        self.self_families.clear();
        self
    }

    /// Appends all remaining parts. The exposition counts as delivered, at the time for which it was made.
    pub fn render(mut self, out: &mut Vec<u8>) {
        while self.more(out) {}
        self.delivered(self.now);
    }

    /// Notes that the exposition was completely delivered at `now`. Only then do new counters advance from the 0 that it shows: see
    /// [`Options::counters_start_at_zero`](crate::options::Options::counters_start_at_zero).
    pub fn delivered(&self, now: Timestamp) {
        self.zeroes.delivered(now);
    }

    /// The counters that it shows at 0 because they are new.
    #[cfg(feature = "cli")]
    pub(crate) fn into_zeroes(self) -> Zeroes {
        self.zeroes
    }

    /// Appends the next part, about 64 KiB. Returns false if the exposition is complete.
    pub fn more(&mut self, out: &mut Vec<u8>) -> bool {
        let full = out.len() + STEP_BYTES;
        while out.len() < full && !self.is_ended {
            self.step(out);
        }
        !self.is_ended
    }

    fn step(&mut self, out: &mut Vec<u8>) {
        if self.messages.take(out) {
            return;
        }
        if let Some(current) = self.current.take() {
            self.current = self.go_on(current, out);
            return;
        }
        let next = self.begun;
        self.begun += 1;
        if let Some(family) = self.families.get(next) {
            self.current = self.begin(Arc::clone(family), out);
        } else if let Some(family) = next.checked_sub(self.families.len()).and_then(|at| self.self_families.get(at)) {
            match self.format {
                Format::Text => text::self_family(family, out),
                Format::OpenMetrics => {
                    let created = created_of(&self.engine, family).filter(|_| self.style.created_lines);
                    openmetrics::self_family(family, (self.contents().shape_of_self_family(family), created), out)
                }
                Format::Protobuf => self.messages.self_family(family, created_of(&self.engine, family)),
            }
        } else {
            if self.format == Format::OpenMetrics {
                out.extend_from_slice(openmetrics::END);
            }
            self.is_ended = true;
        }
    }

    /// Begins a family with its head. A family without series, because its first one was rejected, has no head.
    fn begin(&mut self, family: Arc<Family>, out: &mut Vec<u8>) -> Option<Current> {
        let series = family.series();
        if series.is_empty() {
            return None;
        }
        let names = Names::of(&family, &series, self.style.escaping);
        let mut current = Current { family, names, series, shape: Shape::Typed, part: 0, done: 0 };
        match self.format {
            Format::Text => {
                self.lines.of_family(current.family.kind(), &current.names, push_float);
                text::head((&current.family, &current.names), &self.style, out);
            }
            Format::OpenMetrics => {
                self.lines.of_family(current.family.kind(), &current.names, push_canonical);
                current.shape = self.contents().shape(&current.family, (current.names.name(), &current.series), self.now);
                openmetrics::head(current.as_part(), &self.style, out);
            }
            Format::Protobuf => self.messages.begin((&current.family, &current.names), &self.style),
        }
        Some(current)
    }

    /// Writes further series. Returns `None` if the family is complete.
    fn go_on(&mut self, mut current: Current, out: &mut Vec<u8>) -> Option<Current> {
        debug_assert!(current.done <= current.series.len(), "more series than there are");
        let rest = current.series.get(current.done..).unwrap_or_default();
        let some = rest.get(..STEP_SERIES).unwrap_or(rest);
        // Series are scattered in memory: prefetch some while the ones before them are written.
        rest.iter().skip(2 * STEP_SERIES).take(STEP_SERIES).for_each(|series| series.prefetch());
        rest.iter().skip(STEP_SERIES).take(STEP_SERIES).for_each(|series| series.prefetch_values());
        self.zeroes.note(current.family.kind(), some, self.style.zero_ms);
        let named = (&*current.family, &current.names);
        let how = How { style: &self.style, now: self.now, exemplars: self.engine.registry().exemplars() };
        match self.format {
            Format::Text => text::series(named, some, (how.style, how.now), &mut self.lines, out),
            Format::OpenMetrics => openmetrics::series(current.as_part(), some, how, &mut self.lines, out),
            Format::Protobuf => self.messages.series(named, some, how),
        }
        current.done += some.len();
        if current.done < current.series.len() {
            return Some(current);
        }
        if current.part + 1 < FamilyPart::count(current.family.kind(), current.shape) {
            (current.part, current.done) = (current.part + 1, 0);
            openmetrics::head(current.as_part(), &self.style, out);
            return Some(current);
        }
        self.messages.end();
        None
    }

    fn contents(&self) -> Contents<'_> {
        let Style { escaping, fractions_keep_type, .. } = self.style;
        Contents { families: &self.families, self_families: &self.self_families, escaping, fractions_keep_type }
    }
}

/// The families and self-families of a new exposition, both sorted by their names in it.
pub(super) fn families(engine: &Engine, style: &Style, now: Timestamp) -> (Vec<Arc<Family>>, Vec<SelfFamily>) {
    let registry = engine.registry();
    if style.escaping.is_none() {
        // Self-families first, so that an exposition shows at least the samples that they report as recorded.
        let self_families = self_families(engine);
        return (registry.exposed_families(), self_families);
    }
    // Counted before the self-metrics are read, so that this exposition includes it.
    let before = registry.exposed_families();
    let (kept, left_out) = without_clashes(before.clone(), style.escaping);
    engine.telemetry().families_left_out.increment(left_out.len() as u64);
    left_out.iter().for_each(|(family, kept)| registry.note_left_out(family, kept, now));
    let self_families = self_families(engine);
    // The search for clashes is slow with many families, and a new family at this moment is rare.
    let after = registry.exposed_families();
    let is_same = before.len() == after.len() && before.iter().zip(&after).all(|(before, after)| Arc::ptr_eq(before, after));
    (if is_same { kept } else { without_clashes(after, style.escaping).0 }, self_families)
}
