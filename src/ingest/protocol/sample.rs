//! A sample, as a line says it: kind, value, and the bytes of its identity.

use std::fmt;

/// The kind of a sample on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `c`.
    Counter,
    /// `g`.
    Gauge,
    /// `ms`: milliseconds.
    Timer,
    /// `h`.
    Histogram,
    /// `d`.
    Distribution,
    /// `s`.
    Set,
}

/// What a sample says of its series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A finite number, absolute for a gauge.
    Number(f64),
    /// A finite number with a sign in front; for a gauge that is a change.
    Signed(f64),
    /// A member of a set.
    Member(&'a [u8]),
}

/// One measurement on the wire, all borrowed from its line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// Everything before the `:` of the value, name tags included. Not empty.
    pub name: &'a [u8],
    /// The kind.
    pub kind: Kind,
    /// The value.
    pub value: Value<'a>,
    /// How many samples this one stands for: 1/rate, at least 1. With statsd_exporter's rules a counter's may be any number but 0.
    pub weight: f64,
    /// The fields of the line that belong to the identity, as they stand there, from the first byte of the first to the last
    /// byte of the last: `#k:v,k:v` and, where the dialect wants it, `c:ID`. Fields between them may be others.
    pub tags: &'a [u8],
    /// Fields skipped because their meaning is not known.
    pub unknown_fields: u32,
    /// Whether it is the first sample of its line: errors in name tags are counted once a line.
    pub first: bool,
}

impl Default for Sample<'_> {
    /// A counter of nothing, to fill a batch with.
    fn default() -> Self {
        Self { name: &[], kind: Kind::Counter, value: Value::Number(0.0), weight: 1.0, tags: &[], unknown_fields: 0, first: false }
    }
}

impl Kind {
    /// Whether a sample rate says how many samples one of them stands for; it means nothing to gauges and sets.
    #[inline(always)]
    pub const fn has_rate(self) -> bool {
        !matches!(self, Self::Gauge | Self::Set)
    }

    /// Whether its values are observed one by one: timers, histograms and distributions.
    pub const fn is_observed(self) -> bool {
        matches!(self, Self::Timer | Self::Histogram | Self::Distribution)
    }

    /// How the wire writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "c",
            Self::Gauge => "g",
            Self::Timer => "ms",
            Self::Histogram => "h",
            Self::Distribution => "d",
            Self::Set => "s",
        }
    }
}

impl fmt::Display for Sample<'_> {
    /// As it was sent, about: for people. Control characters are escaped, bytes that are not UTF-8 replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable(self.name, f)?;
        match self.value {
            Value::Number(number) => write!(f, ":{number}")?,
            Value::Signed(number) => write!(f, ":{number:+}")?,
            Value::Member(member) => {
                f.write_str(":")?;
                printable(member, f)?;
            }
        }
        write!(f, "|{}", self.kind.as_str())?;
        if self.weight != 1.0 {
            write!(f, "|@{}", 1.0 / self.weight)?;
        }
        if !self.tags.is_empty() {
            f.write_str("|")?;
        }
        printable(self.tags, f)
    }
}

fn printable(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = String::from_utf8_lossy(bytes);
    text.chars().try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") })
}
