//! Any line in any dialect: numbers are finite, and tags can be visited.

#![no_main]

use libfuzzer_sys::fuzz_target;
use statsd_bridge::internals::protocol::{Identity, Line, Sample, TagSink, Value, parse_line};
use statsd_bridge::options::{Dialect, PackedValues};

#[derive(Default)]
struct Bytes(usize);

impl TagSink for Bytes {
    fn name(&mut self, piece: &str) {
        self.0 += piece.len();
    }

    fn tag(&mut self, key: &str, value: &str) {
        assert!(!key.is_empty() && !value.is_empty());
        self.0 += key.len() + value.len();
    }
}

fn check(sample: &Sample<'_>, line: &[u8], dialect: &Dialect) {
    assert!(!sample.name.is_empty() && sample.weight.is_finite());
    assert!(sample.weight > 0.0 || dialect.exporter_rules && sample.weight < 0.0);
    if let Value::Number(value) | Value::Signed(value) = sample.value {
        assert!(value.is_finite());
    }
    if let Ok(identity) = Identity::of(sample, dialect) {
        let mut bytes = Bytes::default();
        identity.visit(&mut bytes);
        // The value `true` of a tag without a value is not in the line. A replaced byte becomes three.
        assert!(bytes.0 <= 5 * line.len());
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, line)) = data.split_first() else { return };
    let dialect = Dialect::default().with(|dialect| {
        dialect.dogstatsd_tags = choice & 1 == 0;
        dialect.influxdb_tags = choice & 2 == 0;
        dialect.librato_tags = choice & 4 == 0;
        dialect.signalfx_tags = choice & 8 == 0;
        dialect.bare_tags = choice & 16 == 0;
        dialect.container_id = choice & 32 == 0;
        dialect.graphite_tags = choice & 64 == 0;
        dialect.packed_values = [PackedValues::All, PackedValues::Observers, PackedValues::Never][usize::from(choice % 3)];
        dialect.exporter_rules = choice & 128 != 0;
    });
    match parse_line(line, &dialect) {
        Line::Sample(sample) => check(&sample, line, &dialect),
        Line::Samples(samples) => {
            let mut count = 0;
            for sample in samples {
                count += 1;
                if let Ok(sample) = sample {
                    check(&sample, line, &dialect);
                }
            }
            assert!(count <= line.len());
        }
        Line::Empty | Line::Event(_) | Line::ServiceCheck(_) | Line::Rejected(_) => {}
    }
});
