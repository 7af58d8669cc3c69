//! One cycle: all series at one timestamp, in the order of the exposition. Stale markers of a family follow its series; those of whole
//! families follow all families, because their series may exist again in another one.

mod gone_now;

use std::collections::VecDeque;
use std::sync::Arc;

use super::changes::{Differences, Index, News, differences, family_named};
use super::current::{Times, Zero};
use super::gone::GoneSeries;
use super::kind::Form;
use super::memory::{Sent, SentFamily, WriteMemory};
use super::message::{Batches, WriteBatch};
use super::options::{HistogramForm, WriteOptions, WriteVersion};
use super::selection::{selected, selects};
use super::up;
use super::writer::{Full, Writer};
use crate::engine::Engine;
use crate::exposition::Style;
use crate::exposition::escape::Names;
use crate::exposition::rendering::families;
use crate::exposition::self_families::created_of;
use crate::name::Escaping;
use crate::registry::{Family, FamilyKind, Series, identity, push_label, split};
use crate::telemetry::{SelfFamily, SelfSeries};
use crate::time::Timestamp;

/// How long the lines of one batch are recorded at most, in milliseconds.
const BATCH_MS: u64 = 10_000;

/// The distance of prefetches, in series.
const AHEAD: usize = 16;

/// One cycle: all series at one timestamp, made in batches, so that memory does not grow with the number of series.
pub(crate) struct WriteCycle {
    engine: Arc<Engine>,
    options: Arc<WriteOptions>,
    help: &'static str,
    escaping: Option<Escaping>,
    now: Timestamp,
    before: Arc<Sent>,
    /// What is sent in this cycle so far, with its time.
    sent: Sent,
    batches: Batches,
    writer: Writer,
    stage: Stage,
    /// Stale markers that are written next.
    pending: VecDeque<GoneSeries>,
    /// Families of the previous cycle that are gone or have another form.
    changed: Vec<usize>,
    /// The number of families of the previous cycle that are compared.
    compared: usize,
    families: std::vec::IntoIter<Arc<Family>>,
    lost: std::vec::IntoIter<GoneSeries>,
    index_now: Index,
    index_before: Index,
}

/// The part of the cycle that is written next.
enum Stage {
    NextFamily,
    /// The series of the last family in `sent`.
    Family(Position),
    /// The stale markers of series of a family that persists: its place in the previous cycle, the places of the series.
    Gone(usize, std::vec::IntoIter<usize>),
    /// The stale markers of the family at this place in `changed`, and the next of its series.
    Changed(usize, usize),
    /// The series of a self-family: places of family and series.
    OfSelf(usize, usize),
    /// The stale markers of self-families of the previous cycle: place of the family.
    GoneSelf(usize),
    Lost,
    End,
}

/// The position in a family.
struct Position {
    done: usize,
    news: News,
    gone: Option<(usize, Vec<usize>)>,
}

impl WriteCycle {
    /// A cycle of the series that exist now. `time`, in wall time, is the timestamp of every sample, and strictly later than that of the
    /// previous cycle. Start timestamps and exemplars, which are in wall time too, are compared with it.
    pub(crate) fn new(engine: &Arc<Engine>, options: &Arc<WriteOptions>, memory: &WriteMemory, time: Timestamp) -> Self {
        if options.histograms == HistogramForm::Native {
            // Histograms keep native buckets from now on.
            engine.registry().want_native();
        }
        let mut cycle = Self::empty(engine, options, memory, time);
        let (families, self_families) = families(engine, &Style::of(engine.options(), cycle.named()), cycle.now);
        let selects = |family: &SelfFamily, series: &SelfSeries| options.self_metrics && selects(options, family.name(), &series.labels);
        cycle.sent.self_families = self_families;
        cycle.sent.self_families.iter_mut().for_each(|family| {
            let head = SelfFamily { head: Arc::clone(&family.head), series: Vec::new() };
            family.series.retain(|series| selects(&head, series));
            family.series.iter_mut().for_each(|series| sort_labels(&mut series.labels));
        });
        cycle.sent.self_families.retain(|family| !family.series.is_empty());
        cycle.add_up(&families);
        cycle.families = families.into_iter();
        cycle
    }

    /// A cycle without families.
    fn empty(engine: &Arc<Engine>, options: &Arc<WriteOptions>, memory: &WriteMemory, time: Timestamp) -> Self {
        let before = Arc::clone(&memory.sent);
        debug_assert!(before.time.is_none_or(|before| before < time), "a cycle is later than the previous one");
        Self {
            engine: Arc::clone(engine),
            options: Arc::clone(options),
            help: Style::of(engine.options(), Escaping::default()).help,
            escaping: None,
            now: time.shifted(engine.registry().wall().millis().saturating_neg()),
            sent: Sent {
                time: Some(time),
                hasher: before.hasher,
                exemplars: engine.registry().exemplars().next_number(),
                ..Sent::default()
            },
            before,
            batches: Batches::new(options),
            writer: Writer::new(options),
            stage: Stage::NextFamily,
            pending: VecDeque::new(),
            changed: Vec::new(),
            compared: 0,
            families: Vec::new().into_iter(),
            lost: memory.lost.clone().into_iter(),
            index_now: Index::default(),
            index_before: Index::default(),
        }
        .with_escaping()
    }

    fn with_escaping(mut self) -> Self {
        self.escaping = Style::of(self.engine.options(), self.named()).escaping;
        self
    }

    fn named(&self) -> Escaping {
        match self.options.version {
            WriteVersion::V1 => Escaping::default(),
            WriteVersion::V2 => Escaping::AllowUtf8,
        }
    }

    /// Adds `up`, unless a sender sends it.
    fn add_up(&mut self, families: &[Arc<Family>]) {
        let is_up = |series: &Arc<Series>| identity(series.labels()).is_empty();
        let has_name = |family: &Family| !matches!(Form::of(family.kind(), &self.options), Form::Classic | Form::Summary);
        let mut named = families.iter().filter(|family| family.name().as_str() == up::NAME && has_name(family));
        let is_sent = named.any(|family| family.series().iter().any(is_up));
        up::add(&self.options, is_sent, &mut self.sent.self_families);
    }

    /// Sets the time on the caller's timeline, which summaries need for their windows. Without it, it is derived from `time` and the
    /// offset of the wall clock. A caller that moved `time` ahead to keep it increasing, because the wall clock was set back, must set it.
    pub(crate) fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The next batch; `None` after the last one.
    pub(crate) fn next(&mut self) -> Option<WriteBatch> {
        loop {
            if self.step().is_err() {
                return Some(self.batches.finish());
            }
            if matches!(self.stage, Stage::End) && self.pending.is_empty() {
                return (!self.batches.is_empty()).then(|| self.batches.finish());
            }
        }
    }

    /// Takes back the body of a batch that is no longer needed, for the next one.
    pub(crate) fn reuse(&mut self, body: Vec<u8>) {
        self.batches.reuse(body);
    }

    /// The memory for the next cycle. Call it after the last batch. A cycle that is dropped before leaves the old memory valid.
    pub(crate) fn into_memory(self) -> WriteMemory {
        debug_assert!(matches!(self.stage, Stage::End), "a cycle that is not complete");
        WriteMemory { sent: Arc::new(self.sent), lost: Vec::new() }
    }

    /// Writes a part of the cycle.
    fn step(&mut self) -> Result<(), Full> {
        if let Some(gone) = self.pending.pop_front() {
            return self.marker(gone);
        }
        match std::mem::replace(&mut self.stage, Stage::End) {
            Stage::NextFamily => self.stage = self.next_family(),
            Stage::Family(mut position) => {
                let result = self.family(&mut position);
                let is_done = self.sent.families.last().is_none_or(|family| position.done >= family.series.len());
                self.stage = match (is_done, position.gone.take()) {
                    (false, gone) => Stage::Family(Position { gone, ..position }),
                    (true, Some((at, gone))) => Stage::Gone(at, gone.into_iter()),
                    (true, None) => Stage::NextFamily,
                };
                return result;
            }
            Stage::Gone(at, mut gone) => {
                if let Some(place) = gone.next() {
                    self.series_gone(at, place);
                    self.stage = Stage::Gone(at, gone);
                } else {
                    self.stage = Stage::NextFamily;
                }
            }
            Stage::Changed(nth, next) => self.stage = self.changed(nth, next),
            Stage::OfSelf(family, series) => return self.of_self(family, series),
            Stage::GoneSelf(nth) => self.stage = self.gone_self(nth),
            Stage::Lost => {
                if let Some(gone) = self.lost.next() {
                    self.gone_unless_known(gone);
                    self.stage = Stage::Lost;
                }
            }
            Stage::End => {}
        }
        Ok(())
    }

    /// Begins the next family and compares it with the previous cycle.
    fn next_family(&mut self) -> Stage {
        let Some(family) = self.families.next() else {
            self.changed.extend(self.compared..self.before.families.len());
            return Stage::Changed(0, 0);
        };
        let all = family.series();
        if all.is_empty() {
            return Stage::NextFamily;
        }
        let names = Names::of(&family, &all, self.escaping);
        while self.before.families.get(self.compared).is_some_and(|before| before.names.name() < names.name()) {
            self.changed.push(self.compared);
            self.compared += 1;
        }
        let before = self.before.families.get(self.compared).filter(|before| before.names.name() == names.name());
        let series = selected(&self.options, &family, &all, before);
        if series.is_empty() {
            return Stage::NextFamily;
        }
        let sent = SentFamily { form: Form::of(family.kind(), &self.options), family, names, all, series };
        let (news, gone) = match before {
            Some(before) if before.is_like(&sent) => {
                let Differences { came, gone } = differences(&before.series, &sent.series);
                let news = if came.is_empty() { News::None } else { News::Some(came, 0) };
                (news, (!gone.is_empty()).then_some((self.compared, gone)))
            }
            before => {
                if before.is_some() {
                    self.changed.push(self.compared);
                }
                (News::All { may_be_known: self.may_be_known(&sent) }, None)
            }
        };
        self.compared += usize::from(before.is_some());
        self.writer.begin(&sent, self.help);
        self.sent.families.push(sent);
        Stage::Family(Position { done: 0, news, gone })
    }

    /// Whether a family of the previous cycle may have had a series of a name that this one has.
    fn may_be_known(&self, sent: &SentFamily) -> bool {
        let (name, before) = (sent.names.name(), &self.before.families);
        let has = |name: &str| family_named(before, name).is_some();
        let suffixes = ["_bucket", "_sum", "_count"];
        has(name) || suffixes.iter().any(|suffix| name.strip_suffix(suffix).is_some_and(has) || has(&format!("{name}{suffix}")))
    }

    /// Writes series of the current family.
    fn family(&mut self, position: &mut Position) -> Result<(), Full> {
        let Self { engine, options, sent, batches, writer, before, index_before, .. } = self;
        let time = sent.time.unwrap_or_default();
        let exemplars = options.exemplars.then(|| (engine.registry().exemplars(), before.exemplars..sent.exemplars));
        let times = Times { time, now: self.now, exemplars };
        let Some(family) = sent.families.last() else { return Ok(()) };
        let zero_at = before.time.filter(|_| options.zero_samples && is_sum(family.family.kind()));
        let self_form = Form::of_classic(options);
        // The bridge's own series may have had this name.
        let is_up = family.names.name() == up::NAME;
        let mut is_known = |line: &GoneSeries| {
            let known = (&*line.name, &*line.labels);
            before.marked.contains(&before.hash(known.0, known.1)) || index_before.has(before, known, self_form)
        };
        while let Some(series) = family.series.get(position.done) {
            if position.done.is_multiple_of(AHEAD) {
                prefetch(&family.series, position.done);
            }
            let is_new = position.news.has(position.done);
            // A series that returns within its grace period continues from its old value, so it is not new.
            let zero_at = zero_at.filter(|at| is_new && is_created_since(series, *at, before.is_gap));
            let zero = match zero_at {
                None => Zero::No,
                Some(at) if before.marked.is_empty() && !is_up && !position.news.may_be_known() => Zero::At(at),
                Some(at) => Zero::Unless(at, &mut is_known),
            };
            writer.series((family, series), zero, &times, batches)?;
            position.news.done(is_new);
            position.done += 1;
        }
        Ok(())
    }

    fn begin_self(&mut self, family: usize) {
        if let Some(family) = self.sent.self_families.get(family) {
            self.writer.begin_self(family, Form::of_classic(&self.options));
        }
    }

    /// Writes the next series of a self-family.
    fn of_self(&mut self, nth: usize, at: usize) -> Result<(), Full> {
        let Some(family) = self.sent.self_families.get(nth) else {
            self.stage = Stage::GoneSelf(0);
            return Ok(());
        };
        let Some(series) = family.series.get(at) else {
            self.begin_self(nth + 1);
            self.stage = Stage::OfSelf(nth + 1, 0);
            return Ok(());
        };
        self.stage = Stage::OfSelf(nth, at);
        let how = (Form::of_classic(&self.options), created_of(&self.engine, family));
        self.writer.self_series(series, how, self.sent.time.unwrap_or_default(), &mut self.batches)?;
        self.stage = Stage::OfSelf(nth, at + 1);
        Ok(())
    }
}

impl WriteMemory {
    /// A cycle of stale markers of everything that the last cycle had, for an orderly end.
    pub(crate) fn all_gone(&self, engine: &Arc<Engine>, options: &Arc<WriteOptions>, time: Timestamp) -> WriteCycle {
        WriteCycle::empty(engine, options, self, time)
    }
}

/// Whether a series that the previous cycle did not have was created since. The worker that creates a series reads the clock before the
/// batch of lines, so a series may be created, and missing in that cycle, although its created timestamp is earlier.
fn is_created_since(series: &Series, before: Timestamp, is_gap: bool) -> bool {
    // A series that returns expired before the previous cycle, so it was created a ttl before, at least.
    let tolerance_ms = match (is_gap, series.ttl_ms()) {
        (true, _) => 0,
        (false, 0) => BATCH_MS,
        (false, ttl_ms) => BATCH_MS.min(ttl_ms / 2),
    };
    series.created().as_millis().saturating_add(tolerance_ms) >= before.as_millis()
}

/// Whether the series of a family are sums.
fn is_sum(kind: &FamilyKind) -> bool {
    *kind == FamilyKind::Counter || kind.is_observer()
}

/// Series are scattered in memory: prefetches some while the ones before them are written.
fn prefetch(series: &[Arc<Series>], done: usize) {
    series.iter().skip(done + 2 * AHEAD).take(AHEAD).for_each(|series| series.prefetch());
    series.iter().skip(done + AHEAD).take(AHEAD).for_each(|series| series.prefetch_values());
}

/// Sorts the labels of a self-metric by name. They are in the order in which the metric was described.
fn sort_labels(labels: &mut Arc<str>) {
    if split(labels).is_sorted_by(|(a, _), (b, _)| a <= b) {
        return;
    }
    let mut pairs: Vec<_> = split(labels).collect();
    pairs.sort();
    let mut sorted = String::with_capacity(labels.len());
    for (name, value) in &pairs {
        if !sorted.is_empty() {
            sorted.push(',');
        }
        push_label(name, value, &mut sorted);
    }
    *labels = sorted.into();
}
