//! Memory accounting of all kinds, with several workers, expiry, grace period, deletion and a restart. Nothing is charged when all
//! series are removed, and cells that become coarser lose no sample.

use proptest::prelude::*;

use crate::bridge::Bridge;
use crate::mapping::Rules;
use crate::mapping::config::{MappingText, load};
use crate::options::{Limits, NativeHistograms, NativeWhen, Options, Ttl};
use crate::registry::SavedFamily;
use crate::registry::cell::{HistogramSnapshot, NativeSnapshot, SummarySnapshot};
use crate::time::Timestamp;

const START: u64 = 1_700_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

/// Names that begin with `q` are summaries.
fn rules() -> Rules {
    let text = "mappings:\n- {match: '^q(.*)$', match_type: regex, name: 'q$1', observer_type: summary}\n";
    let (config, findings) = load(&[MappingText { name: "test".into(), text: text.into() }], &|_| None);
    Rules::compile(config.unwrap_or_else(|| panic!("{findings:?}"))).expect("the rules are sound")
}

fn bridge(series_bytes: usize, ttl_ms: u64) -> Bridge {
    let ms = Some(ttl_ms);
    let ttl = Ttl { counter_ms: ms, gauge_ms: ms, observer_ms: ms, set_ms: ms };
    let native = NativeHistograms { when: NativeWhen::Always, ..NativeHistograms::default() };
    let limits = Limits { series_bytes, ..Limits::default() };
    let bridge = Bridge::new(Options {
        ttl,
        native,
        limits,
        grace_ms: 3_000,
        exemplar_tag: crate::options::TagKey::new("t").ok(),
        ..Options::default()
    });
    bridge.replace_rules(rules());
    bridge
}

fn counted(bridge: &Bridge) -> usize {
    bridge.registry().series_bytes()
}

/// One line of each kind. The summary, the set and the native histogram grow; the counter and the gauge do not.
fn lines(number: u32, value: i32) -> String {
    let tags = format!("n:{},t:{value}", number % 40);
    let wide = f64::from(value) * 10_f64.powi(value.rem_euclid(9));
    format!("q{0}:{wide}|h|#{tags}\ns{0}:{value}|s|#{tags}\nh{0}:{wide}|h|#{tags}\nc{0}:1|c|#{tags}\ng{0}:{value}|g|#{tags}", number % 3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Nothing is charged once all series have expired and the workers are dropped, whatever was ingested before.
    #[test]
    fn nothing_is_charged_when_all_is_removed(
        budget in prop_oneof![Just(20_000_usize), Just(300_000), Just(100 << 20)],
        steps in prop::collection::vec((0_usize..3, 0_u32..200, -5_000_i32..5_000, 0_u64..900, 0_u8..12), 1..120),
    ) {
        let bridge = bridge(budget, 2_000);
        let mut workers = [bridge.worker(), bridge.worker(), bridge.worker()];
        let mut now = 0;
        for (worker, number, value, pause, action) in steps {
            now += pause;
            match action {
                0 => drop(bridge.delete_series(&|name, _| name.starts_with('s'), false)),
                1 => workers[worker] = bridge.worker(),
                2 => bridge.replace_rules(rules()),
                3 => bridge.render(at(now), &mut Vec::new()),
                _ => workers[worker].ingest(lines(number, value).as_bytes(), at(now)),
            }
            bridge.expire(at(now));
        }
        for _ in 0..8 {
            now += 2_000;
            workers.iter_mut().for_each(crate::Worker::tick);
            bridge.expire(at(now));
        }
        prop_assert!(bridge.accounting().adds_up());
        prop_assert_eq!(bridge.registry().series(), 0);
        drop(workers);
        prop_assert_eq!(counted(&bridge), 0);
    }

    /// With a small budget, counts, sums and weights are those of a bridge with enough memory.
    #[test]
    fn coarser_cells_lose_no_sample(
        samples in prop::collection::vec((0_usize..2, 0_u32..60, -5_000_i32..5_000), 150..300),
    ) {
        let (small, large) = (bridge(120_000, 0), bridge(100 << 20, 0));
        let mut workers = [[small.worker(), small.worker()], [large.worker(), large.worker()]];
        for (number, (worker, series, value)) in samples.iter().enumerate() {
            for of in &mut workers {
                of[*worker].ingest(lines(*series, *value).as_bytes(), at(number as u64 * 1_000));
            }
        }
        let now = at(samples.len() as u64 * 1_000);
        let [few, all] = [&small, &large].map(|bridge| totals(bridge, now));
        prop_assert_eq!((few.0, few.1, few.2, few.3), (all.0, all.1, all.2, all.3));
        prop_assert!(few.4 == few.1, "native buckets have the weight of the classic ones");
        // Cells that exist may grow up to their smallest size, and the sketches of a summary's past steps are not made coarser.
        prop_assert!(counted(&small) <= 120_000 / 4 * 5, "{} bytes", counted(&small));
    }
}

/// Sums of counters, weights of histograms and of summaries, sums of summaries, weights of native buckets.
fn totals(bridge: &Bridge, now: Timestamp) -> (f64, f64, f64, f64, f64) {
    let mut all = (0.0, 0.0, 0.0, 0.0, 0.0);
    for family in bridge.registry().families() {
        for series in family.series().iter() {
            match family.kind() {
                super::FamilyKind::Counter => all.0 += series.number(),
                super::FamilyKind::Histogram { bounds } => {
                    let mut classic = HistogramSnapshot::new(bounds.len());
                    let mut native = NativeSnapshot::new(bounds.native().expect("all may have native buckets"));
                    series.histogram_with_native(bounds, &mut classic, &mut native);
                    all.1 += classic.weight();
                    all.4 += native.weight();
                }
                super::FamilyKind::Summary(_) => {
                    let mut summary = SummarySnapshot::default();
                    series.summary(now, &mut summary);
                    all.2 += summary.count;
                    // All values are integers that are exact as an `f64`, so the order of the additions does not matter.
                    all.3 += summary.sum;
                }
                super::FamilyKind::Gauge | super::FamilyKind::Set => {}
            }
        }
    }
    all
}

/// A bridge with a small budget that restores the series of a larger one keeps its budget and all counts.
#[test]
fn a_restart_with_a_smaller_budget_keeps_it() {
    let large = bridge(100 << 20, 0);
    let mut worker = large.worker();
    for number in 0..60 {
        for value in 0..100 {
            worker.ingest(lines(number, value * 37 - 1_000).as_bytes(), at(u64::from(number) * 1_000));
        }
    }
    let mut saved: Vec<SavedFamily> = Vec::new();
    large
        .save(at(60_000), &mut |family| {
            saved.push(family.clone());
            Ok::<(), ()>(())
        })
        .expect("nothing fails");
    let small = bridge(150_000, 0);
    assert!(counted(&large) > 300_000, "{} bytes", counted(&large));
    saved.into_iter().for_each(|family| _ = small.restore(family, at(60_000)));
    assert!(counted(&small) < 160_000, "{} bytes", counted(&small));
    let [few, all] = [&small, &large].map(|bridge| totals(bridge, at(60_000)));
    assert_eq!((few.0, few.1, few.2, few.4), (all.0, all.1, all.2, all.4));
}
