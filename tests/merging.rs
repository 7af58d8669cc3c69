//! The merging rules for each kind: several workers and limits give the exposition that one worker gives without limits.
//!
//! Binary addition of the weights and values is exact in any order, except in tests that say otherwise.

use std::collections::HashSet;

use proptest::prelude::*;
use statsd_bridge::internals::cell::{SetCell, SetSnapshot, SummaryCell, SummarySnapshot};
use statsd_bridge::options::{Limits, Observer, Overflow, SampleValueLimit, SummaryOptions};
use statsd_bridge::{Bridge, Format, Options, Restored, Timestamp};

use crate::page::{Family, Page};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The label value of folded samples.
const OVERFLOW: &str = "_overflow_";

/// A sample: its kind, the value of its only label, its value in eighths, its rate, and the worker that receives it.
type Drawn = (usize, u8, u16, usize, usize);

const KINDS: [&str; 5] = ["c", "h", "ms", "s", "g"];

fn samples() -> impl Strategy<Value = Vec<Drawn>> {
    prop::collection::vec((0..KINDS.len(), 0..8_u8, 0..400_u16, 0..3_usize, 0..4_usize), 1..300)
}

/// The name depends on the kind, so that each family has a separate limit.
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

/// The families of the samples. Values are text, because quantiles of no samples are NaN, which is not equal to itself.
fn families(page: &Page) -> Vec<(String, Vec<(String, String)>)> {
    let lines = |family: &Family| family.lines.iter().map(|line| (line.series.clone(), line.value.to_string())).collect();
    page.families.iter().filter(|family| family.name.starts_with("of_")).map(|family| (family.name.clone(), lines(family))).collect()
}

/// The sum of all lines with this name, for buckets only of those with this bound.
fn total(page: &Page, name: &str, bound: Option<&str>) -> f64 {
    let is_bound =
        |line: &crate::page::Line| bound.is_none_or(|bound| line.labels.iter().any(|(key, value)| key == "le" && value == bound));
    page.lines().filter(|line| line.name == name && is_bound(line)).map(|line| line.value).sum()
}

/// The samples as a limit of `most` series or values folds them, computed without the bridge. The first labels of each kind are
/// kept, and the others are replaced by one. Gauges over the limit are left out.
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

/// The label of a sample; with `two`, also a second label.
fn tags(sample: &Drawn, two: bool) -> String {
    if two { format!("{},u:{}", sample.1, sample.2 % 5) } else { sample.1.to_string() }
}

/// A bridge that received the samples through several workers.
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

/// With one label, folding and dropping the label have the same result.
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

    /// The overflow series equals one series that received all folded samples, line by line, including its quantiles and its
    /// distinct count.
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

    /// If values are not exact in binary, sums differ only by rounding.
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

    /// Compares with the samples, not with another sketch.
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
        // Tests of the sketch cover ranks that are almost whole numbers.
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

    /// Members are distributed at random, some to several cells, and merged in two orders. There are sets below and above 2,048
    /// members.
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

/// A member of two series counts in both, so a sum over the series of a set is no distinct count. In the overflow series it counts
/// once.
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
                        // Self-metrics follow the other families. One of them may be infinite, so they are not checked.
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
