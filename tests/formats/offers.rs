//! Whether the bridge offers OpenMetrics. This depends on the options and the rules in force, and not on samples or scrapes.

use statsd_bridge::OpenMetricsOffer::{self, AsAsked, Never, WithoutText};
use statsd_bridge::options::{OpenMetrics, TagKey};
use statsd_bridge::{Bridge, Format, Options};

use super::{NOW, bridge, openmetrics, protobuf, rules, text};

const UNITS: &str = "mappings:\n- match: wait\n  name: wait\n  unit: ms\n";

fn offer(options: Options, rules: &str) -> OpenMetricsOffer {
    bridge(options, rules, &["wait:1|ms\nx:1|c|@0.3"]).openmetrics_offer()
}

#[apply(test)]
fn openmetrics_is_offered_where_it_has_something_to_show_that_text_has_not() {
    let with = |openmetrics| Options::default().with(|options| options.openmetrics = openmetrics);
    assert_eq!(offer(Options::default(), ""), WithoutText);
    assert_eq!(offer(Options::default().with(|options| options.created_lines = true), ""), AsAsked);
    assert_eq!(offer(Options::default().with(|options| options.exemplar_tag = TagKey::new("trace_id").ok()), ""), AsAsked);
    assert_eq!(offer(Options::default(), UNITS), AsAsked);
    for without in ["mappings:\n- match: wait\n  name: wait\n  unit: none\n", "mappings:\n- match: wait\n  name: wait\n"] {
        assert_eq!(offer(Options::default(), without), WithoutText, "{without}");
    }
    for rules in ["", UNITS] {
        assert_eq!(offer(with(OpenMetrics::Always), rules), AsAsked);
        assert_eq!(offer(with(OpenMetrics::Never).with(|options| options.created_lines = true), rules), Never);
    }
}

#[apply(test)]
fn the_offer_changes_with_the_rules_and_with_no_scrape() {
    let bridge = Bridge::new(Options::default());
    let mut worker = bridge.worker();
    for (text_of_rules, want) in [("", WithoutText), (UNITS, AsAsked), ("", WithoutText)] {
        bridge.replace_rules(rules(text_of_rules));
        for _ in 0..2 {
            worker.ingest(b"wait:1|ms\nx_total:1|c|#trace_id:1", NOW);
            assert_eq!(bridge.openmetrics_offer(), want, "{text_of_rules}");
            for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
                while bridge.exposition(format, NOW).more(&mut Vec::new()) {}
            }
        }
    }
}

/// The counts of a histogram and of a summary in an exposition.
fn counts(page: &str) -> Vec<(String, f64)> {
    let lines = page.lines().filter(|line| line.starts_with("h_bucket{") || line.starts_with("h_count ") || line.starts_with("s_count "));
    let value = |line: &str| line.split(' ').nth(1).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    // The bound 1 is 1.0 in OpenMetrics.
    lines.map(|line| (line.split(' ').next().unwrap_or_default().replace(".0\"", "\""), value(line))).collect()
}

#[apply(test)]
fn counts_that_are_fractions_are_the_same_in_text_and_openmetrics() {
    const RULES: &str = "mappings:\n- match: s\n  name: s\n  observer_type: summary\n";
    for exemplar_tag in [None, TagKey::new("trace_id").ok()] {
        let has_exemplars = exemplar_tag.is_some();
        let bridge = bridge(Options::default().with(|options| options.exemplar_tag = exemplar_tag), RULES, &[]);
        let mut worker = bridge.worker();
        let mut before = Vec::new();
        for nth in 0..7 {
            let rate = if nth == 0 { "" } else { "|@0.3" };
            worker.ingest(format!("h:0.5|h{rate}\nh:7|h{rate}\ns:1|h{rate}").as_bytes(), NOW);
            let page = openmetrics(&bridge);
            let seen = counts(&page);
            assert_eq!(seen, counts(&text(&bridge)), "{nth}\n{page}");
            assert!(seen.len() == 14 && before.iter().zip(&seen).all(|(before, seen): (&(_, f64), _)| before.1 <= seen.1), "{nth}");
            before = seen;
            // OpenMetrics requires whole counts, so a family with fractions has no type. Exemplars need a type, so with
            // `exemplar_tag` the family keeps it.
            let is_typed = page.contains("# TYPE h histogram\n") && page.contains("# TYPE s summary\n");
            let is_whole = before.iter().all(|(_, count)| count.fract() == 0.0);
            assert_eq!(is_typed, has_exemplars || is_whole, "{nth}\n{page}");
            if is_whole || !has_exemplars {
                crate::openmetrics::Page::parse(&page).unwrap_or_else(|error| panic!("{error}\n{page}"));
            }
            assert!(!protobuf(&bridge).is_empty());
        }
    }
}
