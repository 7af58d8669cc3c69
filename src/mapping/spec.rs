//! The content of mapping files, checked and with its defaults merged in: the form between YAML and compiled rules.

use std::fmt;
use std::sync::Arc;

use crate::options::{Buckets, NativeChoice, Observer, Overflow, SignedGauges, SummaryOptions, Ttl};

/// A position in a mapping file; line and column count from 1. Its `Display` is `file:line:column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The name of the file, as given.
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
    /// The rules in the order of the files, and in their order in each file.
    pub rules: Vec<Rule>,
    /// Labels of every family, with environment variables expanded. They replace tags of the same name.
    pub constant_labels: Vec<(String, String)>,
    /// The prefix of every family's name, mapped or not; may be empty.
    pub prefix: String,
    /// The cases of all `tests:` stanzas: samples, and the series that they must produce.
    pub tests: Vec<Test>,
}

/// Defaults for rules.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The type for timers, histograms and distributions; `None`: the flags decide.
    pub observer: Option<Observer>,
    /// Options for the type that the flags choose, if `observer` is `None`.
    pub observer_options: ObserverOptions,
    /// Ttls by kind.
    pub ttl: Ttl,
    /// The effect of a signed value on a gauge; `None`: the flags decide.
    pub signed_gauges: Option<SignedGauges>,
    /// Whether the suffix `_total` is added to counters without it; `None`: the flags decide.
    pub total_suffix: Option<bool>,
    /// Whether a literal segment takes precedence over `*`, regardless of the order of rules (statsd_exporter's `glob_disable_ordering`).
    pub glob_disable_ordering: bool,
    /// Whether globs and regexes are tried in their common order; otherwise all globs are tried before all regexes.
    pub strict_order: bool,
}

/// Options of observers without a type in the file. A file can set buckets, and the flags decide whether histograms are used.
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
    /// The position of its `match`.
    pub position: Position,
    /// The pattern as written.
    pub pattern: String,
    /// How the pattern is read.
    pub match_type: MatchType,
    /// The kinds of samples to which it applies; `None`: all.
    pub kind: Option<MetricKind>,
    /// Conditions on tags, all of which must hold. The key is compared escaped.
    pub match_tags: Vec<TagCondition>,
    /// The action for matching samples.
    pub action: Action,
    /// Template of the family's name.
    pub name: String,
    /// Templates of labels, by legal label name, sorted.
    pub labels: Vec<(String, String)>,
    /// Whether a tag takes precedence over a label of the rule with the same name.
    pub honor_labels: bool,
    /// Help of the family.
    pub help: Option<String>,
    /// The type for observers, with the defaults merged in; `None`: that of `Defaults::observer`.
    pub observer: Option<Observer>,
    /// Options, with the defaults merged in, for the type that the flags choose if neither `observer` nor `Defaults::observer` has one.
    pub observer_options: ObserverOptions,
    /// The ttl, if it differs from the defaults.
    pub ttl: Ttl,
    /// The factor by which values are multiplied after the conversion of their unit.
    pub scale: Option<f64>,
    /// The unit of the values on the wire.
    pub unit: Option<Unit>,
    /// The type of the family, if it differs from the kind of the samples.
    pub becomes: Option<Becomes>,
    /// The effect of a signed value on its gauges, with the defaults of its file merged in; `None`: that of `Defaults::signed_gauges`.
    pub signed_gauges: Option<SignedGauges>,
    /// Whether its counters get the suffix `_total`, with the defaults of its file merged in; `None`: as in `Defaults::total_suffix`.
    pub total_suffix: Option<bool>,
    /// The steps applied to the labels, in this order, after tags and labels are merged.
    pub label_steps: Vec<LabelStep>,
    /// Limits of its families, if they differ from the flags.
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
    /// `a.*.b`; also, in a file with `syntax: extended`: `**` (any number of segments, at least one), `pre*fix` within a
    /// segment, `{a,b}`. Otherwise as in statsd_exporter: `*` is a whole segment, and all other text is `[a-zA-Z0-9_-]`.
    Glob,
    /// A regular expression, which can match anywhere in the name.
    Regex,
}

/// The kinds to which a rule can apply.
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
    /// Values as sent, without a suffix: for `ms` samples that are not times.
    None,
}

/// The type of a family, if it differs from the kind of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// A gauge: counters add to it, also negative values (`as: gauge`).
    Gauge,
    /// A counter: the value of each sample of an observer or gauge is added (`as: counter`).
    Counter,
}

/// One step on the labels of a sample. Names are legal label names; those of tags are compared escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelStep {
    /// Keeps only these labels.
    Keep(Vec<String>),
    /// Removes these labels.
    Drop(Vec<String>),
    /// Renames the first label to the second, and replaces an existing one.
    Rename(String, String),
    /// Sets the label to the value, and replaces an existing one.
    Set(String, String),
    /// Replaces values of the label. Each pair is a glob of one segment and the new value; the first glob that matches applies.
    MapValues(String, Vec<(String, String)>),
}

/// Limits of the families of a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleLimits {
    /// The maximum number of series of a family.
    pub series: Option<usize>,
    /// The maximum number of distinct values of one label.
    pub values_per_label: Option<usize>,
    /// The treatment of samples that exceed them.
    pub overflow: Option<Overflow>,
}

/// One case of a `tests:` stanza.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Its position.
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
    /// Whether it is an error, for which the file is rejected; otherwise it is a warning.
    pub is_error: bool,
    /// A short, stable identifier for programs: one of [`code`](crate::mapping::code), such as `unknown_key`.
    pub code: &'static str,
    /// The mistake and its correction, in one or two sentences.
    pub text: String,
}

impl Finding {
    /// The maximum number of characters that `text` keeps of its beginning, and of its end.
    const KEPT_CHARACTERS: usize = 300;

    /// Makes a finding. A long text, which repeats a long input, is shortened in the middle: the mistake is named at its beginning, the
    /// correction at its end.
    pub(crate) fn new(position: Position, is_error: bool, code: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        let start = text.char_indices().nth(Self::KEPT_CHARACTERS);
        let end = text.char_indices().nth_back(Self::KEPT_CHARACTERS);
        let text = match (start, end) {
            (Some((start, _)), Some((end, _))) if start < end => {
                let ((head, _), (_, tail)) = (text.split_at(start), text.split_at(end));
                format!("{head} [...] {tail}")
            }
            _ => text,
        };
        Self { position, is_error, code, text }
    }

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
