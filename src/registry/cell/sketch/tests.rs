//! Quantiles against their definition on the samples themselves, and how much memory they may take.

use proptest::prelude::*;

use super::*;

fn sketch_of(samples: &[(f64, f64)]) -> Sketch {
    let mut sketch = Sketch::default();
    for &(value, weight) in samples {
        sketch.add(value, weight);
    }
    sketch
}

/// The definition, on the samples themselves.
fn nearest_rank(samples: &[(f64, f64)], q: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let whole: f64 = sorted.iter().map(|s| s.1).sum();
    let mut seen = 0.0;
    let found = sorted.iter().find(|s| {
        seen += s.1;
        seen >= q * whole * (1.0 - RANK_SLACK)
    });
    found.unwrap_or(&sorted[sorted.len() - 1]).0
}

fn assert_close(got: f64, want: f64) {
    assert!((got - want).abs() <= want.abs() * (ACCURACY + 1e-9), "got {got}, want {want}");
}

const QUANTILES: [f64; 9] = [0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0];

#[test]
fn few_values_give_the_nearest_rank_exactly() {
    let sketch = sketch_of(&[(4.0, 1.0), (1.0, 1.0), (3.0, 1.0), (2.0, 1.0)]);
    let got = [0.0, 0.25, 0.26, 0.5, 0.51, 0.75, 0.9, 1.0].map(|q| sketch.quantile(q));
    assert_eq!(got, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
    assert_eq!([-1.0, 7.0].map(|q| sketch.quantile(q)), [1.0, 4.0]);
    assert!(sketch.quantile(f64::NAN).is_nan());
    assert!(Sketch::default().quantile(0.5).is_nan());
}

#[test]
fn ranks_that_binary_cannot_write_are_not_rounded_up() {
    let sketch = sketch_of(&(1..=100).map(|i| (f64::from(i % 20), 1.0)).collect::<Vec<_>>());
    assert_eq!(sketch.quantile(0.07 + 0.08), 2.0); // rank 15.000000000000002 of 0, 0, 0, 0, 0, 1, ..
    let thirds = sketch_of(&[(1.0, 1.0 / 0.3), (2.0, 1.0 / 0.3), (3.0, 1.0 / 0.3)]);
    assert_eq!(thirds.quantile(1.0 / 3.0), 1.0);
    assert_eq!(thirds.quantile(2.0 / 3.0), 2.0);
}

#[test]
fn one_value_is_exact_whatever_it_is() {
    let tiny = f64::from_bits(1);
    for value in [0.1, -7.3, 0.0, tiny, -tiny, f64::MIN_POSITIVE, f64::MAX, f64::MIN] {
        let mut sketch = Sketch::default();
        sketch.bin_all();
        sketch.add(value, 3.0);
        assert_eq!(QUANTILES.map(|q| sketch.quantile(q)), [value; 9]);
    }
}

#[test]
fn the_two_zeros_are_one_value_of_positive_sign() {
    let sketch = sketch_of(&[(-0.0, 1.0), (0.0, 1.0)]);
    assert_eq!(sketch.points.len(), 1);
    assert!(sketch.quantile(0.5).is_sign_positive() && sketch.quantile(0.0).is_sign_positive());
}

#[test]
fn bins_of_all_magnitudes_are_accurate() {
    let mut magnitude = f64::MIN_POSITIVE;
    while magnitude < f64::MAX / 1.7 {
        let stands = magnitude_of(index_of(magnitude), 0);
        assert!((stands - magnitude).abs() <= magnitude * (ACCURACY + 1e-9), "{magnitude} became {stands}");
        magnitude *= 1.637;
    }
}

/// Each coarsening step about doubles the error, until a few bins cover all finite numbers.
#[test]
fn coarser_bins_are_as_accurate_as_they_can_be() {
    for coarseness in 0..=COARSEST {
        let ln_gamma = LN_GAMMA * f64::from(1_u32 << coarseness);
        let accuracy = (ln_gamma / 2.0).tanh();
        for exponent in -300..300 {
            let magnitude = 1.37 * 10_f64.powi(exponent);
            let stands = magnitude_of(coarser(index_of(magnitude), coarseness), coarseness);
            assert!((stands - magnitude).abs() <= magnitude * (accuracy + 1e-9) || accuracy > 0.99, "{magnitude}: {stands}");
        }
    }
    let all = [f64::from(1_u8), f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1)];
    let mut sketch = sketch_of(&all.iter().flat_map(|value| [(*value, 1.0), (-*value, 1.0)]).collect::<Vec<_>>());
    sketch.fit(0);
    assert!(sketch.heap_bytes() <= FLOOR_BYTES, "{} bytes", sketch.heap_bytes());
    assert_eq!((sketch.quantile(0.0), sketch.quantile(1.0), sketch.weight), (f64::MIN, f64::MAX, 8.0));
}

proptest! {
    /// Neither the time of coarsening nor the direction of the merge changes the bins: they equal those of a sketch that had this
    /// coarseness from the start.
    #[test]
    fn coarser_sketches_merge_as_one_that_saw_everything(
        // Whole weights, whose sums do not depend on the order of adding.
        first in prop::collection::vec((-1e9..1e9, (1_u8..40).prop_map(f64::from)), 40..120),
        second in prop::collection::vec((-1e3..1e3, (1_u8..40).prop_map(f64::from)), 0..120),
        steps in 1_u8..=COARSEST,
        later in any::<bool>(),
    ) {
        let (mut coarse, mut whole, fine) = (sketch_of(&first), Sketch::default(), sketch_of(&second));
        // Exact values have no bins to join.
        prop_assume!(coarse.binned);
        (0..steps).for_each(|_| coarse.halve());
        whole.bin_all();
        (0..steps).for_each(|_| whole.halve());
        first.iter().chain(&second).for_each(|&(value, weight)| _ = whole.add(value, weight));
        let mut merged = if later { coarse.clone() } else { fine.clone() };
        merged.merge(if later { &fine } else { &coarse });
        prop_assert_eq!(merged.coarseness, steps);
        let bins = |sketch: &Sketch| {
            let of = |bins: &Bins| bins.iter().filter(|(_, weight)| *weight > 0.0).collect::<Vec<_>>();
            (of(&sketch.negative), of(&sketch.positive))
        };
        prop_assert_eq!(bins(&merged), bins(&whole));
        for q in QUANTILES {
            prop_assert!((merged.quantile(q) - whole.quantile(q)).abs() <= 1e-6 * whole.quantile(q).abs());
        }
        let restored = Sketch::restore(merged.save()).expect("a sketch of real samples");
        prop_assert_eq!(restored.weight, merged.weight);
        // A saved sketch has the finest bins, which span 17 decades below the largest magnitude.
        let floor = first.iter().chain(&second).map(|(value, _)| value.abs()).fold(0.0, f64::max) * 1e-17;
        for q in [0.0, 0.5, 1.0] {
            let (got, want) = (restored.quantile(q), merged.quantile(q));
            prop_assert!((got - want).abs() <= want.abs() * 0.0101 + floor, "{} for {}", got, want);
        }
    }
}

#[test]
fn bins_stay_bounded_and_the_largest_magnitudes_accurate() {
    let samples: Vec<_> = (0..6000).map(|i| (f64::exp(f64::from(i * 7919 % 6000) / 6000.0 * 1400.0 - 700.0), 1.0)).collect();
    let sketch = sketch_of(&samples);
    assert_eq!(sketch.positive.bins.len(), BINS_MAX);
    assert_eq!(sketch.heap_bytes(), POINTS_MAX * 16 + BINS_MAX * 8);
    assert_eq!(sketch.positive.bins.iter().sum::<f64>(), 6000.0);
    for q in [0.98, 0.99, 0.999] {
        assert_close(sketch.quantile(q), nearest_rank(&samples, q));
    }
    assert_eq!(sketch.quantile(0.0), nearest_rank(&samples, 0.0));
}

#[test]
fn the_order_does_not_matter_to_what_the_lowest_bin_collects() {
    let orders: [fn(i32) -> i32; 3] = [|i| i, |i| 4999 - i, |i| i * 3571 % 5000];
    for order in orders {
        let mut bins = Bins::default();
        (0..5000).for_each(|i| _ = bins.add(order(i) - 2500, 1.0));
        assert_eq!((bins.first, bins.bins.len(), bins.bins[0]), (2500 - 2048, BINS_MAX, 5000.0 - 2047.0));
        assert!(bins.bins[1..].iter().all(|&weight| weight == 1.0));
    }
}

#[test]
fn known_bins_and_points_take_no_memory_and_clearing_keeps_it() {
    let samples: Vec<_> = (-500..500).map(|i| (f64::from(i) / 8.0, 1.0)).collect();
    let mut sketch = sketch_of(&samples);
    let before = sketch.heap_bytes();
    for &(value, weight) in samples.iter().cycle().take(20_000) {
        sketch.add(value, weight);
    }
    sketch.clear();
    assert!(sketch.is_empty() && sketch.quantile(0.5).is_nan());
    samples.iter().for_each(|&(value, weight)| _ = sketch.add(value, weight));
    assert_eq!(sketch.heap_bytes(), before);
    assert_eq!(Sketch::default().heap_bytes(), 0);
}

fn samples(values: impl Strategy<Value = f64>) -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((values, (1_u32..40).prop_map(f64::from)), 1..400)
}

fn ordinary() -> impl Strategy<Value = f64> {
    prop_oneof![8 => -1e6..1e6, 4 => 1e-6..1e-3, 2 => -1.0..1.0, 1 => Just(0.0)]
}

fn any_finite() -> impl Strategy<Value = f64> {
    use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO, Just(f64::MAX), Just(f64::MIN), Just(-0.0), Just(f64::from_bits(1))]
}

proptest! {
    #[test]
    fn quantiles_are_within_the_accuracy_of_the_nearest_rank(samples in samples(ordinary())) {
        let sketch = sketch_of(&samples);
        for q in QUANTILES {
            assert_close(sketch.quantile(q), nearest_rank(&samples, q));
        }
    }

    #[test]
    fn a_weight_is_that_many_samples(samples in samples(ordinary())) {
        let one_by_one: Vec<_> = samples.iter().flat_map(|&(v, w)| std::iter::repeat_n((v, 1.0), w as usize)).collect();
        prop_assert_eq!(QUANTILES.map(|q| sketch_of(&samples).quantile(q)), QUANTILES.map(|q| sketch_of(&one_by_one).quantile(q)));
    }

    #[test]
    fn merging_equals_one_sketch_of_everything(samples in samples(any_finite()), parts in 1_usize..6, by in 1_usize..7) {
        let mut split = vec![Sketch::default(); parts];
        for (i, &(value, weight)) in samples.iter().enumerate() {
            split[i * by % parts].add(value, weight);
        }
        let mut merged = Sketch::default();
        split.iter().for_each(|part| merged.merge(part));
        let whole = sketch_of(&samples);
        prop_assert_eq!(QUANTILES.map(|q| merged.quantile(q)), QUANTILES.map(|q| whole.quantile(q)));
        prop_assert_eq!(merged.weight, whole.weight);
    }

    #[test]
    fn no_finite_input_panics_or_leaves_the_range(values in prop::collection::vec((any_finite(), any_finite()), 1..120)) {
        let samples: Vec<_> = values.into_iter().map(|(v, w)| (v, w.abs())).filter(|s| s.1 > 0.0).collect();
        let mut sketch = sketch_of(&samples);
        sketch.merge(&sketch_of(&samples));
        for q in QUANTILES {
            let got = sketch.quantile(q);
            prop_assert!(samples.is_empty() || (got >= sketch.min && got <= sketch.max), "{got}");
        }
        prop_assert!(sketch.heap_bytes() <= POINTS_MAX * 16 + 2 * BINS_MAX * 8);
    }
}
