//! Batches while viewers watch: lines that a viewer may want are recorded one by one, so that the counts say what became of each.
//!
//! Apart from the pipeline's loop, which records all other datagrams of such a batch, and every datagram while nothing watches.

use std::sync::Arc;

use super::{Batch, Datagram, Worker, sums};
use crate::ingest::protocol::{Line, Sample, SampleError, parse_line};
use crate::source::Source;
use crate::tap::{Mapping, TapCount, TapWork, TappedLine, Verdict, Viewer};
use crate::time::Timestamp;

/// A datagram, and whether its lines are recorded one by one.
struct Marked<'a> {
    datagram: Datagram<'a>,
    /// Whether the budget allowed to compare its names.
    is_examined: bool,
    /// The viewers that may want a line of it, and have room for one.
    viewers: Vec<Arc<Viewer>>,
}

/// A viewer while the names of a datagram are compared.
struct View<'a> {
    viewer: &'a Arc<Viewer>,
    has_room: bool,
    /// Lines that it wants.
    wanted: usize,
}

impl View<'_> {
    /// Whether it may want to see a line, and can.
    fn sees(&self) -> bool {
        self.has_room && self.wanted > 0
    }
}

impl Worker {
    /// Whether a viewer watches, so that batches should go through [`ingest_watched`](Self::ingest_watched).
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.engine.taps().is_watched()
    }

    /// As [`ingest_batch`](Self::ingest_batch), and shows lines to the viewers.
    #[cold]
    #[inline(never)]
    pub(crate) fn ingest_watched<'a>(&mut self, datagrams: impl Iterator<Item = Datagram<'a>>, now: Timestamp) {
        let viewers = self.engine.taps().viewers();
        self.tap_budget.refill(now);
        let marked: Vec<_> = datagrams.map(|datagram| self.mark(datagram, &viewers, now)).collect();
        self.enter();
        let (before, mut unexamined) = (self.tally.lines, 0);
        for run in marked.chunk_by(|one, next| one.path() == next.path()) {
            let lines = self.tally.lines;
            match run {
                [first, ..] if first.viewers.is_empty() => self.ingest_entered(run.iter().map(|marked| marked.datagram), now),
                _ => run.iter().for_each(|marked| self.ingest_one_by_one(marked, now)),
            }
            if run.first().is_some_and(|first| !first.is_examined) {
                unexamined += self.tally.lines - lines;
            }
        }
        let arrived = self.tally.lines - before;
        for viewer in viewers.iter() {
            viewer.count(TapCount::Arrived, arrived);
            viewer.count(TapCount::Unexamined, unexamined);
        }
        self.leave();
    }

    /// Compares sender and names of a datagram with the filters. Lines for a viewer without room are counted here, because a datagram
    /// that no viewer has room for is recorded with the others, which costs less.
    fn mark<'a>(&mut self, datagram: Datagram<'a>, viewers: &[Arc<Viewer>], now: Timestamp) -> Marked<'a> {
        if self.tap_budget.is_spent() {
            return Marked { datagram, is_examined: false, viewers: Vec::new() };
        }
        self.tap_budget.spend(TapWork::Source, viewers.iter().filter(|viewer| viewer.filter().source.is_some()).count());
        let from_it = viewers.iter().filter(|viewer| viewer.filter().wants_source(datagram.source));
        let mut views: Vec<_> = from_it.map(|viewer| View { viewer, has_room: viewer.has_room(now), wanted: 0 }).collect();
        let mut compared = 0;
        for name in lines(datagram.bytes).map(name) {
            // One line is enough for a viewer that has room for it.
            for view in views.iter_mut().filter(|view| !view.sees()) {
                compared += 1;
                view.wanted += usize::from(view.viewer.filter().wants_name(name));
            }
        }
        self.tap_budget.spend(TapWork::Name, compared);
        views.iter().filter(|view| !view.has_room).for_each(|view| view.viewer.miss(view.wanted));
        let viewers = views.into_iter().filter(View::sees).map(|view| Arc::clone(view.viewer)).collect();
        Marked { datagram, is_examined: true, viewers }
    }

    /// Records a datagram line by line.
    fn ingest_one_by_one(&mut self, marked: &Marked<'_>, now: Timestamp) {
        if self.origin.is_some() {
            self.ingest_wanted::<true>(marked, now);
        } else {
            self.ingest_wanted::<false>(marked, now);
        }
    }

    fn ingest_wanted<const ORIGIN: bool>(&mut self, marked: &Marked<'_>, now: Timestamp) {
        let Datagram { bytes, source } = marked.datagram;
        let mut batch = Batch::of(source);
        if ORIGIN {
            batch.origin_hash = self.bindings.hash_of_origin(self.origin_of(source).as_slice());
        }
        if let Some(senders) = &mut self.senders {
            senders.enter(now);
            senders.datagram(source, bytes.len(), || sums(&self.tally, 0));
            if let Some(count) = senders.lines_to_reject(source, bytes) {
                self.reject_datagram(count, bytes, source, now);
                let verdict = Verdict::rejected(SampleError::SourceLinesLimit);
                return lines(bytes).for_each(|line| {
                    let seeing = self.seeing(marked, line, now);
                    self.show(&seeing, line, source, now, |_| verdict.clone());
                });
            }
        }
        for line in bytes.split(|byte| *byte == b'\n') {
            let seeing = if line.is_empty() { Vec::new() } else { self.seeing(marked, line, now) };
            if seeing.is_empty() {
                self.line::<ORIGIN>(line, &mut batch, now);
                continue;
            }
            // The samples before it are recorded first, so that the counts change by this line alone.
            self.record_batch::<ORIGIN>(&mut batch, now);
            let before = self.tally.clone();
            self.line::<ORIGIN>(line, &mut batch, now);
            self.record_batch::<ORIGIN>(&mut batch, now);
            self.show(&seeing, line, source, now, |worker| Verdict::between(&before, &worker.tally));
        }
        self.record_batch::<ORIGIN>(&mut batch, now);
    }

    /// The viewers that want the name of a line and have room for it. It counts the line for those without room.
    fn seeing<'a>(&self, marked: &'a Marked<'_>, line: &[u8], now: Timestamp) -> Vec<&'a Viewer> {
        let wants = |viewer: &&Viewer| viewer.filter().wants_name(name(line));
        let has_room = |viewer: &&Viewer| {
            let has_room = !self.tap_budget.is_spent() && viewer.has_room(now);
            if !has_room {
                viewer.miss(1);
            }
            has_room
        };
        marked.viewers.iter().map(|viewer| &**viewer).filter(wants).filter(has_room).collect()
    }

    /// Shows a recorded line to viewers that want its name.
    fn show(&mut self, viewers: &[&Viewer], line: &[u8], source: &Source, now: Timestamp, verdict: impl Fn(&Self) -> Verdict) {
        if viewers.is_empty() {
            return;
        }
        self.tap_budget.spend(TapWork::Judge, 1);
        let mapping = self.mapping_of(line, source);
        let seen = TappedLine { at: now, source: *source, line: line.to_owned(), verdict: verdict(self), mapping };
        for viewer in viewers {
            viewer.count(TapCount::Matched, 1);
            let count = if !viewer.filter().wants_result(&seen.verdict, seen.mapping.as_ref()) {
                TapCount::Filtered
            } else if viewer.give(&seen) {
                TapCount::Shown
            } else {
                TapCount::Missed
            };
            viewer.count(count, 1);
        }
    }

    /// What the rules make of the first sample of a line.
    fn mapping_of(&mut self, line: &[u8], source: &Source) -> Option<Mapping> {
        let sample: Sample<'_> = match parse_line(line, &self.dialect) {
            Line::Sample(sample) => sample,
            Line::Samples(mut samples) => samples.find_map(Result::ok)?,
            _ => return None,
        };
        let mut mapping = self.resolver.mapping_of(&sample, source)?;
        let (hash, key) = (self.hash(&sample, source), self.origin_of(source));
        let binding = self.bindings.find(hash, &sample, key.as_slice()).and_then(|id| self.bindings.get(id, &sample, key.as_slice()));
        mapping.is_folded = binding.and_then(|binding| binding.extra.as_ref()).is_some_and(|extra| extra.folded.is_some());
        Some(mapping)
    }

    /// Shows a line that the receiver rejected, of which `line` is the beginning.
    #[cold]
    pub(super) fn show_rejected(&mut self, reason: SampleError, line: &[u8], source: &Source, now: Timestamp) {
        let viewers = self.engine.taps().viewers();
        self.tap_budget.refill(now);
        let marked = self.mark(Datagram { bytes: line, source }, &viewers, now);
        for viewer in viewers.iter() {
            viewer.count(TapCount::Arrived, 1);
            viewer.count(TapCount::Unexamined, u64::from(!marked.is_examined));
        }
        let seeing = self.seeing(&marked, line, now);
        self.show(&seeing, line, source, now, |_| Verdict::rejected(reason));
    }
}

impl Marked<'_> {
    /// Datagrams of one path are recorded together.
    fn path(&self) -> (bool, bool) {
        (self.is_examined, self.viewers.is_empty())
    }
}

/// The lines that are not empty.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let next = move || {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end)?;
        let after = rest.get(end + 1..).unwrap_or_default();
        let is_end = rest.is_empty();
        rest = after;
        (!is_end).then_some(line)
    };
    std::iter::from_fn(next).filter(|line| !line.is_empty())
}

/// The raw name of a line, without tags in any of their styles; the whole line if it has no value.
fn name(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|byte| matches!(byte, b':' | b'|' | b',' | b';' | b'#' | b'['));
    end.and_then(|end| line.get(..end)).unwrap_or(line)
}

#[cfg(test)]
mod tests;
