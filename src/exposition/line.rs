//! Sample lines of text and OpenMetrics. The parts that all lines of a family or of a series share are made once, because
//! they are most of an exposition. The caller decides the form of numbers and what follows them.

use super::escape::Names;
use crate::registry::FamilyKind;
use crate::registry::cell::{HistogramSnapshot, SummarySnapshot};

/// Bytes of a line's braces, spaces and longest number.
const LINE_REST: usize = 32;

/// Appends a number.
pub(super) type Push = fn(f64, &mut Vec<u8>);

/// Buffers for reading and writing the series of one family.
#[derive(Debug)]
pub(super) struct Lines {
    /// The text before the labels in each line of a family of single numbers.
    pub(super) start: Vec<u8>,
    /// The label of each bucket or quantile, with the text between it and the value.
    pub(super) extras: Vec<Box<[u8]>>,
    /// The beginning of the lines of the current series that have an extra label.
    pub(super) beginning: Vec<u8>,
    pub(super) histogram: HistogramSnapshot,
    pub(super) summary: SummarySnapshot,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            start: Vec::new(),
            extras: Vec::new(),
            beginning: Vec::new(),
            histogram: HistogramSnapshot::new(0),
            summary: SummarySnapshot::default(),
        }
    }
}

impl Lines {
    /// Prepares for another family, whose bounds and quantiles are written by `push`.
    pub(super) fn of_family(&mut self, kind: &FamilyKind, names: &Names, push: Push) {
        self.start.clear();
        let open = names.push_line("", &mut self.start);
        self.start.extend_from_slice(open.as_bytes());
        self.extras.clear();
        match kind {
            FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => {}
            FamilyKind::Histogram { bounds } => {
                self.histogram = HistogramSnapshot::new(bounds.len());
                self.extras.extend(bounds.iter().chain([&f64::INFINITY]).map(|bound| extra("le", *bound, push)));
            }
            FamilyKind::Summary(options) => self.extras.extend(options.quantiles.iter().map(|q| extra("quantile", *q, push))),
        }
    }

    /// Prepares for the series with these labels: sets `beginning`.
    pub(super) fn of_series(&mut self, (names, suffix): (&Names, &str), labels: &str) {
        self.beginning.clear();
        let open = names.push_line(suffix, &mut self.beginning);
        push(&mut self.beginning, &[open, labels]);
        if !labels.is_empty() {
            self.beginning.push(b',');
        }
    }
}

/// A `le` or `quantile` label, with the text between it and the value.
pub(super) fn extra(name: &str, value: f64, push_number: Push) -> Box<[u8]> {
    let mut text = Vec::new();
    push(&mut text, &[name, "=\""]);
    push_number(value, &mut text);
    push(&mut text, &["\"} "]);
    text.into()
}

/// Appends one line with an extra label.
#[inline]
pub(super) fn line_with(beginning: &[u8], extra: &[u8], number: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.extend_from_slice(beginning);
    out.extend_from_slice(extra);
    number(out);
    out.push(b'\n');
}

/// Appends one line of a family of single numbers. `start` is [`Lines::start`].
#[inline]
pub(super) fn line_of(start: &[u8], (names, labels): (&Names, &str), number: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    if labels.is_empty() {
        return line((names, ""), labels, number, out);
    }
    // Reserves memory for the whole line, so that the capacity is checked once.
    out.reserve(start.len() + labels.len() + LINE_REST);
    out.extend_from_slice(start);
    out.extend_from_slice(labels.as_bytes());
    out.extend_from_slice(b"} ");
    number(out);
    out.push(b'\n');
}

/// Appends one line with the labels of the series only.
pub(super) fn line((names, suffix): (&Names, &str), labels: &str, number: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    let open = names.push_line(suffix, out);
    rest_of_line(open, labels, number, out);
}

/// Appends the rest of a line after its name. `open` is what [`Names::push_line`] returned.
pub(super) fn rest_of_line(open: &str, labels: &str, number: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.reserve(labels.len() + LINE_REST);
    match labels {
        "" if open == "{" => out.push(b' '),
        "" => push(out, &["} "]),
        labels => push(out, &[open, labels, "} "]),
    }
    number(out);
    out.push(b'\n');
}

/// Appends a help text. OpenMetrics also escapes quotes.
pub(super) fn push_help(help: &str, escapes_quotes: bool, out: &mut Vec<u8>) {
    for byte in help.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if escapes_quotes => out.extend_from_slice(b"\\\""),
            _ => out.push(byte),
        }
    }
}

pub(super) fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}
