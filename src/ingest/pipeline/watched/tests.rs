//! What viewers see, and that being seen changes nothing.

use super::*;
use crate::bridge::Bridge;
use crate::mapping::Rules;
use crate::options::{Limits, Options};
use crate::tap::{LabelFilter, RuleFilter, TapCounts, TapFilter, TextPattern, VerdictFilter, Watch};

const RULES: &str =
    "mappings:\n- match: secret.*\n  name: secret\n  action: drop\n- match: shop.*.paid\n  name: paid_total\n  labels: {shop: $1}\n";

fn bridge() -> Bridge {
    let bridge = Bridge::new(Options { limits: Limits { families: 6, ..Limits::default() }, ..Options::default() });
    bridge.replace_rules(Rules::from_yaml(RULES).expect("rules"));
    bridge
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn watch(bridge: &Bridge, filter: TapFilter) -> Watch {
    bridge.taps().watch(filter, 1_000, 4).expect("a place")
}

fn send(bridge: &Bridge, datagrams: &[&str], now: Timestamp) {
    let source = Source::Udp(([127, 0, 0, 1], 5353).into());
    let mut worker = bridge.worker();
    assert!(worker.is_watched());
    worker.ingest_watched(datagrams.iter().map(|text| Datagram { bytes: text.as_bytes(), source: &source }), now);
}

/// Line and verdict, with the reasons.
fn seen(watch: &Watch) -> Vec<String> {
    let text = |line: TappedLine| {
        let reasons: Vec<_> = line.verdict.rejected.iter().map(|(reason, count)| format!(" {reason} {count}")).collect();
        format!("{} {}{}", String::from_utf8_lossy(&line.line), line.verdict.as_str(), reasons.concat())
    };
    watch.take().into_iter().map(text).collect()
}

#[test]
fn each_line_has_the_verdict_of_its_counts() {
    let bridge = bridge();
    let all = watch(&bridge, TapFilter::default());
    let lines = "a:1|c\nsecret.x:1|c\na:1|g\nbad\na:-1|c\nm:1|ms:x|ms\n_e{1,1}:a|b\n_sc|up|0\n";
    send(&bridge, &[lines, "", "b:1|c", "c:1|c\nd:1|c\ne:1|c\n\nf:1|c"], at(0));
    assert_eq!(
        seen(&all),
        [
            "a:1|c recorded",
            "secret.x:1|c dropped",
            "a:1|g rejected conflict 1",
            "bad rejected malformed_line 1",
            "a:-1|c rejected illegal_negative_counter 1",
            "m:1|ms:x|ms partly_recorded malformed_value 1",
            "_e{1,1}:a|b recorded",
            "_sc|up|0 recorded",
            "b:1|c recorded",
            "c:1|c recorded",
            "d:1|c rejected family_limit 1",
            "e:1|c rejected family_limit 1",
            "f:1|c rejected family_limit 1",
        ]
    );
    let counts = all.counts();
    assert_eq!((counts.arrived, counts.matched, counts.shown, counts.unexamined, counts.missed), (16, 13, 13, 0, 0));
    assert!(bridge.accounting().adds_up());
    drop(all);
    assert!(!bridge.worker().is_watched());
}

#[test]
fn a_viewer_without_room_misses_lines_and_leaves_them_to_others() {
    let bridge = bridge();
    let slow = bridge.taps().watch(TapFilter { name: TextPattern::new("a*"), ..TapFilter::default() }, 1, 4).expect("a place");
    let datagrams: Vec<_> = (0..100).map(|_| "a:1|c\nb:1|c\naa:1|c").collect();
    send(&bridge, &datagrams, at(0));
    assert_eq!(seen(&slow), ["a:1|c recorded"]);
    let of = |watch: &Watch| {
        let TapCounts { arrived, matched, shown, missed, .. } = watch.counts();
        (arrived, matched, shown, missed)
    };
    assert_eq!(of(&slow), (300, 200, 1, 199));
    let all = watch(&bridge, TapFilter::default());
    send(&bridge, &["b:1|c\na:2|c"], at(1));
    assert_eq!(seen(&all), ["b:1|c recorded", "a:2|c recorded"]);
    assert_eq!((of(&slow), of(&all)), ((302, 201, 1, 200), (2, 2, 2, 0)));
    // After a second there is room for one line more, and its verdict is its own.
    send(&bridge, &["a:1|c\na:1|g\na:1|c", "a:-1|c"], at(1_000));
    assert_eq!(seen(&slow), ["a:1|c recorded"]);
    assert_eq!(of(&slow), (306, 205, 2, 203));
    assert!(bridge.accounting().adds_up());
}

#[test]
fn a_line_shows_its_rule_its_series_and_its_sender() {
    let bridge = bridge();
    let all = watch(&bridge, TapFilter::default());
    send(&bridge, &["shop.berlin.paid:1|c|#z:1,a:x", "plain:1|g", "secret.y:1|c"], at(7));
    let lines = all.take();
    let mappings: Vec<_> = lines.iter().map(|line| line.mapping.clone().expect("a sample")).collect();
    let labels = [("a", "x"), ("shop", "berlin"), ("z", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!((mappings[0].family.as_deref(), &mappings[0].labels[..]), (Some("paid_total"), &labels[..]));
    assert_eq!(mappings[0].rule, Some((2, "rules:5:10".to_owned())));
    assert_eq!((mappings[1].family.as_deref(), &mappings[1].rule), (Some("plain"), &None));
    assert_eq!((&mappings[2].family, mappings[2].rule.as_ref().map(|rule| rule.0)), (&None, Some(1)));
    assert!(lines.iter().all(|line| line.at == at(7) && line.source.to_string() == "udp 127.0.0.1:5353"));
}

#[test]
fn filters_choose_by_name_sender_verdict_rule_and_label() {
    let lines = ["shop.berlin.paid:1|c", "shop.rome.paid:1|c", "plain:1|g", "plain:1|c", "bad", "secret.z:1|c"];
    let text = TextPattern::new;
    let label = |name: &str, value: &str| Some(LabelFilter { name: name.to_owned(), value: TextPattern::new(value) });
    let cases: [(TapFilter, &[usize]); 11] = [
        (TapFilter { name: text("plain"), ..TapFilter::default() }, &[2, 3]),
        (TapFilter { name: text("shop.*.paid"), ..TapFilter::default() }, &[0, 1]),
        (TapFilter { name: text("*.paid:1"), ..TapFilter::default() }, &[]),
        (TapFilter { source: text("127.0.0.1"), name: text("rome"), ..TapFilter::default() }, &[1]),
        (TapFilter { source: text("127.0.0.2"), ..TapFilter::default() }, &[]),
        (TapFilter { verdict: Some(VerdictFilter::Rejected), ..TapFilter::default() }, &[3, 4]),
        (TapFilter { verdict: Some(VerdictFilter::Reason("conflict")), ..TapFilter::default() }, &[3]),
        (TapFilter { verdict: Some(VerdictFilter::Dropped), ..TapFilter::default() }, &[5]),
        (TapFilter { rule: Some(RuleFilter::Unmapped), ..TapFilter::default() }, &[2, 3]),
        (TapFilter { rule: Some(RuleFilter::Number(2)), verdict: Some(VerdictFilter::Recorded), ..TapFilter::default() }, &[0, 1]),
        (TapFilter { label: label("shop", "ber*"), ..TapFilter::default() }, &[0]),
    ];
    for (filter, wanted) in cases {
        let bridge = bridge();
        let watch = watch(&bridge, filter.clone());
        send(&bridge, &lines, at(0));
        let seen: Vec<_> = watch.take().into_iter().map(|line| String::from_utf8(line.line).expect("text")).collect();
        let wanted: Vec<_> = wanted.iter().map(|at| lines[*at].to_owned()).collect();
        assert_eq!(seen, wanted, "{filter:?}");
        let TapCounts { arrived, matched, filtered, shown, .. } = watch.counts();
        assert_eq!((arrived, matched), (6, filtered + shown), "{filter:?}");
    }
}

#[test]
fn a_watched_bridge_records_what_another_one_records() {
    let mut random = 7_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let pieces =
        ["a:1|c", "b:2|g", "a:+1|g", "secret.q:1|c", "shop.x.paid:3|c|#k:v", "t:5|ms|@0.5", "u:m|s", "bad", "", "h:1:2:3|h", "n:-1|c"];
    let [plain, watched] = [bridge(), bridge()];
    let names =
        ["a", "paid", "", "nothing"].map(|name| watch(&watched, TapFilter { name: TextPattern::new(name), ..TapFilter::default() }));
    for step in 0..400 {
        let datagrams: Vec<String> =
            (0..next(5)).map(|_| (0..next(60)).map(|_| pieces[next(11) as usize]).collect::<Vec<_>>().join("\n")).collect();
        let borrowed: Vec<&str> = datagrams.iter().map(String::as_str).collect();
        let source = Source::Unknown;
        plain.worker().ingest_batch(borrowed.iter().map(|text| Datagram { bytes: text.as_bytes(), source: &source }), at(step));
        send(&watched, &borrowed, at(step));
    }
    let [one, other] = [&plain, &watched].map(|bridge| {
        let mut out = Vec::new();
        bridge.exposition(crate::Format::Text, at(500)).without_self_metrics().render(&mut out);
        (String::from_utf8(out).expect("text"), bridge.accounting())
    });
    assert_eq!(one.0, other.0);
    assert!(other.1.adds_up());
    assert_eq!(format!("{:?}", one.1), format!("{:?}", other.1));
    for watch in &names {
        let TapCounts { arrived, unexamined, matched, filtered, shown, missed } = watch.counts();
        assert!(unexamined < arrived && matched == filtered + shown + missed && matched <= arrived, "{:?}", watch.counts());
    }
    assert!(names[0].counts().matched > 100 && names[3].counts().matched == 0);
}

#[test]
fn beyond_the_budget_lines_are_recorded_and_counted_as_not_examined() {
    let bridge = bridge();
    let watch = watch(&bridge, TapFilter { name: TextPattern::new("nothing"), ..TapFilter::default() });
    let datagram = "a:1|c\n".repeat(1_000);
    let datagrams = vec![datagram.trim_end(); 1_000];
    send(&bridge, &datagrams, at(0));
    let counts = watch.counts();
    assert_eq!((counts.arrived, counts.matched), (1_000_000, 0));
    // The budget of 100 ms is 100,000 names.
    assert_eq!(counts.unexamined, 900_000, "{counts:?}");
    assert!(bridge.text(at(1)).contains("\na 1e+06\n") || bridge.text(at(1)).contains("\na 1000000\n"));
}

#[test]
fn a_viewer_that_does_not_read_misses_lines() {
    let bridge = bridge();
    let watch = watch(&bridge, TapFilter::default());
    send(&bridge, &["a:1|c\n".repeat(1_500).trim_end()], at(0));
    let counts = watch.counts();
    assert_eq!((counts.matched, counts.shown, counts.missed), (1_500, 1_000, 500));
    let long = format!("{}:1|c", "n".repeat(60_000));
    for second in 1..=10 {
        send(&bridge, &[long.as_str(); 4], at(1_000 * second));
    }
    let bytes: usize = watch.take().iter().map(TappedLine::bytes).sum();
    assert!((900_000..=1 << 20).contains(&bytes), "{bytes}");
    assert!(bridge.accounting().adds_up());
}

#[test]
fn only_some_viewers_fit() {
    let bridge = bridge();
    let watches: Vec<_> = (0..4).map(|_| watch(&bridge, TapFilter::default())).collect();
    assert!(bridge.taps().watch(TapFilter::default(), 1, 4).is_none());
    drop(watches);
    assert!(bridge.taps().watch(TapFilter::default(), 1, 4).is_some());
}

#[test]
fn a_sender_over_its_limit_is_shown_with_the_reason() {
    let mut options = Options::default();
    options.sources.lines_per_second = 2;
    options.sources.max = 10;
    let bridge = Bridge::new(options);
    let watch = watch(&bridge, TapFilter { verdict: Some(VerdictFilter::Reason("source_lines_limit")), ..TapFilter::default() });
    send(&bridge, &["a:1|c\na:1|c", "a:1|c\nb:1|c\n"], at(0));
    assert_eq!(seen(&watch), ["a:1|c rejected source_lines_limit 1", "b:1|c rejected source_lines_limit 1"]);
    let mut worker = bridge.worker();
    let source = Source::Udp(([127, 0, 0, 1], 5353).into());
    worker.reject_line_from(SampleError::TruncatedLine, b"cut", (&source, 1), at(5));
    assert_eq!(watch.counts().filtered, 3);
}
