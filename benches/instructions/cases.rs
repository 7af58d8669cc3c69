//! The cases. The preparation of a case is not counted, its run is.

use std::hint::black_box;

use statsd_bridge::internals::protocol::{Line, parse_line};
use statsd_bridge::mapping::Rules;
use statsd_bridge::options::Dialect;
use statsd_bridge::{Bridge, Format, Options};

use crate::kinds::{KINDS, Kind, NOW};
use crate::load;

/// Minimum lines of a case, so that the effect of random seeds is far below a percent.
const LINES: u64 = 20_000;

/// Expositions of a case, for the same reason.
const PAGES: u64 = 8;

/// A part of the bridge with its load.
pub(crate) struct Case {
    /// Its name in the baseline.
    pub(crate) name: String,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Parse(fn() -> Vec<Vec<u8>>),
    Known { series: u64 },
    OneLineADatagram,
    Kind(Kind),
    New { rules: usize },
    Scrape(Format),
}

/// A prepared case.
pub(crate) struct Ready {
    /// Lines of one run. For an exposition, lines in text format, for every format.
    pub(crate) lines: u64,
    /// The counted part. It returns its data, so that dropping the data is not counted.
    pub(crate) run: Box<dyn FnMut()>,
}

/// All cases, in the order of the data flow.
pub(crate) fn all() -> Vec<Case> {
    let case = |name: &str, what| Case { name: name.to_owned(), what };
    let mut cases = vec![
        case("parse/tagged_1432_bytes", What::Parse(|| load::load(1_000, 400).datagrams)),
        case("parse/plain", What::Parse(|| vec![b"shop.orders.paid:1|c\nshop.latency:12.5|ms\nshop.queue.length:17|g".to_vec(); 400])),
    ];
    cases.extend([1_000, 10_000, 100_000].map(|series| case(&format!("ingest/known_{series}"), What::Known { series })));
    cases.push(case("ingest/one_line_a_datagram", What::OneLineADatagram));
    cases.extend(KINDS.map(|kind| case(&format!("kind/{}", kind.name), What::Kind(kind))));
    cases.push(case("ingest/new_routes", What::New { rules: 0 }));
    cases.push(case("ingest/new_routes_1000_globs", What::New { rules: 1_000 }));
    let formats = [("text", Format::Text), ("openmetrics", Format::OpenMetrics), ("protobuf", Format::Protobuf)];
    cases.extend(formats.map(|(name, format)| case(&format!("scrape/{name}"), What::Scrape(format))));
    cases
}

impl Case {
    /// Prepares the case: series are known and memory is warm, except in cases of new bindings.
    pub(crate) fn prepare(&self) -> Ready {
        match self.what {
            What::Parse(datagrams) => parse(datagrams()),
            What::Known { series } => {
                // The first datagrams contain every series in order, the others at random.
                let named = load::load(series, 0).datagrams;
                let mut datagrams = load::load(series, named.len() + LINES as usize / 20).datagrams;
                let mut worker = Bridge::new(options()).worker();
                worker.ingest_batch(datagrams.iter().map(Vec::as_slice), NOW);
                ingest(worker, datagrams.split_off(named.len()))
            }
            What::OneLineADatagram => {
                let datagrams = load::load(1_000, LINES as usize / 20).datagrams;
                let mut worker = Bridge::new(options()).worker();
                worker.ingest_batch(datagrams.iter().map(Vec::as_slice), NOW);
                ingest(worker, datagrams.iter().flat_map(|d| d.split(|b| *b == b'\n')).map(<[u8]>::to_vec).collect())
            }
            What::Kind(kind) => {
                // Each estimated set needs 16 KiB and thousands of members.
                let series = if kind.name == "set_estimated" { 20 } else { 1_000 };
                // Enough values that a summary has bins, and a set hundreds of members.
                let mut datagrams = kind.datagrams(series, 6 * LINES);
                let mut worker = kind.worker(series);
                worker.ingest_batch(datagrams.iter().map(Vec::as_slice), NOW);
                ingest(worker, datagrams.split_off(datagrams.len() / 6 * 5))
            }
            What::New { rules } => {
                let count = LINES / 2;
                let lines = (0..count).map(|i| format!("svc{}.host{}.app.get:1|c|#shop:s{i},region:eu", i % 1000, i % 100).into_bytes());
                let bridge = Bridge::new(options());
                bridge.replace_rules(globs(rules));
                ingest(bridge.worker(), lines.collect())
            }
            What::Scrape(format) => scrape(format),
        }
    }
}

/// As the program's: counts are kept by sender.
fn options() -> Options {
    Options::default().with(|options| options.sources.max = 1000)
}

fn parse(datagrams: Vec<Vec<u8>>) -> Ready {
    let dialect = Dialect::default();
    let lines = lines_of(&datagrams);
    let run = move || {
        for line in datagrams.iter().flat_map(|d| d.split(|b| *b == b'\n')) {
            match parse_line(black_box(line), &dialect) {
                Line::Samples(samples) => samples.for_each(|sample| _ = black_box(sample)),
                other => _ = black_box(other),
            }
        }
    };
    Ready { lines, run: Box::new(run) }
}

/// Ingests batches of 64 datagrams, as from a socket.
fn ingest(mut worker: statsd_bridge::Worker, datagrams: Vec<Vec<u8>>) -> Ready {
    let lines = lines_of(&datagrams);
    let run = move || {
        for batch in datagrams.chunks(64) {
            worker.ingest_batch(batch.iter().map(Vec::as_slice), NOW);
        }
    };
    Ready { lines, run: Box::new(run) }
}

fn scrape(format: Format) -> Ready {
    let bridge = Bridge::new(Options::default());
    bridge.worker().ingest_batch(load::load(1_000, 0).datagrams.iter().map(Vec::as_slice), NOW);
    let mut page = Vec::new();
    bridge.render(NOW, &mut page);
    let lines = page.iter().filter(|b| **b == b'\n').count() as u64;
    let run = move || {
        for _ in 0..PAGES {
            let mut made = bridge.exposition(format, NOW);
            page.clear();
            while made.more(&mut page) {
                page.clear();
            }
        }
    };
    let mut ready = Ready { lines: lines * PAGES, run: Box::new(run) };
    // Allocations of the first exposition are not counted.
    (ready.run)();
    ready
}

fn lines_of(datagrams: &[Vec<u8>]) -> u64 {
    datagrams.iter().map(|d| 1 + d.iter().filter(|b| **b == b'\n').count() as u64).sum()
}

/// This number of rules. New identities of the load match one of a thousand.
fn globs(count: usize) -> Rules {
    let rules: String =
        (0..count).map(|i| format!("- match: 'svc{i}.*.app.*'\n  name: 'm{i}'\n  labels: {{host: $1, verb: $2}}\n")).collect();
    let text = format!("mappings:\n{rules}");
    Rules::from_yaml(&text).unwrap_or_else(|error| panic!("{error}"))
}
