//! The expected result of a script, in simple code: maps from names and labels to values, without limits, bytes, threads and
//! batches.

use std::collections::{BTreeMap, BTreeSet};

use super::script::{Sent, Step};
use super::{CLASSIC, COUNTER_TTL_MS, GAUGE_TTL_MS, RULED_TTL_MS, SMALL};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Set,
    Histogram(&'static [f64]),
    Summary,
}

/// The target of a line under the current rules.
struct Mapped {
    name: String,
    kind: Kind,
    origin: &'static str,
    labels: String,
    ttl_ms: u64,
}

#[derive(Debug, Clone, Default)]
struct Series {
    number: f64,
    members: BTreeSet<u32>,
    /// Weights by observed value in thousandths.
    observed: BTreeMap<u32, f64>,
    last_ms: u64,
    ttl_ms: u64,
}

struct Family {
    kind: Kind,
    origin: &'static str,
    /// The newest rules under which the family received a sample.
    generation: u64,
    series: BTreeMap<String, Series>,
}

/// The outcomes of samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub recorded: u64,
    pub rejected: u64,
    pub dropped: u64,
}

#[derive(Default)]
pub struct Model {
    now_ms: u64,
    grace_ms: u64,
    /// Whether series expire.
    expires: bool,
    rules: usize,
    generation: u64,
    families: BTreeMap<String, Family>,
    /// Expired series, each with the end of its grace period.
    in_grace: BTreeMap<(String, String), (Kind, Series, u64)>,
    pub counts: Counts,
}

impl Model {
    pub fn new(now_ms: u64, expires: bool, grace_ms: u64) -> Self {
        Self { now_ms, expires, grace_ms, ..Self::default() }
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Send { sent, .. } => self.send(sent),
            Step::Wait { millis } => self.now_ms += millis,
            Step::Expire { between } => {
                // A line between mark and removal keeps its series, like a line before the mark. Grace periods end first.
                self.end_grace();
                between.iter().for_each(|(_, sent)| self.send(sent));
                self.expire();
            }
            Step::Rules(number) => (self.rules, self.generation) = (*number, self.generation + 1),
            Step::Restart { orderly } => self.restart(*orderly),
            Step::Delete { name, who } => self.delete(*name, *who),
            Step::Compare => {}
        }
    }

    fn map(&self, sent: &Sent) -> Option<Mapped> {
        let mut labels: Vec<_> = sent.who.iter().map(|who| ("who", *who)).collect();
        let (mut name, mut origin, mut ttl_ms, mut observer) = (sent.name.replace('.', "_"), "", None, Kind::Histogram(&CLASSIC));
        match (self.rules, sent.name.split('.').collect::<Vec<_>>().as_slice()) {
            (1, ["debug", _]) => return None,
            (1 | 2, ["svc", service, "hits"]) => {
                (name, origin) = ("svc_hits".to_owned(), "svc.*.hits");
                labels.push(("service", *service));
                ttl_ms = (self.rules == 1).then_some(RULED_TTL_MS);
            }
            (2, ["h", _]) => (origin, observer) = ("h.*", Kind::Histogram(&SMALL)),
            (3, ["h", _]) => (origin, observer) = ("h.*", Kind::Summary),
            _ => {}
        }
        let kind = match sent.kind {
            "c" => Kind::Counter,
            "g" => Kind::Gauge,
            "s" => Kind::Set,
            _ => observer,
        };
        labels.sort_unstable();
        let text = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        let labels = labels.iter().map(text).collect::<Vec<_>>().join(",");
        Some(Mapped { name, kind, origin, labels, ttl_ms: ttl_ms.unwrap_or(self.default_ttl_ms(kind)) })
    }

    fn default_ttl_ms(&self, kind: Kind) -> u64 {
        match kind {
            _ if !self.expires => 0,
            Kind::Counter | Kind::Histogram(_) | Kind::Summary => COUNTER_TTL_MS,
            Kind::Gauge => GAUGE_TTL_MS,
            Kind::Set => 0,
        }
    }

    fn send(&mut self, sent: &Sent) {
        let samples = u64::from(sent.packed);
        let Some(mapped) = self.map(sent) else { return self.counts.dropped += samples };
        // Each value of a packed line is a sample. -0 is a valid value.
        for value in sent.values() {
            if sent.sign == "-" && mapped.kind == Kind::Counter && value > 0 || !self.admit(&mapped) {
                self.counts.rejected += 1;
                continue;
            }
            self.counts.recorded += 1;
            let Some(family) = self.families.get_mut(&mapped.name) else { unreachable!("it was admitted") };
            let series = family.series.entry(mapped.labels.clone()).or_default();
            (series.last_ms, series.ttl_ms) = (self.now_ms, mapped.ttl_ms);
            match (sent.kind, sent.sign) {
                ("g", "") => series.number = f64::from(value),
                ("g", "-") => series.number -= f64::from(value),
                ("g", _) => series.number += f64::from(value),
                ("c", _) => series.number += f64::from(value) / sent.rate,
                ("s", _) => {
                    series.members.insert(value);
                }
                ("ms", _) => *series.observed.entry(value).or_default() += 1.0 / sent.rate,
                _ => *series.observed.entry(value * 1000).or_default() += 1.0 / sent.rate,
            }
        }
    }

    /// Whether the sample is admitted. Creates its family and its series, or restores the series from its grace period.
    fn admit(&mut self, mapped: &Mapped) -> bool {
        let is_observer = |kind: Kind| matches!(kind, Kind::Histogram(_) | Kind::Summary);
        let is_outdated = |family: &Family| {
            let can_change = !mapped.origin.is_empty() || is_observer(family.kind) && is_observer(mapped.kind);
            family.kind != mapped.kind && family.origin == mapped.origin && family.generation < self.generation && can_change
        };
        if self.families.get(&mapped.name).is_some_and(is_outdated) {
            self.families.remove(&mapped.name);
        }
        if !self.families.contains_key(&mapped.name) {
            if self.lines_collide(mapped) {
                return false;
            }
            let (kind, origin) = (mapped.kind, mapped.origin);
            self.families.insert(mapped.name.clone(), Family { kind, origin, generation: self.generation, series: BTreeMap::new() });
        }
        let Some(family) = self.families.get_mut(&mapped.name) else { unreachable!("it is there, or was made") };
        if std::mem::discriminant(&family.kind) != std::mem::discriminant(&mapped.kind) {
            return false;
        }
        family.generation = self.generation;
        if !family.series.contains_key(&mapped.labels) {
            let old = self.in_grace.remove(&(mapped.name.clone(), mapped.labels.clone()));
            let back = old.filter(|(kind, ..)| *kind == family.kind).map(|(_, series, _)| series);
            family.series.insert(mapped.labels.clone(), back.unwrap_or_default());
        }
        true
    }

    /// Whether `h_count` would exist beside a histogram `h`.
    fn lines_collide(&self, mapped: &Mapped) -> bool {
        let suffixes = |kind: Kind| match kind {
            Kind::Histogram(_) => &["_sum", "_count", "_bucket"][..],
            Kind::Summary => &["_sum", "_count"],
            _ => &[],
        };
        let of_new = suffixes(mapped.kind).iter().any(|suffix| self.families.contains_key(&format!("{}{suffix}", mapped.name)));
        of_new || self.families.iter().any(|(name, family)| suffixes(family.kind).iter().any(|s| format!("{name}{s}") == mapped.name))
    }

    fn end_grace(&mut self) {
        self.in_grace.retain(|_, (.., end_ms)| *end_ms > self.now_ms);
    }

    fn expire(&mut self) {
        let (now_ms, grace_ms, in_grace) = (self.now_ms, self.grace_ms, &mut self.in_grace);
        for (name, family) in &mut self.families {
            family.series.retain(|labels, series| {
                let is_old = series.ttl_ms > 0 && now_ms - series.last_ms >= series.ttl_ms;
                if is_old && grace_ms > 0 && !matches!(family.kind, Kind::Gauge | Kind::Set) {
                    in_grace.insert((name.clone(), labels.clone()), (family.kind, std::mem::take(series), now_ms + grace_ms));
                }
                !is_old
            });
        }
        self.families.retain(|_, family| !family.series.is_empty());
    }

    fn restart(&mut self, orderly: bool) {
        self.end_grace();
        let in_grace = std::mem::take(&mut self.in_grace);
        // Expired series are left out, without a grace period. This includes series that get a ttl only now.
        self.generation = 1;
        self.counts = Counts::default();
        // A series without a ttl gets the ttl of the rule that created its family.
        let of_family = |family: &Family| match family.origin {
            "svc.*.hits" if self.rules == 1 => RULED_TTL_MS,
            _ => self.default_ttl_ms(family.kind),
        };
        let ttls: Vec<_> = self.families.values().map(of_family).collect();
        for (family, ttl_ms) in self.families.values_mut().zip(ttls) {
            family.generation = 0;
            family.series.values_mut().filter(|series| series.ttl_ms == 0).for_each(|series| series.ttl_ms = ttl_ms);
            let is_level = matches!(family.kind, Kind::Gauge | Kind::Set);
            for series in family.series.values_mut().filter(|_| !orderly && !is_level) {
                (series.number, series.observed) = (0.0, BTreeMap::new());
            }
        }
        self.expire();
        self.in_grace = if orderly { in_grace } else { BTreeMap::new() };
    }

    fn delete(&mut self, name: Option<&str>, who: Option<&str>) {
        let who = who.map(|who| format!("who=\"{}\"", who.replace('\\', "\\\\").replace('"', "\\\"")));
        let meant = |of: &str, labels: &str| name.is_none_or(|name| name == of) && who.as_ref().is_none_or(|who| labels.contains(who));
        self.in_grace.retain(|(of, labels), _| !meant(of, labels));
        self.families.iter_mut().for_each(|(of, family)| family.series.retain(|labels, _| !meant(of, labels)));
        self.families.retain(|_, family| !family.series.is_empty());
    }

    /// Names of gauges and sets. Sums over their series have no meaning.
    pub fn levels(&self) -> BTreeSet<&str> {
        let is_level = |family: &Family| matches!(family.kind, Kind::Gauge | Kind::Set);
        self.families.iter().filter(|(_, family)| is_level(family)).map(|(name, _)| &**name).collect()
    }

    /// Each line of the exposition with its value, except quantiles.
    pub fn lines(&self) -> BTreeMap<String, f64> {
        let mut lines = BTreeMap::new();
        for (name, family) in &self.families {
            for (labels, series) in &family.series {
                series.lines((name, labels), family.kind, &mut lines);
            }
        }
        lines
    }
}

impl Series {
    fn lines(&self, (name, labels): (&str, &str), kind: Kind, lines: &mut BTreeMap<String, f64>) {
        let braced = |labels: &str| if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let weight_to = |bound: f64| self.observed.iter().filter(|(value, _)| f64::from(**value) / 1000.0 <= bound).map(|(_, w)| w).sum();
        let mut put = |suffix: &str, value: f64| {
            lines.insert(format!("{name}{suffix}{}", braced(labels)), value);
        };
        match kind {
            Kind::Counter | Kind::Gauge => return put("", self.number),
            Kind::Set => return put("", self.members.len() as f64),
            Kind::Histogram(_) | Kind::Summary => {}
        }
        put("_sum", self.observed.iter().map(|(value, weight)| f64::from(*value) / 1000.0 * weight).sum());
        put("_count", weight_to(f64::INFINITY));
        if let Kind::Histogram(bounds) = kind {
            let comma = if labels.is_empty() { "" } else { "," };
            for (bound, text) in bounds.iter().map(|bound| (*bound, bound.to_string())).chain([(f64::INFINITY, "+Inf".to_owned())]) {
                lines.insert(format!("{name}_bucket{{{labels}{comma}le=\"{text}\"}}"), weight_to(bound));
            }
        }
    }
}
