//! One exposition in three formats: text, OpenMetrics and protobuf have the same samples under the same names.

mod collisions;
mod exemplars;
pub mod messages;
mod native;
mod offers;
mod published;
pub mod samples;

use statsd_bridge::mapping::Rules;
use statsd_bridge::name::Escaping;
use statsd_bridge::{Bridge, Format, Options, Timestamp};

use self::messages::MetricFamily;
use crate::{examples, peers};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);

/// The exposition in a format.
fn page(bridge: &Bridge, (format, escaping): (Format, Escaping)) -> Vec<u8> {
    let (mut page, mut out) = (bridge.exposition_escaped(format, escaping, NOW), Vec::new());
    while page.more(&mut out) {}
    out
}

fn text(bridge: &Bridge) -> String {
    String::from_utf8(page(bridge, (Format::Text, Escaping::Underscores))).expect("UTF-8")
}

fn openmetrics(bridge: &Bridge) -> String {
    String::from_utf8(page(bridge, (Format::OpenMetrics, Escaping::Underscores))).expect("UTF-8")
}

fn protobuf(bridge: &Bridge) -> Vec<MetricFamily> {
    messages::decode(&page(bridge, (Format::Protobuf, Escaping::Underscores)))
}

fn rules(text: &str) -> Rules {
    Rules::from_yaml(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A bridge with these options and rules, after these datagrams.
fn bridge(options: Options, rules: &str, datagrams: &[&str]) -> Bridge {
    let bridge = Bridge::new(options);
    bridge.replace_rules(self::rules(rules));
    let mut worker = bridge.worker();
    datagrams.iter().for_each(|datagram| worker.ingest(datagram.as_bytes(), NOW));
    bridge
}

/// The differences between the formats. If a name needs escaping, every escaping is compared.
fn differences(bridge: &Bridge) -> Vec<String> {
    let prefix = bridge.options().prefix.as_str();
    let mut found = Vec::new();
    let unescaped = String::from_utf8(page(bridge, (Format::Text, Escaping::AllowUtf8))).expect("UTF-8");
    let has_quoted_names = ["# TYPE \"", "{\"", ",\""].iter().any(|quoted| unescaped.contains(quoted));
    for escaping in if has_quoted_names { &Escaping::ALL[..] } else { &[Escaping::Underscores] } {
        let escaping = *escaping;
        let page = |format| page(bridge, (format, escaping));
        let utf8 = |format| String::from_utf8(page(format)).expect("UTF-8");
        let in_text = samples::of_text(&utf8(Format::Text));
        found.extend(samples::differences(&in_text, &samples::of_openmetrics(&utf8(Format::OpenMetrics)), prefix, false));
        found.extend(samples::differences(&in_text, &samples::of_messages(&messages::decode(&page(Format::Protobuf))), prefix, true));
    }
    found
}

#[apply(test)]
fn every_case_shows_the_same_samples_in_every_format() {
    let mut cases = 0;
    examples::each_bridge(&mut |name, bridge| {
        let differences = differences(bridge);
        assert!(differences.is_empty(), "{name}: {differences:#?}");
        cases += 1;
    });
    assert!(cases >= 50, "{cases}");
}

#[apply(test)]
fn pythons_strict_reader_accepts_every_case() {
    let python = peers::python_with_clients();
    let mut pages = Vec::new();
    examples::each_bridge(&mut |name, bridge| pages.push((name.to_owned(), openmetrics(bridge))));
    pages.extend(collisions::pages());
    let script = peers::repository().join("tests/python/read_openmetrics.py");
    let input = serde_json::to_vec(&pages).expect("JSON");
    let (code, output) = crate::prometheus::filter(std::process::Command::new(python).arg(script), &input);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(output.trim(), pages.len().to_string());
}

#[apply(test)]
fn a_large_family_is_one_message_or_a_few() {
    let mut options = Options::default();
    (options.limits.series_per_family, options.limits.values_per_label) = (100_000, 100_000);
    let lines = |count: usize| (0..count).map(|n| format!("large:{n}|c|#host:some-host-{n},zone:a")).collect::<Vec<_>>().join("\n");
    let count = |bridge: &Bridge| protobuf(bridge).iter().filter(|family| family.name.as_deref() == Some("large")).count();
    let small = bridge(options.clone(), "", &[&lines(10_000)]);
    assert_eq!(count(&small), 1);
    let large = bridge(options, "", &[&lines(52_000)]);
    assert!(count(&large) > 1);
    assert_eq!(differences(&large), [""; 0]);
    // Each part is small, although the exposition is large.
    let (mut page, mut part) = (large.exposition(Format::Protobuf, NOW), Vec::new());
    while page.more(&mut part) {
        assert!(part.len() < 256 << 10, "{}", part.len());
        part.clear();
    }
}
