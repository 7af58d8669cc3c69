//! The saved form of a sketch: plain numbers.
//!
//! Bins depend on [`ACCURACY`](super::ACCURACY). To change that constant is to change the format of saved sketches.

use super::{BINS_MAX, Bins, POINTS_MAX, Sketch};

/// The largest index that is restored. No finite magnitude has a larger one.
const INDEX_MAX: i32 = 40_000;

/// The content of a sketch: few values, or bins.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedSketch {
    weight: f64,
    min: f64,
    max: f64,
    points: Vec<(f64, f64)>,
    binned: bool,
    zero: f64,
    negative: (i32, Vec<f64>),
    positive: (i32, Vec<f64>),
}

impl Sketch {
    /// The saved form. A coarser sketch is saved with the finest bins, so that there is one form only.
    pub(in crate::registry::cell) fn save(&self) -> SavedSketch {
        let Self { weight, min, max, points, binned, coarseness: _, zero, negative, positive } = self.finest();
        let bins = |bins: Bins| (bins.first, bins.bins);
        SavedSketch { weight, min, max, points, binned, zero, negative: bins(negative), positive: bins(positive) }
    }

    /// The restored sketch; `None` if the saved form is invalid.
    pub(in crate::registry::cell) fn restore(saved: SavedSketch) -> Option<Self> {
        let is_weight = |weight: f64| weight.is_finite() && weight >= 0.0;
        let are_bins = |(first, bins): &(i32, Vec<f64>)| {
            (-INDEX_MAX..=INDEX_MAX).contains(first) && bins.len() <= BINS_MAX && bins.iter().all(|weight| is_weight(*weight))
        };
        let are_points = saved.points.len() <= POINTS_MAX
            && saved.points.iter().all(|(value, weight)| value.is_finite() && is_weight(*weight))
            && saved.points.is_sorted_by(|a, b| a.0 < b.0);
        let is_empty = saved.weight == 0.0;
        let has_ends = is_empty || saved.min.is_finite() && saved.max.is_finite() && saved.min <= saved.max;
        let has_one_form = if saved.binned {
            saved.points.is_empty()
        } else {
            saved.zero == 0.0 && saved.negative.1.is_empty() && saved.positive.1.is_empty()
        };
        let is_good = is_weight(saved.weight) && is_weight(saved.zero) && has_ends && has_one_form && are_points;
        if !is_good || !are_bins(&saved.negative) || !are_bins(&saved.positive) {
            return None;
        }
        let SavedSketch { weight, min, max, points, binned, zero, negative, positive } = saved;
        let bins = |(first, bins): (i32, Vec<f64>)| Bins { first, bins };
        Some(Self { weight, min, max, points, binned, coarseness: 0, zero, negative: bins(negative), positive: bins(positive) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUANTILES: [f64; 6] = [0.0, 0.1, 0.5, 0.9, 0.99, 1.0];

    fn sketch_of(samples: &[(f64, f64)]) -> Sketch {
        let mut sketch = Sketch::default();
        samples.iter().for_each(|(value, weight)| _ = sketch.add(*value, *weight));
        sketch
    }

    proptest! {
        #[test]
        fn a_restored_sketch_goes_on_as_the_saved_one(
            before in prop::collection::vec((-1e6..1e6, 0.5..40.0), 0..200),
            after in prop::collection::vec((-1e9..1e9, 0.5..40.0), 0..200),
        ) {
            let mut saved = sketch_of(&before);
            let mut restored = Sketch::restore(saved.save()).expect("a sketch of real samples");
            for (value, weight) in after {
                saved.add(value, weight);
                restored.add(value, weight);
            }
            prop_assert_eq!(restored.save(), saved.save());
            let of = |sketch: &Sketch| QUANTILES.map(|q| sketch.quantile(q).to_bits());
            prop_assert_eq!(of(&restored), of(&saved));
        }
    }

    #[test]
    fn an_invalid_saved_sketch_is_rejected() {
        let good = sketch_of(&[(1.0, 2.0), (3.0, 1.0)]).save();
        let binned = sketch_of(&(0..50).map(|i| (f64::from(i - 25), 1.0)).collect::<Vec<_>>()).save();
        assert!(Sketch::restore(good.clone()).is_some() && Sketch::restore(binned.clone()).is_some());
        type Spoil = fn(&mut SavedSketch);
        let spoilt: [(&SavedSketch, Spoil); 12] = [
            (&good, |s| s.weight = f64::NAN),
            (&good, |s| s.weight = -1.0),
            (&good, |s| s.min = 9.0),
            (&good, |s| s.max = f64::INFINITY),
            (&good, |s| s.points.reverse()),
            (&good, |s| s.points[0].1 = f64::NEG_INFINITY),
            (&good, |s| s.points = vec![(1.0, 1.0); POINTS_MAX + 1]),
            (&good, |s| s.binned = true),
            (&good, |s| s.zero = 1.0),
            (&binned, |s| s.positive.0 = i32::MAX),
            (&binned, |s| s.negative.1[0] = -1.0),
            (&binned, |s| s.positive.1 = vec![1.0; BINS_MAX + 1]),
        ];
        for (number, (from, spoil)) in spoilt.into_iter().enumerate() {
            let mut saved = from.clone();
            spoil(&mut saved);
            assert!(Sketch::restore(saved).is_none(), "{number}");
        }
    }
}
