//! The merging rules, kind by kind: whatever workers and limits do to samples, the page has what one worker without limits makes
//! of them.
//!
//! Weights and values here are such that binary adds them exactly, in any order; where they are not, it is said.

use std::collections::HashSet;

use proptest::prelude::*;
use statsd_bridge::internals::cell::{SetCell, SetSnapshot, SummaryCell, SummarySnapshot};
use statsd_bridge::options::{Limits, Observer, Overflow, SampleValueLimit, SummaryOptions};
use statsd_bridge::{Bridge, Format, Options, Restored, Timestamp};

use crate::page::{Family, Page};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// What stands for a folded value.
const OVERFLOW: &str = "_overflow_";

/// A sample: wire type, value of its one label, value in eighths, one of three rates, and which worker receives it.
type Drawn = (usize, u8, u16, usize, usize);

const KINDS: [&str; 5] = ["c", "h", "ms", "s", "g"];

fn samples() -> impl Strategy<Value = Vec<Drawn>> {
    prop::collection::vec((0..KINDS.len(), 0..8_u8, 0..400_u16, 0..3_usize, 0..4_usize), 1..300)
}

/// Distinct names by kind, so that each family has its own limit.
fn line(&(kind, _, value, rate, _): &Drawn, label: &str) -> String {
    let (kind, rate) = (KINDS[kind], ["", "|@0.5", "|@0.125"][rate]);
    let rate = if kind == "g" || kind == "s" { "" } else { rate };
    format!("of_{kind}:{}|{kind}{rate}|#t:{label}", f64::from(value) / 8.0 * if kind == "ms" { 1000.0 } else { 1.0 })
}

fn bridge(limits: Limits, summaries: bool) -> Bridge {
    let observer = if summaries { Observer::Summary(SummaryOptions::default()) } else { Observer::default() };
    Bridge::new(Options::default().with(|options| {
        options.limits = limits;
        options.observer = observer;
    }))
}

fn page_of(bridge: &Bridge) -> Page {
    assert!(bridge.accounting().adds_up(), "{:?}", bridge.accounting());
    let mut page = Vec::new();
    bridge.render(NOW, &mut page);
    Page::parse(&String::from_utf8(page).expect("a page is UTF-8")).expect("a good page")
}

/// The families of the samples, with values as text: the quantiles of nothing are NaN, which is not equal to itself.
fn families(page: &Page) -> Vec<(String, Vec<(String, String)>)> {
    let lines = |family: &Family| family.lines.iter().map(|line| (line.series.clone(), line.value.to_string())).collect();
    page.families.iter().filter(|family| family.name.starts_with("of_")).map(|family| (family.name.clone(), lines(family))).collect()
}

/// The sum over a family's series of what is told by `name` and, for buckets, by their bound.
fn total(page: &Page, name: &str, bound: Option<&str>) -> f64 {
    let is_bound =
        |line: &crate::page::Line| bound.is_none_or(|bound| line.labels.iter().any(|(key, value)| key == "le" && value == bound));
    page.lines().filter(|line| line.name == name && is_bound(line)).map(|line| line.value).sum()
}

/// What a limit of `most` series or values makes of the samples, said without the bridge: the first labels of each kind are kept,
/// others are one; gauges beyond it are nothing.
fn folded_by_hand(samples: &[Drawn], most: usize) -> Vec<String> {
    let mut kept: [Vec<u8>; KINDS.len()] = Default::default();
    let mut lines = Vec::new();
    for sample in samples {
        let kept = &mut kept[sample.0];
        if !kept.contains(&sample.1) && kept.len() < most {
            kept.push(sample.1);
        }
        if kept.contains(&sample.1) {
            lines.push(line(sample, &sample.1.to_string()));
        } else if KINDS[sample.0] != "g" {
            lines.push(line(sample, OVERFLOW));
        }
    }
    lines
}

/// The one label of a sample, or this and one more.
fn tags(sample: &Drawn, two: bool) -> String {
    if two { format!("{},u:{}", sample.1, sample.2 % 5) } else { sample.1.to_string() }
}

/// The bridge to which the samples came by several workers.
fn by_workers(samples: &[Drawn], limits: Limits, (summaries, two): (bool, bool)) -> Bridge {
    let bridge = bridge(limits, summaries);
    let mut workers = [bridge.worker(), bridge.worker(), bridge.worker(), bridge.worker()];
    for sample in samples {
        workers[sample.4].ingest(line(sample, &tags(sample, two)).as_bytes(), NOW);
    }
    drop(workers);
    bridge
}

fn by_one(lines: &[String], summaries: bool) -> Bridge {
    let bridge = bridge(Limits::default(), summaries);
    bridge.worker().ingest(lines.join("\n").as_bytes(), NOW);
    bridge
}

/// With one label, folding and dropping the label come to the same.
fn limits(most: usize, of_values: bool, drops: bool) -> Limits {
    let overflow = if drops { Overflow::DropLabel } else { Overflow::Fold };
    if of_values {
        Limits::default().with(|limits| {
            limits.values_per_label = most;
            limits.overflow = overflow;
        })
    } else {
        Limits::default().with(|limits| {
            limits.series_per_family = most;
            limits.overflow = overflow;
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Line by line: the overflow series is what one series would be to which all that was folded had been sent. Its quantiles
    /// and its distinct count too.
    #[apply(test)]
    fn the_overflow_series_is_one_series_of_all_that_was_folded(
        samples in samples(), most in 1..9_usize, of_values in any::<bool>(), drops in any::<bool>(), summaries in any::<bool>(),
    ) {
        let limited = page_of(&by_workers(&samples, limits(most, of_values, drops), (summaries, false)));
        let by_hand = page_of(&by_one(&folded_by_hand(&samples, most), summaries));
        prop_assert_eq!(families(&limited), families(&by_hand));
    }

    #[apply(test)]
    fn totals_are_those_of_one_worker_without_limits(
        samples in samples(), most in 1..9_usize, of_values in any::<bool>(), drops in any::<bool>(),
    ) {
        let limited = page_of(&by_workers(&samples, limits(most, of_values, drops), (false, true)));
        let all: Vec<_> = samples.iter().map(|sample| line(sample, &tags(sample, true))).collect();
        let unlimited = page_of(&by_one(&all, false));
        let mut names = vec![("of_c", None)];
        for name in [["of_h_count", "of_h_sum", "of_h_bucket"], ["of_ms_count", "of_ms_sum", "of_ms_bucket"]] {
            names.extend([(name[0], None), (name[1], None)]);
            names.extend(["0.005", "0.1", "0.25", "1", "5", "10", "+Inf"].map(|bound| (name[2], Some(bound))));
        }
        for (name, bound) in names {
            prop_assert_eq!(total(&limited, name, bound), total(&unlimited, name, bound), "{} {:?}", name, bound);
        }
        let summaries = page_of(&by_workers(&samples, limits(most, of_values, drops), (true, true)));
        for name in ["of_h_count", "of_h_sum", "of_ms_count", "of_ms_sum"] {
            prop_assert_eq!(total(&summaries, name, None), total(&unlimited, name, None), "{}", name);
        }
    }

    /// What is not exact in binary is right but for the rounding of its additions.
    #[apply(test)]
    fn sums_of_any_numbers_differ_by_rounding_only(
        values in prop::collection::vec((1e-3..1e6_f64, 0..4_usize, 0..6_u8), 1..200), most in 1..6_usize,
    ) {
        let text = |value: f64, label: u8| format!("of_c:{value}|c|@0.3|#t:{label}\nof_h:{value}|h|@0.3|#t:{label}");
        let bridge = bridge(limits(most, true, false), false);
        let mut workers = [bridge.worker(), bridge.worker(), bridge.worker(), bridge.worker()];
        values.iter().for_each(|&(value, worker, label)| workers[worker].ingest(text(value, label).as_bytes(), NOW));
        let page = page_of(&bridge);
        let (sum, count) = (values.iter().map(|value| value.0 / 0.3).sum::<f64>(), values.len() as f64 / 0.3);
        for (name, want) in [("of_c", sum), ("of_h_sum", sum), ("of_h_count", count)] {
            let got = total(&page, name, None);
            prop_assert!((got - want).abs() <= want * 1e-12, "{}: {} for {}", name, got, want);
        }
    }

    /// Against the samples themselves, not against another sketch.
    #[apply(test)]
    fn quantiles_of_workers_are_within_one_percent_and_exact_while_values_are_few(
        values in prop::collection::vec((prop_oneof![1e-4..1e4_f64, -50.0..50.0_f64], 0..5_usize), 1..300), distinct in 1..200_usize,
        order in any::<u64>(),
    ) {
        let mut cells: Vec<_> = (0..5).map(|_| SummaryCell::new(&SummaryOptions::default())).collect();
        let mut all: Vec<f64> = Vec::new();
        for (at, &(_, cell)) in values.iter().enumerate() {
            all.push(values[at % distinct].0);
            prop_assert!(cells[cell].observe(all[at], 1.0, NOW));
        }
        cells.rotate_left(order as usize % 5);
        let mut merged = SummarySnapshot::default();
        cells.iter().for_each(|cell| cell.merge_into(NOW, &mut merged));
        prop_assert_eq!(merged.count, all.len() as f64);
        all.sort_by(f64::total_cmp);
        let few = all.iter().map(|value| value.to_bits()).collect::<HashSet<_>>().len() <= 32;
        // Ranks that are whole numbers by a hair are left to the sketch's own tests.
        for q in [0.013, 0.251, 0.507, 0.903, 0.991] {
            let want = all[((q * all.len() as f64).ceil() as usize).clamp(1, all.len()) - 1];
            let within = if few { 0.0 } else { want.abs() * (0.01 + 1e-9) };
            let got = merged.quantile(q);
            prop_assert!((got - want).abs() <= within, "{} of {}: {} for {}", q, all.len(), got, want);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Members shared out at random, some to several; merged in two orders. Below 2,048 and above.
    #[apply(test)]
    fn a_set_is_the_union_in_any_order_and_grouping(
        members in prop_oneof![2 => 0..1500_u32, 1 => 2000..2100_u32, 1 => 2500..6000_u32], parts in 1..6_usize, seed in any::<u64>(),
    ) {
        let (one, cells) = (SetCell::new(), (0..parts).map(|_| SetCell::new()).collect::<Vec<_>>());
        for member in 0..members {
            let random = (seed ^ u64::from(member)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            one.insert(&member.to_le_bytes());
            cells[random as usize % parts].insert(&member.to_le_bytes());
            cells[(random >> 8) as usize % parts].insert(&member.to_le_bytes());
        }
        let distinct = |cells: &mut dyn Iterator<Item = &SetCell>| {
            let mut all = SetSnapshot::default();
            cells.for_each(|cell| cell.merge_into(&mut all));
            all.distinct()
        };
        let want = distinct(&mut std::iter::once(&one));
        prop_assert_eq!(distinct(&mut cells.iter()), want);
        prop_assert_eq!(distinct(&mut cells.iter().rev()), want);
        prop_assert_eq!(distinct(&mut cells.iter().chain(&cells)), want);
        if members <= 2048 {
            prop_assert_eq!(want, f64::from(members));
        }
    }
}

/// A member of two series counts in both, so sums over a set's series are no distinct count; in the overflow series it counts once.
#[apply(test)]
fn a_member_of_two_folded_series_counts_once() {
    let bridge = bridge(limits(1, true, false), false);
    let mut worker = bridge.worker();
    worker.ingest(b"of_s:ann|s|#t:1\nof_s:ann|s|#t:2\nof_s:bob|s|#t:2\nof_s:ann|s|#t:3\nof_s:cy|s|#t:3", NOW);
    let page = page_of(&bridge);
    assert_eq!(page.value(r#"of_s{t="1"}"#), Some(1.0));
    assert_eq!(page.value(r#"of_s{t="_overflow_"}"#), Some(3.0), "ann, bob and cy; unlimited they are 2 and 2");
    assert_eq!(page.sum("of_s"), 4.0, "three people");
}

/// A count of `+Inf` would make strict readers reject the exposition as a whole.
#[apply(test)]
fn sums_of_parts_and_of_buckets_stay_finite() {
    let limits = Limits::default().with(|limits| limits.sample_value = SampleValueLimit::NONE);
    for summaries in [false, true] {
        let (before, after) = (bridge(limits, summaries), bridge(limits, summaries));
        before.want_native_histograms();
        let mut workers = [before.worker(), before.worker()];
        for worker in &mut workers {
            // Weights of 1e308, in one bucket and in several; values whose sum is too large, of both signs.
            worker.ingest(b"one:1|ms|@1e-308\nmany:1|ms|@1e-308\nc:1|c|@1e-308\nplus:1.5e308|h\nminus:-1.5e308|h", NOW);
            worker.ingest(b"many:700|ms|@1e-308\nmany:90000|ms|@1e-308", NOW);
        }
        for nth in 0..50 {
            workers[nth % 2].ingest(format!("wide:{nth}|h|@1e-307\nwide:0|h|@1e-307").as_bytes(), NOW);
        }
        let check = |bridge: &Bridge| {
            for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
                let (mut exposition, mut out) = (bridge.exposition(format, NOW), Vec::new());
                while exposition.more(&mut out) {}
                match format {
                    Format::OpenMetrics => drop(crate::openmetrics::Page::parse(&String::from_utf8(out).expect("UTF-8")).expect("good")),
                    Format::Protobuf => {
                        // Self-metrics, of which one may be infinite, stand behind the others.
                        let end = out.windows(8).position(|bytes| bytes == b"process_").expect("self-metrics");
                        assert!(!out[..end].windows(8).any(|bytes| bytes == f64::INFINITY.to_le_bytes()));
                    }
                    _ => {}
                }
            }
            let page = page_of(bridge);
            for name in ["one_count", "many_count", "wide_count", "c"] {
                assert_eq!(page.value(name), Some(f64::MAX), "{name}");
            }
            assert_eq!((page.value("plus_sum"), page.value("minus_sum")), (Some(f64::MAX), Some(f64::MIN)));
            let is_sent = |line: &&crate::page::Line| !line.name.starts_with("statsd_") && !line.name.starts_with("process_");
            let lines: Vec<_> = page.lines().filter(is_sent).map(|line| (line.series.clone(), line.value)).collect();
            assert!(lines.iter().all(|(_, value)| value.is_finite()), "{lines:?}");
            lines
        };
        let shown = check(&before);
        let mut restored = Restored::default();
        let saved: Result<(), ()> = before.save(NOW, &mut |family| {
            restored += after.restore(family.clone(), NOW);
            Ok(())
        });
        assert_eq!((saved, restored), (Ok(()), Restored { series: 6, ..Restored::default() }));
        assert_eq!(check(&after), shown, "and after a restart");
    }
}
