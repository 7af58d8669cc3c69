//! What a mapping file says, checked and with its defaults merged in: the form between YAML and compiled rules.

use std::fmt;
use std::sync::Arc;

use crate::options::{Buckets, NativeChoice, Observer, Overflow, SignedGauges, SummaryOptions, Ttl};

/// A place in a mapping file; line and column count from 1. Its `Display` is `file:line:column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file as it was named.
    pub file: Arc<str>,
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One or more mapping files, read together.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Defaults for unmapped samples and for rules that do not set a value.
    pub defaults: Defaults,
    /// In the order of the files, and in each file from the top.
    pub rules: Vec<Rule>,
    /// Labels of every family, environment already expanded. They replace a tag of the same name.
    pub constant_labels: Vec<(String, String)>,
    /// In front of every family's name, mapped or not; may be empty.
    pub prefix: String,
    /// Samples and the series that they must give, from `tests:` stanzas.
    pub tests: Vec<Test>,
}

/// Defaults for rules.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// What timers, histograms and distributions become; `None` where the file does not say, and the flags decide.
    pub observer: Option<Observer>,
    /// Options that hold where `observer` is `None`, whichever type the flags choose.
    pub observer_options: ObserverOptions,
    /// By kind.
    pub ttl: Ttl,
    /// What a signed value does to a gauge; `None`: as the flags say.
    pub signed_gauges: Option<SignedGauges>,
    /// Whether counters get the ending `_total` where their names lack it; `None`: as the flags say.
    pub total_suffix: Option<bool>,
    /// Whether a literal segment counts before `*` whatever the order of rules (statsd_exporter's `glob_disable_ordering`).
    pub glob_disable_ordering: bool,
    /// Whether the order of rules holds across globs and regexes; else all globs come before all regexes.
    pub strict_order: bool,
}

/// Options of observers whose type no file says: a file may give buckets, and leave it to the flags whether there are any.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObserverOptions {
    /// Classic buckets, if it is a histogram.
    pub buckets: Option<Buckets>,
    /// Native-histogram overrides, if it is a histogram.
    pub native: NativeChoice,
    /// Quantiles and window, if it is a summary.
    pub summary: Option<SummaryOptions>,
}

impl ObserverOptions {
    /// `chosen` with the options for its type.
    pub fn over(&self, chosen: &Observer) -> Observer {
        match chosen {
            Observer::Histogram { buckets, native } => Observer::Histogram {
                buckets: self.buckets.as_ref().unwrap_or(buckets).clone(),
                native: NativeChoice {
                    factor: self.native.factor.or(native.factor),
                    max_buckets: self.native.max_buckets.or(native.max_buckets),
                },
            },
            Observer::Summary(options) => Observer::Summary(self.summary.as_ref().unwrap_or(options).clone()),
        }
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Where its `match` stands.
    pub position: Position,
    /// As written.
    pub pattern: String,
    /// How the pattern is read.
    pub match_type: MatchType,
    /// Kinds of samples it is for; `None`: all.
    pub kind: Option<MetricKind>,
    /// Conditions on tags, all of which must hold. The key is compared escaped.
    pub match_tags: Vec<TagCondition>,
    /// The action for matching samples.
    pub action: Action,
    /// Template of the family's name.
    pub name: String,
    /// Templates of labels, by legal label name, sorted.
    pub labels: Vec<(String, String)>,
    /// Whether a tag of the wire counts before a label of the rule with the same name.
    pub honor_labels: bool,
    /// Help of the family.
    pub help: Option<String>,
    /// What observers become, the defaults merged in; `None`: as `Defaults::observer`.
    pub observer: Option<Observer>,
    /// Options that hold where neither `observer` nor `Defaults::observer` says the type, the defaults merged in.
    pub observer_options: ObserverOptions,
    /// Ttl, where it differs from the defaults.
    pub ttl: Ttl,
    /// Each value is multiplied by it, after the unit's conversion.
    pub scale: Option<f64>,
    /// The unit of the values on the wire.
    pub unit: Option<Unit>,
    /// What the family is, where it is not what the wire says.
    pub becomes: Option<Becomes>,
    /// What a signed value does to its gauges, the defaults of its file merged in; `None`: as `Defaults::signed_gauges`.
    pub signed_gauges: Option<SignedGauges>,
    /// Whether its counters get the ending `_total`, the defaults of its file merged in; `None`: as `Defaults::total_suffix`.
    pub total_suffix: Option<bool>,
    /// What is done to the labels, in this order, after tags and labels were joined.
    pub label_steps: Vec<LabelStep>,
    /// Limits of the families that it feeds, where they differ from the flags.
    pub limits: RuleLimits,
}

impl Rule {
    /// Makes a rule that maps names that match `pattern`. It has no name and no other settings yet.
    pub fn new(position: Position, match_type: MatchType, pattern: impl Into<String>) -> Self {
        Self {
            position,
            pattern: pattern.into(),
            match_type,
            kind: None,
            match_tags: Vec::new(),
            action: Action::Map,
            name: String::new(),
            labels: Vec::new(),
            honor_labels: false,
            help: None,
            observer: None,
            observer_options: ObserverOptions::default(),
            ttl: Ttl::default(),
            scale: None,
            unit: None,
            becomes: None,
            signed_gauges: None,
            total_suffix: None,
            label_steps: Vec::new(),
            limits: RuleLimits::default(),
        }
    }
}

/// How a pattern is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchType {
    /// `a.*.b`; also, in a file that says `syntax: extended`: `**` (any number of segments, at least one), `pre*fix` within a
    /// segment, `{a,b}`. Without it statsd_exporter's rule holds: `*` is a whole segment, all else `[a-zA-Z0-9_-]`.
    Glob,
    /// A regular expression, searched anywhere in the name.
    Regex,
}

/// Kinds that a rule can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// `c`.
    Counter,
    /// `g`.
    Gauge,
    /// `ms`, `h`, `d`.
    Observer,
    /// `s`.
    Set,
}

/// The action of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Maps the samples to a family.
    Map,
    /// Drops the samples.
    Drop,
}

/// A condition on a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagCondition {
    /// The tag's key, escaped to a legal label name.
    pub key: String,
    /// A glob of one segment (`*` any text, `pre*fix`, `{a,b}`); it must match the whole value. `*` also means: present.
    pub value: String,
}

/// The unit of values on the wire. They are converted to the base unit, and the family's name gets the base unit's suffix
/// (before `_total`) unless it has it. For the kind `ms` a unit replaces the division by 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// To `_seconds`.
    Seconds,
    /// To `_seconds`.
    Milliseconds,
    /// To `_seconds`.
    Microseconds,
    /// To `_seconds`.
    Nanoseconds,
    /// To `_bytes`.
    Bytes,
    /// 1024 bytes, to `_bytes`.
    Kibibytes,
    /// 1024 kibibytes, to `_bytes`.
    Mebibytes,
    /// To `_ratio`: values in percent.
    Percent,
    /// To `_ratio`.
    Ratio,
    /// As sent, no suffix; for `ms` that carry no time.
    None,
}

/// What a family is, where it is not what the wire says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// A gauge: counters add to it, and may go down (`as: gauge`).
    Gauge,
    /// A counter: each sample of an observer or gauge counts by its value (`as: counter`).
    Counter,
}

/// One step on the labels of a sample. Names are legal label names; those of tags are compared escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelStep {
    /// Keeps only these labels.
    Keep(Vec<String>),
    /// Removes these labels.
    Drop(Vec<String>),
    /// From, to; replaces a label that is there already.
    Rename(String, String),
    /// Name, value; replaces a label that is there already.
    Set(String, String),
    /// Values of this label are replaced: each pair is a glob of one segment and what it becomes; the first that fits counts.
    MapValues(String, Vec<(String, String)>),
}

/// Limits of a family that a rule feeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleLimits {
    /// Series of the family.
    pub series: Option<usize>,
    /// Distinct values of one label.
    pub values_per_label: Option<usize>,
    /// What becomes of samples beyond them.
    pub overflow: Option<Overflow>,
}

/// One case of a `tests:` stanza.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Where it stands.
    pub position: Position,
    /// Lines of the wire, sent in order to a bridge with these rules.
    pub lines: Vec<String>,
    /// Lines that the exposition must contain: `name{label="value"} 1`.
    pub expect: Vec<String>,
    /// Names of families that the exposition must not contain.
    pub absent: Vec<String>,
}

/// A mistake in a mapping file, or a warning. Its `Display` is one line: `rules.yml:4:3: error: ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The place in the file.
    pub position: Position,
    /// Whether the file is rejected for it; else it is a warning.
    pub is_error: bool,
    /// A short, stable identifier for programs: one of [`code`](crate::mapping::code), such as `unknown_key`.
    pub code: &'static str,
    /// What is wrong and what to write instead, in one or two sentences.
    pub text: String,
}

impl Finding {
    /// `error` or `warning`.
    pub(crate) fn severity(&self) -> &'static str {
        if self.is_error { "error" } else { "warning" }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.position, self.severity(), self.text)
    }
}
