//! Nanoseconds per line of an exposition: by format and encoding with the mix of `load.rs`, by kind, and with new series.
//!
//! ```text
//! cargo bench --bench scrape                  # about a minute
//! cargo bench --bench scrape -- 'kind/'       # one group: mix, kind, order, names
//! ```
//! Lines are those of the text format, including HELP, TYPE and self-metrics, for every format. So rows of one size or kind have
//! the same samples and are comparable. Protobuf has no lines, and OpenMetrics has one more.
//!
//! An exposition is rendered as in the web server, part by part. Each part is discarded after it is rendered.
//!
//! | row | measures |
//! |---|---|
//! | `mix/FORMAT/SERIES` | counters, timers, gauges and histograms, three labels each, 200 families |
//! | `mix/write1`, `mix/write2` | the same series as messages of remote write 1.0 and 2.0, not compressed |
//! | `mix/text+gzip`, `mix/text+zstd` | the same text, compressed as in the web server, including rendering |
//! | `kind/KIND/FORMAT` | 10,000 series of one kind, three labels each, 100 families |
//! | `order/nothing_new`, `order/1000_new` | text of one family of 100,000 counters, and the same with 1,000 new series |
//! | `names/utf8` | text of 10,000 families whose names all need escaping |

#[path = "load.rs"]
mod load;

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::write::GzEncoder;
use statsd_bridge::internals::RemoteWrite;
use statsd_bridge::options::{Limits, NameValidation, NativeHistograms, NativeWhen, Observer, SummaryOptions};
use statsd_bridge::{Bridge, Format, Options, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Number of series of each kind.
const OF_A_KIND: u64 = 10_000;

const FORMATS: [(&str, Format); 3] = [("text", Format::Text), ("openmetrics", Format::OpenMetrics), ("protobuf", Format::Protobuf)];

/// The same values as in src/program/web/scrape/compressor.rs.
const GZIP_LEVEL: u32 = 2;
const ZSTD_LEVEL: i32 = 1;
const ZSTD_WINDOW: u32 = 17;

/// The processing of the parts of an exposition.
enum Coding {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Coding {
    fn gzip() -> Self {
        Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL)))
    }

    fn zstd() -> Self {
        let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).expect("memory");
        encoder.window_log(ZSTD_WINDOW).expect("a window that there is");
        Self::Zstd(encoder)
    }

    fn write(&mut self, part: &[u8]) {
        let (written, coded) = match self {
            Self::Gzip(encoder) => (encoder.write_all(part), encoder.get_mut()),
            Self::Zstd(encoder) => (encoder.write_all(part), encoder.get_mut()),
        };
        written.expect("memory");
        coded.clear();
    }
}

fn never_native() -> Options {
    Options::default().with(|options| options.native = NativeHistograms { when: NativeWhen::Never, ..NativeHistograms::default() })
}

fn always_native() -> Options {
    Options::default().with(|options| options.native = NativeHistograms { when: NativeWhen::Always, ..NativeHistograms::default() })
}

fn summaries() -> Options {
    never_native().with(|options| options.observer = Observer::Summary(SummaryOptions::default()))
}

fn bridge<'d>(options: Options, datagrams: impl Iterator<Item = &'d [u8]>) -> Bridge {
    let bridge = Bridge::new(options);
    bridge.worker().ingest_batch(datagrams, NOW);
    bridge
}

/// The mix, each series seen a few times.
fn mix(options: Options, series: u64) -> Bridge {
    let samples_a_datagram = 15;
    let load = load::load(series, (3 * series / samples_a_datagram) as usize);
    bridge(options, load.datagrams.iter().map(Vec::as_slice))
}

/// Series of one kind: `c`, `g`, `h` or `s`, each with a few samples.
fn of_a_kind(options: Options, kind: &str) -> Bridge {
    let values: &[&str] = match kind {
        "c" => &["1", "3"],
        "g" => &["71.5"],
        "s" => &["alice", "bob", "carol"],
        _ => &["0.007", "0.3", "0.31", "4.25", "12.5"],
    };
    let mut lines = Vec::new();
    for series in 0..OF_A_KIND {
        for value in values {
            let (family, route, status) = (series % 100, series / 100, ["200", "404", "500", "503"][(series % 4) as usize]);
            lines.push(format!("shop.m{family}:{value}|{kind}|#route:r{route},method:GET,status:{status}"));
        }
    }
    bridge(options, lines.iter().map(String::as_bytes))
}

fn page(bridge: &Bridge, format: Format, part: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
    let mut page = bridge.exposition(format, NOW);
    loop {
        part.clear();
        let is_more = page.more(part);
        each(part);
        if !is_more {
            return;
        }
    }
}

fn lines(bridge: &Bridge) -> Throughput {
    let mut lines = 0;
    page(bridge, Format::Text, &mut Vec::new(), |part| lines += part.iter().filter(|byte| **byte == b'\n').count() as u64);
    Throughput::Elements(lines)
}

fn row(group: &mut BenchmarkGroup<'_, WallTime>, id: BenchmarkId, bridge: &Bridge, format: Format) {
    let mut part = Vec::new();
    group.throughput(lines(bridge));
    group.bench_function(id, |b| b.iter(|| page(bridge, format, &mut part, |_| {})));
}

fn group<'c>(c: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(1_500));
    group
}

fn by_format(c: &mut Criterion) {
    let mut group = group(c, "mix");
    for series in [1_000, 100_000] {
        let (classic, native) = (mix(never_native(), series), mix(always_native(), series));
        for (name, format) in FORMATS {
            row(&mut group, BenchmarkId::new(name, series), &classic, format);
        }
        row(&mut group, BenchmarkId::new("protobuf+native", series), &native, Format::Protobuf);
        for (name, is_v2) in [("write1", false), ("write2", true)] {
            let mut target = RemoteWrite::new(is_v2, NOW);
            group.throughput(lines(&classic));
            group.bench_function(BenchmarkId::new(name, series), |b| b.iter(|| target.cycle(&classic)));
        }
        let mut part = Vec::new();
        group.throughput(lines(&classic));
        for (name, coding) in [("text+gzip", Coding::gzip as fn() -> Coding), ("text+zstd", Coding::zstd)] {
            group.bench_function(BenchmarkId::new(name, series), |b| {
                b.iter(|| {
                    let mut coding = coding();
                    page(&classic, Format::Text, &mut part, |part| coding.write(part));
                });
            });
        }
    }
    group.finish();
}

fn by_kind(c: &mut Criterion) {
    let mut group = group(c, "kind");
    let kinds = [
        ("counter", "c", never_native()),
        ("gauge", "g", never_native()),
        ("histogram", "h", never_native()),
        ("histogram+native", "h", always_native()),
        ("summary", "h", summaries()),
        ("set", "s", never_native()),
    ];
    for (name, kind, options) in kinds {
        let has_native = options.native.when == NativeWhen::Always;
        let bridge = of_a_kind(options, kind);
        for (of, format) in FORMATS.into_iter().filter(|(_, format)| !has_native || *format == Format::Protobuf) {
            row(&mut group, BenchmarkId::new(name, of), &bridge, format);
        }
    }
    group.finish();
}

/// One family with more series than the default limits allow.
fn order(c: &mut Criterion) {
    let most = 1 << 20;
    let limits = Limits::default().with(|limits| {
        limits.series = most;
        limits.series_per_family = most;
        limits.values_per_label = most;
    });
    let bridge = Bridge::new(never_native().with(|options| options.limits = limits));
    let mut worker = bridge.worker();
    let mut come = |from: u64, to: u64, step: usize, run: &str| {
        for series in (from..to).step_by(step) {
            let mut line = String::new();
            // In no order, as series arrive.
            let _ = write!(line, "c:1|c|#host:h{},run:{run}", series.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40);
            worker.ingest(line.as_bytes(), NOW);
        }
    };
    come(0, 100_000, 1, "old");
    let mut part = Vec::new();
    let mut group = group(c, "order");
    row(&mut group, BenchmarkId::new("nothing_new", 100_000), &bridge, Format::Text);
    group.bench_function(BenchmarkId::new("1000_new", 100_000), |b| {
        b.iter_batched(
            || {
                bridge.delete_series(&|_, labels| labels.iter().any(|(_, value)| value == "new"), false);
                // Removed series leave the order here, so that only new series are measured.
                page(&bridge, Format::Text, &mut Vec::new(), |_| {});
                come(0, 100_000, 100, "new");
            },
            |()| page(&bridge, Format::Text, &mut part, |_| {}),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn names(c: &mut Criterion) {
    let limits = Limits::default().with(|limits| limits.families = 20_000);
    let options = never_native().with(|options| {
        options.names = NameValidation::Utf8;
        options.limits = limits;
    });
    let lines: Vec<String> = (0..10_000).map(|family| format!("shop.größe.m{family}:1|c|#ro.ute:r{family}")).collect();
    let bridge = bridge(options, lines.iter().map(String::as_bytes));
    let mut group = group(c, "names");
    row(&mut group, BenchmarkId::new("utf8", 10_000), &bridge, Format::Text);
    group.finish();
}

criterion_group!(benches, by_format, by_kind, order, names);
criterion_main!(benches);
