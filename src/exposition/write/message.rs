//! One batch: the bytes of its series, and what it contains.

use super::gone::GoneSeries;
use super::options::{WriteOptions, WriteVersion};
use super::symbols::Symbols;
use crate::exposition::wire::{LENGTH, double, message, number_field, tag, tag_of, text, varint, varint_len};
use crate::time::Timestamp;

/// The bits of a stale marker.
pub(super) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// The NaN that Prometheus makes of `NaN` in a scrape.
const NORMAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// The field of a series in a request.
pub(super) const fn series_field(version: WriteVersion) -> u32 {
    match version {
        WriteVersion::V1 => 1,
        WriteVersion::V2 => 5,
    }
}

/// What a batch contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WriteCounts {
    /// Floats, with zeros and stale markers: what a receiver states as `Samples-Written`.
    pub(crate) samples: usize,
    /// Histograms, with empty ones and stale markers: `Histograms-Written`.
    pub(crate) histograms: usize,
    /// `Exemplars-Written`.
    pub(crate) exemplars: usize,
    /// Series.
    pub(crate) series: usize,
    /// The stale markers among samples and histograms.
    pub(crate) markers: usize,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct WriteBatch {
    /// The protobuf message, not compressed.
    pub(crate) body: Vec<u8>,
    pub(crate) counts: WriteCounts,
    /// The series whose stale markers are in the batch, in its order.
    pub(crate) gone: Vec<GoneSeries>,
}

/// Builds batches, one after the other. The buffers are reused.
#[derive(Debug)]
pub(super) struct Batches {
    pub(super) version: WriteVersion,
    max_samples: usize,
    max_bytes: usize,
    has_legacy_created: bool,
    pub(super) symbols: Symbols,
    /// The number of the current batch. Numbers of symbols are valid within one batch.
    epoch: u64,
    /// Complete series of the current batch.
    series: Vec<u8>,
    /// Samples, histograms and exemplars of the current series.
    values: Vec<u8>,
    created: Option<Timestamp>,
    counts: WriteCounts,
    gone: Vec<GoneSeries>,
    /// A body that is no longer needed.
    spare: Vec<u8>,
}

impl Batches {
    pub(super) fn new(options: &WriteOptions) -> Self {
        Self {
            version: options.version,
            max_samples: options.batch_samples.max(2),
            max_bytes: options.batch_bytes,
            has_legacy_created: options.legacy_created && options.version == WriteVersion::V2,
            symbols: Symbols::default(),
            epoch: 1,
            series: Vec::new(),
            values: Vec::new(),
            created: None,
            counts: WriteCounts::default(),
            gone: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Takes back the body of a batch, whose memory the next one uses.
    pub(super) fn reuse(&mut self, body: Vec<u8>) {
        self.spare = body;
        self.spare.clear();
    }

    /// The number of the current batch. What [`pair`](Self::pair) appended is valid within one batch in 2.0, and always in 1.0.
    #[inline]
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the batch has no room for a series of so many samples.
    #[inline]
    pub(super) fn is_full(&self, samples: usize) -> bool {
        let WriteCounts { samples: floats, histograms, series, .. } = self.counts;
        let bytes = self.series.len() + self.symbols.encoded().len();
        series > 0 && (floats + histograms + samples > self.max_samples || bytes >= self.max_bytes)
    }

    /// Whether the batch has no series.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.series == 0
    }

    /// Completes the batch and begins the next one.
    pub(super) fn finish(&mut self) -> WriteBatch {
        let mut next = std::mem::take(&mut self.spare);
        let body = match self.version {
            WriteVersion::V1 => {
                next.reserve(self.series.len());
                std::mem::replace(&mut self.series, next)
            }
            WriteVersion::V2 => {
                // Symbols come first, because some receivers decode a message in one pass.
                let mut body = next;
                body.reserve(self.symbols.encoded().len() + self.series.len());
                body.extend_from_slice(self.symbols.encoded());
                body.append(&mut self.series);
                self.symbols.clear();
                self.epoch += 1;
                body
            }
        };
        WriteBatch { body, counts: std::mem::take(&mut self.counts), gone: std::mem::take(&mut self.gone) }
    }

    /// Appends a label: its message in 1.0, the numbers of name and value in 2.0.
    pub(super) fn pair(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match self.version {
            WriteVersion::V1 => label_message(name, value, out),
            WriteVersion::V2 => {
                varint(self.symbols.number(name).into(), out);
                varint(self.symbols.number(value).into(), out);
            }
        }
    }

    /// Appends the metadata of a family, which only a 2.0 series has.
    pub(super) fn metadata(&mut self, kind: u8, (help, unit): (&str, &str), out: &mut Vec<u8>) {
        if self.version == WriteVersion::V2 {
            let (help, unit) = (self.symbols.number(help.as_bytes()), self.symbols.number(unit.as_bytes()));
            message(5, out, |out| {
                number_field(1, kind.into(), out);
                for (field, number) in [(3, help), (4, unit)] {
                    if number > 0 {
                        number_field(field, number.into(), out);
                    }
                }
            });
        }
    }

    /// Adds a float to the current series. `created`, the start of its counting, is left out where it is later than the sample.
    pub(super) fn sample(&mut self, value: f64, time: Timestamp, created: Option<Timestamp>) {
        let (millis, start) = (time.as_millis(), self.start(time, created));
        let length = 9 + 1 + varint_len(millis) + start.map_or(0, |start| 1 + varint_len(start));
        self.values.extend_from_slice(&[tag_of(2, LENGTH), length as u8]);
        double(1, value, &mut self.values);
        number_field(2, millis, &mut self.values);
        if let Some(start) = start {
            number_field(3, start, &mut self.values);
        }
        self.counts.samples += 1;
    }

    /// Adds a histogram to the current series. `fields` appends its fields without the times.
    pub(super) fn histogram(&mut self, time: Timestamp, created: Option<Timestamp>, fields: impl FnOnce(&mut Vec<u8>)) {
        let start = self.start(time, created);
        let field = if self.version == WriteVersion::V1 { 4 } else { 3 };
        message(field, &mut self.values, |out| {
            fields(out);
            number_field(15, time.as_millis(), out);
            start.into_iter().for_each(|start| number_field(17, start, out));
        });
        self.counts.histograms += 1;
    }

    /// Adds an exemplar to the current series. `labels` are its labels as [`pair`](Self::pair) appended them.
    pub(super) fn exemplar(&mut self, labels: &[u8], value: f64, time: Timestamp) {
        let field = if self.version == WriteVersion::V1 { 3 } else { 4 };
        let version = self.version;
        message(field, &mut self.values, |out| {
            if version == WriteVersion::V2 {
                tag(1, LENGTH, out);
                varint(labels.len() as u64, out);
            }
            out.extend_from_slice(labels);
            double(2, normal(value), out);
            number_field(3, time.as_millis(), out);
        });
        self.counts.exemplars += 1;
    }

    /// Notes that the last sample of the current series is a stale marker.
    pub(super) fn note_marker(&mut self, gone: GoneSeries) {
        self.counts.markers += 1;
        self.gone.push(gone);
    }

    /// Completes the current series. `labels` are its sorted labels in parts, as [`pair`](Self::pair) appended them; `metadata` is what
    /// [`metadata`](Self::metadata) appended.
    pub(super) fn end_series(&mut self, labels: [&[u8]; 5], metadata: &[u8]) {
        let labels_len: usize = labels.iter().map(|part| part.len()).sum();
        let created = self.created.take().filter(|_| self.has_legacy_created).map(Timestamp::as_millis);
        let head_len = if self.version == WriteVersion::V2 { 1 + varint_len(labels_len as u64) } else { 0 };
        let created_len = created.map_or(0, |created| 1 + varint_len(created));
        let length = head_len + labels_len + self.values.len() + metadata.len() + created_len;
        let out = &mut self.series;
        out.reserve(length + 11);
        tag(series_field(self.version), LENGTH, out);
        varint(length as u64, out);
        if self.version == WriteVersion::V2 {
            tag(1, LENGTH, out);
            varint(labels_len as u64, out);
        }
        labels.iter().for_each(|part| out.extend_from_slice(part));
        out.append(&mut self.values);
        out.extend_from_slice(metadata);
        created.into_iter().for_each(|created| number_field(6, created, out));
        self.counts.series += 1;
    }

    /// The start timestamp of a sample at `time`. It is never later than the sample, as when a series begins while the cycle is written.
    fn start(&mut self, time: Timestamp, created: Option<Timestamp>) -> Option<u64> {
        let created = created.filter(|created| self.version == WriteVersion::V2 && *created <= time && created.as_millis() > 0);
        self.created = created.or(self.created);
        created.map(Timestamp::as_millis)
    }
}

/// Appends a 1.0 label.
fn label_message(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let field_len = |text: &[u8]| 1 + varint_len(text.len() as u64) + text.len();
    tag(1, LENGTH, out);
    varint((field_len(name) + field_len(value)) as u64, out);
    for (field, text) in [(1, name), (2, value)] {
        tag(field, LENGTH, out);
        varint(text.len() as u64, out);
        out.extend_from_slice(text);
    }
}

/// Appends the metadata of a family to a 1.0 request.
pub(super) fn metadata_message(kind: u8, (name, help, unit): (&str, &str, &str), out: &mut Vec<u8>) {
    message(3, out, |out| {
        number_field(1, kind.into(), out);
        for (field, value) in [(2, name), (4, help), (5, unit)] {
            if !value.is_empty() {
                text(field, value, out);
            }
        }
    });
}

/// The number as a scrape shows it: one kind of NaN, which is no stale marker, and no -0.
#[inline]
pub(super) fn normal(value: f64) -> f64 {
    if value.is_nan() { NORMAL_NAN } else { value + 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_never_stale_markers() {
        for value in [STALE, f64::NAN, -f64::NAN, f64::from_bits(0xfff0_0000_0000_0002)] {
            assert_eq!(normal(value).to_bits(), 0x7ff8_0000_0000_0001);
        }
        assert_eq!(normal(-0.0).to_bits(), 0);
        assert_eq!([1.5, -3.0, f64::INFINITY].map(normal), [1.5, -3.0, f64::INFINITY]);
    }
}
