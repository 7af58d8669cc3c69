//! The rules of the specifications of remote write 1.0 and 2.0 for senders, and the checks of Prometheus' compliance tests for senders,
//! as facts. docs/push-compliance.md is the table of them, and names the tests. Checks that any request can break are in
//! [`super::message`], which every test of this folder runs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::message::{Content, Histogram, Series};
use super::pushing;
use super::receiver::{Reaction, Receiver};
use crate::harness::{Running, until};
use crate::runner::Test;

/// Lines of every kind, with values and labels at their edges. The number after each is that of its samples.
const LINES: &str = "requests_total:42|c|#code:200,trace_id:abc
requests_total:3|c|#code:500
plain:123.45|g
whole:42|g
zero:0|g
negative:0|g
negative:-15.5|g
largest:1.7976931348623157e308|g
smallest:2.2250738585072014e-308|g
small:0.000123|g
precise:1.2345678901234567|g
land:1|c|#stadt:Köln,emoji:🎉,cjk:東京
odd:1|c|#path:C:\\temp\\\"x\",tab:a\tb
users:alice|s
latency_seconds:320|ms|#trace_id:t1
latency_seconds:7|ms|#trace_id:t2
scaled:1|h|@0.000001
quantile.a:5|ms
bytes.a:5|g
";

const RULES: &str = "mappings:
- {match: 'quantile.*', name: 'took', observer_type: summary, labels: {what: $1}, help: \"first line\\nsecond \\\"line\\\" \\\\ é\"}
- {match: 'short.*', name: 'brief', observer_type: summary, summary_options: {max_age: 1s, quantiles: [{quantile: 0.5, error: 0.05}]}}
- {match: 'bytes.*', name: 'sent', unit: bytes, labels: {what: $1}}
";

/// A bridge that has pushed lines to a receiver that writes all.
struct Pushed {
    receiver: Receiver,
    bridge: Running,
    _folder: TempDir,
}

impl Pushed {
    fn new(lines: &str, args: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let rules = folder.path().join("mapping.yml");
        std::fs::write(&rules, RULES).expect("a file in a temporary directory");
        let receiver = Receiver::start(|_| Reaction::Write);
        let launch = pushing(&receiver.url()).arg(format!("--statsd.mapping-config={}", rules.display()));
        let launch = launch.arg("--exemplars.tag=trace_id").arg("--push.label=cluster=c");
        let bridge = args.iter().fold(launch, |launch, arg| launch.arg(*arg)).start();
        until("the first push", || receiver.last("up"));
        let lines = format!("{lines}last:1|g\n");
        lines.lines().for_each(|line| bridge.send(line));
        bridge.page_at(lines.lines().count() as u64);
        until("all series are pushed", || receiver.last("last"));
        // Metadata of 1.0 follows the series.
        until("a cycle after it", || (receiver.points("last", ("job", "statsd-bridge")).len() > 1).then_some(()));
        Self { receiver, bridge, _folder: folder }
    }

    fn all(args: &[&str]) -> Self {
        Self::new(LINES, args)
    }

    fn contents(&self) -> Vec<Content> {
        self.receiver.seen().into_iter().map(|seen| seen.content).collect()
    }

    /// All series of all requests.
    fn series(&self) -> Vec<Series> {
        self.contents().into_iter().flat_map(|content| content.series).collect()
    }

    /// The series of this name, without first zeroes.
    fn named(&self, name: &str) -> Vec<Series> {
        let is_edge = |series: &Series| !series.is_histogram && series.points.iter().all(|point| point.value == 0.0 && point.start == 0);
        let found: Vec<Series> = self.series().into_iter().filter(|series| series.name() == name).collect();
        assert!(!found.is_empty(), "{name} was pushed");
        found.into_iter().filter(|series| series.metadata.as_ref().is_none_or(|of| of.kind == 2) || !is_edge(series)).collect()
    }

    /// The last value of the first series of this name.
    fn value(&self, name: &str) -> f64 {
        self.named(name).last().and_then(|series| series.points.last().map(|point| point.value)).expect("a value")
    }

    fn end(self) {
        assert_eq!(self.receiver.faults(), [""; 0]);
        self.bridge.stop();
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

#[apply(test)]
fn a_request_is_a_post_of_a_snappy_block_with_each_reserved_header_once() {
    for protocol in ["1.0", "2.0"] {
        let pushed = Pushed::all(&[&format!("--push.protocol={protocol}"), "--push.header=X-Scope-OrgID=shop"]);
        for seen in pushed.receiver.seen() {
            assert_eq!(seen.method, "POST");
            assert!(!seen.body.starts_with(b"\xff\x06\x00\x00sNaPpY"), "the framed format");
            for name in ["content-encoding", "content-type", "x-prometheus-remote-write-version", "user-agent", "x-scope-orgid"] {
                assert_eq!(seen.headers.iter().filter(|(known, _)| known == name).count(), 1, "{name}");
            }
            assert_eq!(seen.header("content-length"), seen.body.len().to_string());
        }
        pushed.end();
    }
}

#[apply(test)]
fn reserved_headers_cannot_be_set() {
    for name in
        ["Content-Encoding", "content-type", "X-Prometheus-Remote-Write-Version", "User-Agent", "Retry-Attempt", "Content-Length", "Host"]
    {
        let mut command = crate::harness::bridge_command();
        command.args(["--push.url=http://h/x", &format!("--push.header={name}=x"), "--check-config"]);
        let output = command.output().expect("the bridge runs");
        assert!(!output.status.success(), "{name}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("it is set by"), "{name}");
    }
}

#[apply(test)]
fn symbols_begin_with_an_empty_one_are_unique_and_all_used() {
    let pushed = Pushed::all(&["--push.protocol=2.0"]);
    for content in pushed.contents().iter().filter(|content| !content.series.is_empty()) {
        assert_eq!(content.symbols.first().map(String::as_str), Some(""));
        let unique: BTreeSet<&str> = content.symbols.iter().map(String::as_str).collect();
        assert_eq!(unique.len(), content.symbols.len(), "a symbol twice");
        let mut used = BTreeSet::from([""]);
        for series in &content.series {
            used.extend(series.labels.iter().flat_map(|(name, value)| [name.as_str(), value]));
            used.extend(series.exemplars.iter().flat_map(|of| &of.labels).flat_map(|(name, value)| [name.as_str(), value]));
            used.extend(series.metadata.iter().flat_map(|of| [of.help.as_str(), &of.unit]));
        }
        assert_eq!(unique, used);
    }
    pushed.end();
}

#[apply(test)]
fn labels_are_complete_sorted_and_not_empty() {
    let long = format!("long:1|c|#long_{}:{}", "n".repeat(200), "v".repeat(6_000));
    let labels: Vec<String> = (0..30).map(|n| format!("l{n}:v{n}")).collect();
    let many = format!("many:1|c|#{}", labels.join(","));
    let lines = format!("{LINES}{long}\n{many}\nreserved:1|c|#__hidden:1\nempty:1|c|#a:,b:c\n");
    let pushed = Pushed::new(&lines, &[]);
    // That they are sorted, unique and not empty is checked in each request.
    for series in pushed.series() {
        assert_eq!((series.label("job"), series.label("cluster")), ("statsd-bridge", "c"), "{series:?}");
        assert!(!series.label("instance").is_empty() && !series.name().is_empty(), "{series:?}");
        let reserved = series.labels.iter().filter(|(name, _)| name.starts_with("__") && name != "__name__").count();
        assert_eq!(reserved, 0, "{series:?}");
    }
    let one = |name: &str| pushed.named(name).first().cloned().expect("a series");
    let land = one("land");
    assert_eq!((land.label("stadt"), land.label("emoji"), land.label("cjk")), ("Köln", "🎉", "東京"));
    assert_eq!((one("odd").label("path"), one("odd").label("tab")), ("C:\\temp\\\"x\"", "a\tb"));
    assert_eq!(one("long").label(&format!("long_{}", "n".repeat(200))).len(), 6_000);
    assert_eq!(one("many").labels.len(), 30 + 4);
    assert_eq!((one("empty").label("a"), one("empty").label("b")), ("", "c"));
    pushed.end();
}

#[apply(test)]
fn values_are_exact() {
    for protocol in ["1.0", "2.0"] {
        let pushed = Pushed::all(&[&format!("--push.protocol={protocol}")]);
        let values = [
            ("plain", 123.45),
            ("whole", 42.0),
            ("zero", 0.0),
            ("negative", -15.5),
            ("largest", f64::MAX),
            ("smallest", f64::MIN_POSITIVE),
            ("small", 0.000_123),
            ("precise", 1.234_567_890_123_456_7),
            ("users", 1.0),
            ("latency_seconds_count", 2.0),
            ("latency_seconds_sum", 0.327),
            ("scaled_count", 1e6),
            ("took_count", 1.0),
        ];
        for (name, value) in values {
            assert_eq!(pushed.value(name), value, "{protocol} {name}");
        }
        let stale = pushed.series().iter().flat_map(|series| &series.points).filter(|point| point.is_stale).count();
        assert_eq!(stale, 0, "{protocol}: nothing is gone");
        pushed.end();
    }
}

#[apply(test)]
fn a_quantile_without_observations_is_nan_and_no_stale_marker() {
    for protocol in ["1.0", "2.0"] {
        let pushed = Pushed::new("short.a:5|ms\n", &[&format!("--push.protocol={protocol}")]);
        until("the window has no observations", || {
            let last = pushed.receiver.points("brief", ("quantile", "0.5")).last().copied()?;
            last.value.is_nan().then(|| assert_eq!((last.value.to_bits(), last.is_stale), (0x7ff8_0000_0000_0001, false), "{protocol}"))
        });
        pushed.end();
    }
}

#[apply(test)]
fn timestamps_are_milliseconds_one_a_cycle_in_order() {
    let began = now_ms();
    let pushed = Pushed::all(&["--push.protocol=2.0"]);
    let mut cycles = BTreeSet::new();
    for content in pushed.contents() {
        let times: BTreeSet<i64> = content.series.iter().flat_map(|series| &series.points).map(|point| point.time).collect();
        assert!(times.iter().all(|time| (began - 60_000..=now_ms()).contains(time)), "{times:?}");
        cycles.extend(times);
    }
    assert!(cycles.len() > 2, "{cycles:?}");
    // Series have no samples at other times, and the database has found them in order.
    let plain: Vec<i64> = pushed.receiver.points("plain", ("job", "statsd-bridge")).iter().map(|point| point.time).collect();
    assert!(plain.is_sorted_by(|a, b| a < b) && plain.iter().all(|time| cycles.contains(time)), "{plain:?} {cycles:?}");
    pushed.end();
}

#[apply(test)]
fn cumulative_series_have_start_timestamps_in_2_0_only() {
    let pushed = Pushed::all(&["--push.protocol=2.0"]);
    for name in ["requests_total", "latency_seconds_bucket", "latency_seconds_count", "took_sum"] {
        let points: Vec<_> = pushed.named(name).iter().flat_map(|series| series.points.clone()).collect();
        assert!(points.iter().all(|point| point.start > 0 && point.start <= point.time), "{name}: {points:?}");
    }
    for name in ["plain", "users", "up"] {
        assert!(pushed.named(name).iter().flat_map(|series| &series.points).all(|point| point.start == 0), "{name}");
    }
    pushed.end();
    let pushed = Pushed::all(&["--push.protocol=1.0"]);
    assert!(pushed.series().iter().flat_map(|series| &series.points).all(|point| point.start == 0));
    pushed.end();
}

#[apply(test)]
fn metadata_is_that_of_the_family() {
    let pushed = Pushed::all(&["--push.protocol=2.0"]);
    let families = [
        ("requests_total", 1),
        ("plain", 2),
        ("users", 2),
        ("latency_seconds_bucket", 3),
        ("latency_seconds_sum", 3),
        ("latency_seconds_count", 3),
        ("took", 5),
        ("took_sum", 5),
        ("took_count", 5),
        ("sent_bytes", 2),
        ("up", 2),
        ("statsd_bridge_lines_total", 1),
    ];
    for (name, kind) in families {
        let all: BTreeSet<_> = pushed.series().into_iter().filter(|series| series.name() == name).collect_metadata();
        assert_eq!(all.len(), 1, "{name}: one text for all series: {all:?}");
        let (seen, help, unit) = all.first().expect("metadata");
        assert_eq!((*seen, help.is_empty()), (kind, false), "{name}");
        assert_eq!(unit, if name == "sent_bytes" { "bytes" } else { "" }, "{name}");
    }
    let help = |content: &Series| content.metadata.as_ref().map(|of| of.help.clone());
    assert_eq!(pushed.named("took").first().and_then(help).as_deref(), Some("first line\nsecond \"line\" \\ é"));
    pushed.end();
}

trait Metadatas {
    fn collect_metadata(self) -> BTreeSet<(u64, String, String)>;
}

impl<I: Iterator<Item = Series>> Metadatas for I {
    fn collect_metadata(self) -> BTreeSet<(u64, String, String)> {
        self.filter_map(|series| series.metadata).map(|of| (of.kind, of.help, of.unit)).collect()
    }
}

#[apply(test)]
fn metadata_of_1_0_has_requests_of_its_own() {
    let pushed = Pushed::all(&["--push.protocol=1.0"]);
    let contents = pushed.contents();
    assert!(contents.iter().all(|content| content.series.is_empty() || content.metadata.is_empty()));
    let all: Vec<_> = contents.into_iter().flat_map(|content| content.metadata).collect();
    // The first metadata is that of the first cycle.
    assert!(all.iter().any(|of| of.name == "statsd_bridge_lines_total" && of.kind == 1 && !of.help.is_empty()), "{all:?}");
    assert!(all.iter().all(|of| matches!(of.kind, 1..=3 | 5)), "{all:?}");
    pushed.end();
}

#[apply(test)]
fn exemplars_have_their_labels_values_and_timestamps_and_are_sent_once() {
    for protocol in ["1.0", "2.0"] {
        let pushed = Pushed::all(&[&format!("--push.protocol={protocol}")]);
        let of = |name: &str| -> Vec<_> { pushed.series().into_iter().filter(|series| series.name() == name).collect() };
        let requests: Vec<_> = of("requests_total").into_iter().flat_map(|series| series.exemplars).collect();
        assert_eq!(requests.len(), 1, "{protocol}: {requests:?}");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(requests[0].labels, [pair("trace_id", "abc")], "{protocol}");
        assert_eq!(requests[0].value, 42.0, "{protocol}");
        let buckets = of("latency_seconds_bucket");
        let mut traces: Vec<_> =
            buckets.iter().flat_map(|series| &series.exemplars).map(|of| (of.labels[0].1.as_str(), of.value, of.time)).collect();
        traces.sort_by(|a, b| a.0.cmp(b.0));
        assert!(matches!(traces[..], [("t1", 0.32, a), ("t2", 0.007, b)] if a > 0 && a <= b && b <= now_ms()), "{protocol}: {traces:?}");
        pushed.end();
    }
}

/// The last native histogram of this name.
fn native(pushed: &Pushed, name: &str) -> (Series, Histogram) {
    let series = pushed.named(name).pop().expect("a series");
    let histogram = series.histograms.last().cloned().expect("a histogram");
    (series, histogram)
}

fn counts_of(spans: &[super::message::Span], deltas: &[i64]) -> Vec<i64> {
    assert_eq!(spans.iter().map(|span| span.length as usize).sum::<usize>(), deltas.len());
    deltas
        .iter()
        .scan(0, |count, delta| {
            Some({
                *count += delta;
                *count
            })
        })
        .collect()
}

#[apply(test)]
fn native_histograms_have_ordered_buckets_that_add_up_and_no_floats_beside_them() {
    let lines = "shift:-5|h\nshift:-0.25|h\nshift:0|h\nshift:0.25|h\nshift:9|h\nshift:9|h|@0.5\n";
    let pushed = Pushed::new(lines, &["--statsd.native-histograms=always", "--push.histograms=native", "--push.protocol=2.0"]);
    let (series, histogram) = native(&pushed, "shift");
    assert!(series.is_histogram && (-4..=8).contains(&histogram.schema), "{histogram:?}");
    assert_eq!((histogram.count, histogram.zero_count, histogram.sum), (Some(7), Some(1), 22.0), "{histogram:?}");
    assert!(histogram.zero_threshold >= 0.0 && histogram.custom_values.is_empty());
    let positive = counts_of(&histogram.positive_spans, &histogram.positive_deltas);
    let negative = counts_of(&histogram.negative_spans, &histogram.negative_deltas);
    assert_eq!((positive, negative), (vec![1, 3], vec![1, 1]), "{histogram:?}");
    assert!(histogram.positive_spans.iter().skip(1).all(|span| span.offset > 0), "{histogram:?}");
    assert!(histogram.start_timestamp > 0 && histogram.start_timestamp <= histogram.timestamp, "{histogram:?}");
    // No series of its buckets is sent.
    assert!(!pushed.series().iter().any(|series| series.name().starts_with("shift_")));
    pushed.end();
}

#[apply(test)]
fn histograms_with_custom_buckets_have_the_bounds_of_the_classic_form() {
    let lines = "size:1|h\nsize:3|h\nsize:1000000|h\n";
    let pushed = Pushed::new(lines, &["--statsd.histogram-buckets=1,2,5", "--push.histograms=nhcb", "--push.protocol=2.0"]);
    let (_, histogram) = native(&pushed, "size");
    assert_eq!((histogram.schema, &histogram.custom_values[..]), (-53, &[1.0, 2.0, 5.0][..]));
    assert_eq!((histogram.count, histogram.zero_count, histogram.zero_threshold, histogram.sum), (Some(3), None, 0.0, 1_000_004.0));
    assert_eq!(counts_of(&histogram.positive_spans, &histogram.positive_deltas), [1, 0, 1, 1]);
    assert!(histogram.negative_spans.is_empty());
    pushed.end();
    // 1.0 has no such histograms.
    let pushed = Pushed::new(lines, &["--statsd.histogram-buckets=1,2,5", "--push.protocol=1.0"]);
    assert!(!pushed.series().iter().any(|series| series.is_histogram));
    assert_eq!(pushed.value("size_count"), 3.0);
    pushed.end();
}

#[apply(test)]
fn names_are_valid_in_1_0_and_as_they_are_in_2_0() {
    let lines = "shop.größe:1|g|#mein.tag:x\n";
    let names = |pushed: &Pushed| -> BTreeSet<String> {
        pushed
            .series()
            .iter()
            .flat_map(|series| series.labels.iter().map(|(name, _)| name.clone()).chain([series.name().to_owned()]))
            .collect()
    };
    let pushed = Pushed::new(lines, &["--push.protocol=1.0", "--name-validation=utf8"]);
    let is_valid = |name: &String| {
        !name.starts_with(|first: char| first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
    };
    assert_eq!(names(&pushed).into_iter().filter(|name| !is_valid(name)).collect::<Vec<_>>(), [""; 0]);
    pushed.end();
    let pushed = Pushed::new(lines, &["--push.protocol=2.0", "--name-validation=utf8"]);
    let names = names(&pushed);
    assert!(names.contains("shop.größe") && names.contains("mein.tag"), "{names:?}");
    pushed.end();
}

#[apply(test)]
fn many_series_share_requests_of_limited_size() {
    let lines: String = (0..5000).fold(String::new(), |mut lines, n| {
        let _ = writeln!(lines, "many:1|g|#n:{n}");
        lines
    });
    let pushed = Pushed::new(&lines, &["--push.protocol=2.0", "--push.self-metrics=false"]);
    let samples = |content: &Content| content.series.iter().map(|series| series.points.len()).sum::<usize>();
    let all: Vec<usize> = pushed.contents().iter().map(samples).collect();
    assert!(all.iter().all(|samples| *samples <= 2000), "{all:?}");
    assert!(all.iter().filter(|samples| **samples == 2000).count() >= 2, "requests are filled: {all:?}");
    // Labels that all series share are sent once a request: three symbols for each label of the target, and two for each value.
    let full = pushed.contents().into_iter().find(|content| samples(content) == 2000).expect("a full request");
    assert!(full.symbols.len() < 2000 + 20, "{}", full.symbols.len());
    pushed.end();
}

#[apply(test)]
fn a_new_attempt_waits_longer_each_time_and_not_always_the_same() {
    use std::sync::{Arc, Mutex};
    use std::time::Instant;
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let seen = Arc::clone(&times);
    let receiver = Receiver::start(move |_| {
        seen.lock().expect("a lock").push(Instant::now());
        Reaction::Answer(503, vec![])
    });
    let bridge = pushing(&receiver.url()).start();
    until("seven attempts", || (times.lock().expect("a lock").len() >= 7).then_some(()));
    let times = times.lock().expect("a lock").clone();
    let delays: Vec<u128> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    // Delay n is random between a tenth of its maximum, which doubles from 250 ms, and all of it.
    for (n, delay) in delays.iter().enumerate() {
        assert!(*delay >= 25 << n, "{delays:?}");
    }
    assert!(delays.windows(2).any(|pair| pair[1] != 2 * pair[0]), "{delays:?}");
    bridge.process.signal(rustix::process::Signal::KILL);
}

/// A test that the table of the document names.
#[apply(test)]
fn the_table_of_compliance_names_existing_tests() {
    let path = crate::peers::repository().join("docs/push-compliance.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let known: BTreeSet<&str> = inventory::iter::<Test>().map(|test| test.name.split_once("push::").map_or("", |(_, name)| name)).collect();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("---"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let levels = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "check"];
    let rules: Vec<&Vec<&str>> = rows.iter().filter(|row| levels.contains(&row[0])).collect();
    assert!(rules.len() > 60, "{} rules", rules.len());
    for row in rules {
        let [_, _, result, tests] = row[..] else { panic!("four columns: {row:?}") };
        assert!(result == "pass" || result.len() > 10, "pass, or a reason: {row:?}");
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty() || (tests == "-" && result != "pass"), "a test, or a reason: {row:?}");
        let source = |name: &str| name.strip_prefix("src/").is_some_and(|_| crate::peers::repository().join(name).is_file());
        let unknown: Vec<&&str> = named.iter().filter(|name| !known.contains(**name) && !source(name)).collect();
        assert!(unknown.is_empty(), "no such test: {unknown:?}");
    }
}
