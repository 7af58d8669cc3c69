use proptest::prelude::*;

use super::*;
use crate::options::DEFAULT_BOUNDS;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn options(schema: i8, max_buckets: u32) -> NativeOptions {
    NativeOptions { schema, max_buckets, ..NativeOptions::default() }
}

fn cell(options: NativeOptions) -> NativeCell {
    let bounds = Bounds::shared(&DEFAULT_BOUNDS, Some(options));
    NativeCell::new(HistogramCell::new(bounds.len()), &bounds, NOW).expect("the options ask for native buckets")
}

fn read<'a>(cells: impl IntoIterator<Item = &'a NativeCell>, options: &NativeOptions) -> (HistogramSnapshot, NativeSnapshot) {
    let mut all = (HistogramSnapshot::new(DEFAULT_BOUNDS.len()), NativeSnapshot::new(options));
    cells.into_iter().for_each(|cell| cell.merge_into(&mut all.0, &mut all.1));
    all
}

/// Values over many powers of ten, of both signs, and 0.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![8 => (-1000_i32..1000).prop_map(|e| (f64::from(e) / 100.0).exp()), 3 => (0_u32..40).prop_map(|n| -f64::from(n) / 8.0), 1 => Just(0.0)]
}

proptest! {
    #[test]
    fn merging_equals_one_cell_that_saw_everything(
        samples in prop::collection::vec((value(), 1_u32..20, 0_usize..4), 1..400),
        schema in SCHEMA_MIN..=SCHEMA_MAX,
        max_buckets in 1_u32..200,
    ) {
        let options = options(schema, max_buckets);
        let (whole, workers) = (cell(options), [(); 4].map(|()| cell(options)));
        for (value, weight, worker) in &samples {
            prop_assert!(whole.observe(*value, f64::from(*weight), NOW) && workers[*worker].observe(*value, f64::from(*weight), NOW));
        }
        let (one, all) = (read([&whole], &options), read(&workers, &options));
        prop_assert_eq!(&one.0.buckets, &all.0.buckets);
        // A cell above its limit is halved once per sample. A snapshot is halved until it is within the limit.
        let (mut one, mut all) = (one.1.shape, all.1.shape);
        one.fit(max_buckets as usize);
        all.fit(max_buckets as usize);
        prop_assert_eq!(one, all);
    }

    #[test]
    fn weights_are_conserved(
        samples in prop::collection::vec((value(), 1_u32..20), 1..300),
        max_buckets in 1_u32..100,
        max_zero_threshold in prop_oneof![Just(0.0), Just(1.0)],
    ) {
        let options = NativeOptions { max_zero_threshold, ..options(SCHEMA_MAX, max_buckets) };
        let cell = cell(options);
        for (value, weight) in &samples {
            prop_assert!(cell.observe(*value, f64::from(*weight), NOW));
        }
        let (classic, native) = read([&cell], &options);
        let weight: f64 = samples.iter().map(|(_, weight)| f64::from(*weight)).sum();
        prop_assert_eq!((native.weight(), classic.buckets.iter().sum::<f64>()), (weight, weight));
        let most = (max_buckets as usize + 1).max(268);
        prop_assert!(native.shape.populated() <= most);
        for (spans, side) in [(native.positive_spans(), &native.shape.positive), (native.negative_spans(), &native.shape.negative)] {
            prop_assert_eq!(spans.weights.iter().sum::<f64>(), side.iter().map(|(_, weight)| weight).sum::<f64>());
            prop_assert_eq!(spans.spans.iter().map(|(_, length)| *length as usize).sum::<usize>(), spans.weights.len());
            let mut all = 0;
            let back: Vec<f64> = spans.deltas().map(|delta| { all += delta; all as f64 }).collect();
            prop_assert_eq!(back, spans.weights);
        }
    }

    #[test]
    fn a_quantile_is_within_the_factor(
        values in prop::collection::vec((-300_i32..300).prop_map(|e| (f64::from(e) / 100.0).exp()), 1..300),
        schema in 0_i8..=5,
        q in 0.0_f64..=1.0,
    ) {
        let options = options(schema, 100_000);
        let cell = cell(options);
        let mut values = values;
        values.iter().for_each(|value| assert!(cell.observe(*value, 1.0, NOW)));
        values.sort_by(f64::total_cmp);
        let rank = f64::max((q * values.len() as f64).ceil(), 1.0);
        let exact = values[rank as usize - 1];
        let mut all = 0.0;
        let native = read([&cell], &options).1;
        let bound = native.positive().find(|(_, weight)| { all += weight; all >= rank }).expect("the rank is reached").0;
        let factor = 2_f64.powf(0.5_f64.powi(schema.into()));
        prop_assert!(exact <= bound && bound <= exact * factor * (1.0 + 1e-12), "{} is not at {}", exact, bound);
    }

    #[test]
    fn what_was_saved_goes_on(samples in prop::collection::vec((value(), 1_u32..20), 1..200), more in prop::collection::vec(value(), 0..50)) {
        let options = options(3, 40);
        let (first, second) = (cell(options), cell(options));
        for (value, weight) in &samples {
            prop_assert!(first.observe(*value, f64::from(*weight) / 3.0, NOW));
        }
        let (classic, native) = read([&first], &options);
        prop_assert!(second.absorb(&classic, Some(&native.save()), native.has_fractions()));
        for value in &more {
            prop_assert!(first.observe(*value, 1.0, NOW) && second.observe(*value, 1.0, NOW));
        }
        let (one, other) = (read([&first], &options), read([&second], &options));
        let mut shapes = [one.1.shape, other.1.shape];
        shapes.iter_mut().for_each(|shape| shape.fit(40));
        prop_assert_eq!(&shapes[0], &shapes[1]);
        prop_assert_eq!(one.0.buckets, other.0.buckets);
    }
}

#[test]
fn an_invalid_saved_histogram_is_rejected() {
    let options = options(3, 40);
    let cell = cell(options);
    assert!(cell.observe(2.0, 3.0, NOW) && cell.observe(-2.0, 1.0, NOW) && cell.observe(0.0, 1.0, NOW));
    let (classic, native) = read([&cell], &options);
    let spoilt: [fn(&mut SavedNative); 9] = [
        |s| s.schema = 9,
        |s| s.zero_threshold = f64::NAN,
        |s| s.zero_weight = -1.0,
        |s| s.positive[0].1 = f64::INFINITY,
        |s| s.positive[0].0 = i32::MAX,
        |s| s.positive[0].1 += 1.0,
        |s| s.negative.push((8, 0.0)),
        |s| s.negative.clear(),
        |s| s.positive = (0..5000).map(|key| (key, 0.001)).collect(),
    ];
    for spoil in spoilt {
        let mut saved = native.save();
        spoil(&mut saved);
        assert!(!self::cell(options).absorb(&classic, Some(&saved), false), "{saved:?}");
    }
    assert_eq!(read([&cell], &options), (classic, native));
}

#[test]
fn a_classic_cell_goes_on_with_native_buckets() {
    let options = options(3, 160);
    let bounds = Bounds::shared(&DEFAULT_BOUNDS, Some(options));
    let classic = HistogramCell::new(bounds.len());
    for (value, weight) in [(-1.0, 1.0), (0.3, 2.0), (700.0, 4.0)] {
        assert!(classic.observe(&bounds, value, weight));
    }
    let mut before = (HistogramSnapshot::new(bounds.len()), NativeSnapshot::new(&options));
    merge_classic(&classic, &bounds, &mut before.0, &mut before.1);
    let cell = NativeCell::new(classic, &bounds, NOW).expect("native buckets are asked for");
    assert_eq!(read([&cell], &options), before, "a reader does not see the change");
    // Each weight is at the bound of its classic bucket. The weight of `+Inf` is right above the last bound.
    let wanted: Vec<(i32, f64)> = [(0.005, 1.0), (0.5, 2.0), (10.1, 4.0)].map(|(value, weight)| (scale::key_of(value, 3), weight)).into();
    assert_eq!(before.1.shape.positive.iter().collect::<Vec<_>>(), wanted);
    assert!(cell.observe(0.3, 1.0, NOW));
    let (classic, native) = read([&cell], &options);
    assert_eq!((classic.buckets.iter().sum::<f64>(), native.weight()), (8.0, 8.0));
}

#[test]
fn zero_buckets_unite() {
    let [mut wide, mut narrow] = [1.4, 0.0].map(|threshold| exponential::Exponential::new(2, threshold));
    for value in [-1.5, -1.0, -0.1, 0.0, 0.5, 1.3, 1.5, 1.9] {
        wide.add(value, 1.0);
        narrow.add(value, 1.0);
    }
    let mut both = wide.clone();
    both.merge(&narrow);
    let mut turned = narrow.clone();
    turned.merge(&wide);
    assert_eq!(both, turned);
    // 1.4 is within a populated bucket, which the zero bucket absorbs completely.
    assert_eq!((both.zero_threshold, both.zero_weight), (2_f64.sqrt().next_down(), 10.0));
    assert_eq!(both.positive.iter().map(|(_, weight)| weight).sum::<f64>(), 4.0);
    assert_eq!(both.negative.iter().map(|(_, weight)| weight).sum::<f64>(), 2.0);
}

#[test]
fn fractions_are_not_whole_and_what_had_some_stays_so() {
    let options = options(3, 160);
    let cell = cell(options);
    assert!(cell.observe(1.0, 3.0, NOW) && read([&cell], &options).1.is_whole());
    assert!(cell.observe(1.0, 0.5, NOW) && !read([&cell], &options).1.is_whole());
    assert!(cell.observe(1.0, 0.5, NOW) && !read([&cell], &options).1.is_whole());
    let large = self::cell(options);
    assert!(large.observe(1.0, (1_u64 << 53) as f64, NOW) && !read([&large], &options).1.is_whole());
    assert!(large.observe(1.0, 1.0, NOW) && !read([&large], &options).1.is_whole());
    // A cleared snapshot has no fractions of the previous series.
    let mut all = read([&cell], &options);
    all.1.clear(&options);
    assert!(all.1.is_whole());
}

#[test]
fn a_reader_sees_both_kinds_of_buckets_of_one_moment() {
    let options = options(3, 160);
    let (cell, done) = (cell(options), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|s| {
        s.spawn(|| {
            (0..100_000).for_each(|i| assert!(cell.observe(f64::from(i % 50), 1.0, NOW)));
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let (classic, native) = read([&cell], &options);
            assert_eq!(classic.buckets.iter().sum::<f64>(), native.weight());
        }
    });
}
