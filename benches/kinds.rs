//! The load of one kind: the same names, tags and digits for every kind, so that only the cells differ.

use std::fmt::Write;

use statsd_bridge::options::{Buckets, NativeHistograms, NativeWhen, Observer, SummaryOptions};
use statsd_bridge::{Bridge, Options, Timestamp, Worker};

/// A kind of cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// Its name in tables.
    pub(crate) name: &'static str,
    /// The type on the wire.
    wire: &'static str,
    shape: Shape,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Default,
    /// Native buckets, beside these classic ones.
    Native {
        classic: bool,
    },
    Summary,
    /// More members in each series than are counted exactly.
    ManyMembers,
}

/// All kinds. Counters are first, because the others are compared with them.
pub(crate) const KINDS: [Kind; 8] = [
    Kind { name: "counter", wire: "c", shape: Shape::Default },
    Kind { name: "gauge", wire: "g", shape: Shape::Default },
    Kind { name: "histogram", wire: "ms", shape: Shape::Default },
    Kind { name: "native_histogram", wire: "ms", shape: Shape::Native { classic: false } },
    Kind { name: "histogram_of_both", wire: "ms", shape: Shape::Native { classic: true } },
    Kind { name: "summary", wire: "ms", shape: Shape::Summary },
    Kind { name: "set", wire: "s", shape: Shape::Default },
    Kind { name: "set_estimated", wire: "s", shape: Shape::ManyMembers },
];

/// Number of members with which a set becomes an estimate.
const MANY_MEMBERS: u64 = 2_200;
/// Maximum bytes of a datagram.
const MOST_BYTES: usize = 1432;

/// The time of all samples.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

impl Kind {
    /// A worker that knows `series` series, with the members that the kind needs.
    pub(crate) fn worker(&self, series: u64) -> Worker {
        let mut worker = Bridge::new(self.options()).worker();
        if matches!(self.shape, Shape::ManyMembers) {
            // Consecutive numbers have hashes in no particular order. Descending hashes would be the worst case of the exact set.
            for number in 0..series {
                let mut lines = String::new();
                for member in 0..MANY_MEMBERS {
                    self.line(number, member, &mut lines);
                    lines.push('\n');
                }
                worker.ingest(lines.as_bytes(), NOW);
            }
        }
        worker
    }

    /// `count` lines, every series named once, then at random, with their values; as datagrams of at most 1432 bytes.
    pub(crate) fn datagrams(&self, series: u64, count: u64) -> Vec<Vec<u8>> {
        let mut below = crate::load::below();
        let (mut datagrams, mut line) = (vec![Vec::new()], String::new());
        for n in 0..count {
            line.clear();
            self.line(if n < series { n } else { below(series) }, below(9000), &mut line);
            match datagrams.last_mut() {
                Some(last) if last.len() + 1 + line.len() <= MOST_BYTES => {
                    if !last.is_empty() {
                        last.push(b'\n');
                    }
                    last.extend_from_slice(line.as_bytes());
                }
                _ => datagrams.push(line.clone().into_bytes()),
            }
        }
        datagrams
    }

    /// Values are 10.0 to 909.9, for timers in milliseconds, so that they fall into the buckets of a histogram like those of a real
    /// service.
    fn line(&self, series: u64, value: u64, line: &mut String) {
        let (method, status) = (["GET", "POST", "PUT"][(series % 3) as usize], ["200", "404", "500", "503"][(series % 4) as usize]);
        let (whole, tenth, family, route) = (10 + value / 10, value % 10, series % 200, series / 200);
        let _ = write!(line, "shop.m{family}:{whole}.{tenth}|{}|#route:r{route},method:{method},status:{status}", self.wire);
    }

    fn options(&self) -> Options {
        let native = NativeHistograms {
            when: if matches!(self.shape, Shape::Native { .. }) { NativeWhen::Always } else { NativeWhen::Never },
            ..NativeHistograms::default()
        };
        let observer = match self.shape {
            Shape::Summary => Observer::Summary(SummaryOptions::default()),
            Shape::Native { classic: false } => Observer::histogram(Buckets::new([]).expect("valid")),
            _ => Observer::default(),
        };
        Options::default().with(|options| {
            options.native = native;
            options.observer = observer;
        })
    }
}
