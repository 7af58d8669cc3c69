//! New series and rates of families over the last 15 minutes, so that the family that grows is found after it began to.
//!
//! A timer of the program reads counters that exist, every 5 s. Nothing is done for a sample. At most [`FAMILIES`] families are followed,
//! those that made most series since they began, in less than 640 KiB. Not seen: further families, families with longer names, and the
//! rates of families whose series are too many to read every 5 s. Must not know how it is shown.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::registry::{Family, FamilyKind, Registry, ShownValue};
use crate::time::Timestamp;

/// Families that are followed.
const FAMILIES: usize = 512;

/// Longer names are not followed.
const NAME_BYTES: usize = 256;

/// Milliseconds of one part of the time.
const PART_MS: u64 = 5_000;

/// Parts that are kept: 15 minutes.
const PARTS: usize = 180;

/// Series of counters that are read at once. Those of histograms and summaries cost more.
const READ: usize = 20_000;

/// The minutes over which new series are summed.
pub(super) const MINUTES: [u64; 3] = [1, 5, 15];

/// What is known of a family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Growth {
    /// New series in the last [`MINUTES`], also those that ended since.
    pub(super) new: [u64; 3],
    /// Since when the family is followed, if that is later than its first series and than the start: new series before are not known.
    pub(super) since: Option<Timestamp>,
    /// The rate by second over the last interval: the increase of a counter, the observations of a histogram or a summary. `None` for other
    /// kinds, before the second reading, and with too many series.
    pub(super) rate: Option<f64>,
}

/// The families that are followed.
#[derive(Debug, Default)]
pub(super) struct FamilyHistory(Mutex<Followed>);

#[derive(Debug, Default)]
struct Followed {
    families: HashMap<Box<str>, Track>,
    /// Whether the families were read before.
    has_begun: bool,
    /// Whether a family was left out at the last reading.
    was_full: bool,
}

#[derive(Debug)]
struct Track {
    /// Series that the family made, at the last reading.
    made: u64,
    since: Option<Timestamp>,
    /// New series by part, at the place of its number modulo [`PARTS`].
    parts: Box<[u32; PARTS]>,
    /// The number of the last part.
    last_part: u64,
    /// The last reading of the sum that the rate is about.
    read: Option<(Timestamp, f64)>,
    rate: Option<f64>,
}

impl FamilyHistory {
    /// Reads all families. Call it every 5 s.
    pub(super) fn observe(&self, registry: &Registry, now: Timestamp) {
        let mut followed = lock(&self.0);
        let mut all: Vec<Candidate> = registry.families().into_iter().filter_map(|family| followed.candidate(family)).collect();
        let is_full = all.len() > FAMILIES;
        if is_full {
            all.select_nth_unstable_by_key(FAMILIES, |candidate| std::cmp::Reverse((candidate.made, candidate.is_followed)));
            all.truncate(FAMILIES);
        }
        let since = (followed.has_begun && followed.was_full).then_some(now);
        let is_new_from_birth = followed.has_begun && !followed.was_full;
        let mut before = std::mem::take(&mut followed.families);
        for candidate in &all {
            let name = candidate.family.name().as_str();
            let track = before.remove(name);
            let mut track = track.unwrap_or_else(|| Track::new(if is_new_from_birth { 0 } else { candidate.made }, since, now));
            track.note(candidate.made, now);
            followed.families.insert(name.into(), track);
        }
        // A family that ended still says how many series it made.
        for (name, mut track) in before {
            if followed.families.len() >= FAMILIES {
                break;
            }
            track.advance(now);
            (track.made, track.read, track.rate) = (0, None, None);
            if track.new_in(PARTS, now) > 0 {
                followed.families.insert(name, track);
            }
        }
        (followed.has_begun, followed.was_full) = (true, is_full);
        followed.read_rates(all, now);
    }

    /// What is known of each family that is followed.
    pub(super) fn all(&self, now: Timestamp) -> HashMap<Box<str>, Growth> {
        lock(&self.0).families.iter().map(|(name, track)| (name.clone(), track.growth(now))).collect()
    }
}

/// A family that may be followed.
struct Candidate {
    family: Arc<Family>,
    series: usize,
    made: u64,
    is_followed: bool,
}

impl Followed {
    fn candidate(&self, family: Arc<Family>) -> Option<Candidate> {
        let name = family.name().as_str();
        let is_followed = self.families.contains_key(name);
        let (series, made) = family.len_and_made();
        (name.len() <= NAME_BYTES).then_some(Candidate { series, made, is_followed, family })
    }

    /// Reads the sums of the families, the smallest first, until enough was read.
    fn read_rates(&mut self, mut all: Vec<Candidate>, now: Timestamp) {
        all.sort_by_key(|candidate| candidate.series);
        let mut left = READ;
        for Candidate { family, series, .. } in all {
            let Some(track) = self.families.get_mut(family.name().as_str()) else { continue };
            let cost = series.saturating_mul(cost_of(family.kind())).max(1);
            let sum = if cost <= left { sum_of(&family, now) } else { None };
            left = left.saturating_sub(if sum.is_some() { cost } else { 0 });
            track.rate = sum.zip(track.read).and_then(|(sum, (at, before))| {
                let millis = now.millis_since(at);
                // A sum is smaller after series have ended.
                (millis > 0).then(|| (sum - before).max(0.0) * 1000.0 / millis as f64)
            });
            track.read = sum.map(|sum| (now, sum));
        }
    }
}

/// The cost of reading a series, in those of a counter.
fn cost_of(kind: &FamilyKind) -> usize {
    match kind {
        FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => 1,
        FamilyKind::Histogram { .. } => 8,
        FamilyKind::Summary(_) => 50,
    }
}

/// The sum of a family that never goes down while its series stay; `None` for gauges and sets.
fn sum_of(family: &Family, now: Timestamp) -> Option<f64> {
    if matches!(family.kind(), FamilyKind::Gauge | FamilyKind::Set) {
        return None;
    }
    let values = family.series();
    let values = values.iter().map(|series| match series.shown_value(family.kind(), now) {
        ShownValue::Number(number) => number,
        ShownValue::Observed { count, .. } => count,
    });
    Some(values.sum::<f64>()).filter(|sum| sum.is_finite())
}

impl Track {
    fn new(made: u64, since: Option<Timestamp>, now: Timestamp) -> Self {
        Self { made, since, parts: Box::new([0; PARTS]), last_part: part(now), read: None, rate: None }
    }

    /// Notes the number of series that the family made so far.
    fn note(&mut self, made: u64, now: Timestamp) {
        self.advance(now);
        // A family that began again starts at 0.
        let new = if made >= self.made { made - self.made } else { made };
        self.made = made;
        if let Some(count) = self.parts.get_mut(place(self.last_part)) {
            *count = count.saturating_add(u32::try_from(new).unwrap_or(u32::MAX));
        }
    }

    /// Clears the parts since the last one.
    fn advance(&mut self, now: Timestamp) {
        let passed = part(now).saturating_sub(self.last_part);
        for number in 0..passed.min(PARTS as u64) {
            if let Some(count) = self.parts.get_mut(place(self.last_part + 1 + number)) {
                *count = 0;
            }
        }
        self.last_part += passed;
    }

    /// New series in the last parts, that of now included.
    fn new_in(&self, parts: usize, now: Timestamp) -> u64 {
        let first = part(now).saturating_sub(parts as u64 - 1).max(self.last_part.saturating_sub(PARTS as u64 - 1));
        (first..=self.last_part).filter_map(|number| self.parts.get(place(number))).map(|count| u64::from(*count)).sum()
    }

    fn growth(&self, now: Timestamp) -> Growth {
        let new = MINUTES.map(|minutes| self.new_in((minutes * 60_000 / PART_MS) as usize, now));
        Growth { new, since: self.since, rate: self.rate }
    }
}

/// The number of the part that a time is in.
fn part(now: Timestamp) -> u64 {
    now.as_millis() / PART_MS
}

fn place(part: u64) -> usize {
    (part % PARTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Bridge;
    use crate::options::{Limits, Options};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    #[test]
    fn new_series_are_summed_over_minutes() {
        let (bridge, history) = (Bridge::of_program(Options::default()), FamilyHistory::default());
        let mut worker = bridge.worker();
        worker.ingest(b"old:1|c|#k:0", at(0));
        history.observe(bridge.registry(), at(0));
        for second in (5..=1_000).step_by(5) {
            worker.ingest(format!("old:3|c|#k:0\ngrows:1|ms|#k:{second}\ngrows:1|ms|#k:{second}\nlevel:1|g").as_bytes(), at(second));
            history.observe(bridge.registry(), at(second));
        }
        let all = history.all(at(1_000));
        assert_eq!(all["old"], Growth { new: [0, 0, 0], since: None, rate: Some(0.6) });
        assert_eq!(all["grows"], Growth { new: [12, 60, 180], since: None, rate: Some(0.4) });
        assert_eq!((all["level"].new, all["level"].rate), ([0, 0, 0], None));
        assert_eq!(history.all(at(1_299))["grows"].new, [0, 1, 121], "time passes without a reading");
        assert_eq!(history.all(at(9_000))["grows"].new, [0, 0, 0]);
    }

    #[test]
    fn a_family_that_ended_is_known_until_it_is_old() {
        let (bridge, history) = (Bridge::of_program(Options::default()), FamilyHistory::default());
        let mut worker = bridge.worker();
        history.observe(bridge.registry(), at(0));
        worker.ingest(b"short:1|c|#k:0\nshort:1|c|#k:1", at(1));
        history.observe(bridge.registry(), at(5));
        bridge.delete_series(&|name, _| name == "short", false);
        history.observe(bridge.registry(), at(10));
        assert_eq!(history.all(at(10))["short"].new, [2, 2, 2]);
        worker.ingest(b"short:1|c|#k:2", at(11));
        history.observe(bridge.registry(), at(15));
        assert_eq!(history.all(at(15))["short"].new, [3, 3, 3]);
        bridge.delete_series(&|name, _| name == "short", false);
        (0..=1_000).step_by(5).for_each(|second| history.observe(bridge.registry(), at(20 + second)));
        assert!(history.all(at(1_020)).is_empty());
    }

    /// However many families and series there are, the memory is that of 512 families.
    #[test]
    fn an_attack_does_not_make_it_grow() {
        let limits = Limits { families: 300_000, series: 400_000, series_bytes: 4 << 30, ..Limits::default() };
        let (bridge, history) = (Bridge::of_program(Options { limits, ..Options::default() }), FamilyHistory::default());
        let mut worker = bridge.worker();
        (0..20).for_each(|number| worker.ingest(format!("large:1|c|#k:{number}").as_bytes(), at(0)));
        history.observe(bridge.registry(), at(0));
        for number in 0..200_000 {
            worker.ingest(format!("attack.{number}:1|c").as_bytes(), at(1));
        }
        worker.ingest(format!("{}:1|c", "n".repeat(NAME_BYTES + 1)).as_bytes(), at(1));
        assert!(bridge.registry().family_count() > 200_000, "{}", bridge.registry().family_count());
        history.observe(bridge.registry(), at(5));
        (0..30).for_each(|number| worker.ingest(format!("late:1|c|#k:{number}").as_bytes(), at(6)));
        history.observe(bridge.registry(), at(10));
        let all = history.all(at(10));
        assert_eq!(all.len(), FAMILIES);
        assert!(all.keys().all(|name| name.len() <= NAME_BYTES));
        assert_eq!((all["large"].new[0], all["large"].since), (0, None), "a large family keeps its place");
        assert_eq!((all["late"].new[0], all["late"].since), (0, Some(at(10))), "how many of its series are new is not known");
        let each = size_of::<Box<str>>() + NAME_BYTES + size_of::<Track>() + size_of::<[u32; PARTS]>();
        assert!(FAMILIES * each < 640 << 10, "{each}");
    }
}
