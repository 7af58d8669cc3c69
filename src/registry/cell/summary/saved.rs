//! The saved form of a summary: plain numbers.

use std::collections::BTreeMap;

use super::{SummaryCell, SummaryState};
use crate::registry::cell::sketch::{SavedSketch, Sketch};
use crate::registry::cell::{add_finite, add_weights};
use crate::time::Timestamp;

/// The saved value of a summary over all workers: count and sum since the start, and the steps of the window.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "state", derive(serde::Serialize, serde::Deserialize))]
pub struct SavedSummary {
    /// The weight of all observations.
    pub count: f64,
    /// The sum of all observations, each times its weight.
    pub sum: f64,
    /// The number of each step, counted from the epoch, and its sketch; ascending.
    pub steps: Vec<(u64, SavedSketch)>,
}

impl SavedSummary {
    /// Moves the steps by a number of milliseconds, rounded down to whole steps.
    pub(crate) fn shift(&mut self, millis: i64, step_ms: u64) {
        let steps = i64::try_from(step_ms).map_or(0, |step_ms| millis.div_euclid(step_ms.max(1)));
        self.steps.iter_mut().for_each(|(step, _)| *step = step.saturating_add_signed(steps));
    }
}

impl SummaryCell {
    /// The merged value of these cells, with the window that ends at `now`. They belong to one family, so their steps are the same.
    pub fn save<'a>(cells: impl IntoIterator<Item = &'a Self>, now: Timestamp) -> SavedSummary {
        let mut steps = BTreeMap::<u64, Sketch>::new();
        let (mut count, mut sum) = (0.0, 0.0);
        for cell in cells {
            let state = cell.lock();
            (count, sum) = (add_weights(count, state.count), add_finite(sum, state.sum));
            let all = state.past.iter().map(|(of, sketch)| (*of, sketch)).chain([(state.step, &state.current)]);
            for (of, sketch) in all.filter(|(of, sketch)| cell.is_live(*of, now) && !sketch.is_empty()) {
                steps.entry(of).or_default().merge(sketch);
            }
        }
        SavedSummary { count, sum, steps: steps.into_iter().map(|(of, sketch)| (of, sketch.save())).collect() }
    }

    /// Adds a saved summary with the same options, without steps that have left the window. Returns false, and
    /// changes nothing, if the saved form is invalid or a sum would not be finite.
    #[must_use]
    pub fn absorb(&self, saved: SavedSummary, now: Timestamp) -> bool {
        let restored = saved.steps.into_iter().map(|(of, sketch)| Some((of, Sketch::restore(sketch)?)));
        let Some(mut steps) = restored.collect::<Option<Vec<_>>>() else { return false };
        steps.sort_by_key(|(of, _)| *of);
        let mut state = self.lock();
        let (count, sum) = (state.count + saved.count, state.sum + saved.sum);
        if !(saved.count >= 0.0 && count.is_finite() && sum.is_finite()) {
            return false;
        }
        (state.count, state.sum) = (count, sum);
        for (of, sketch) in steps.into_iter().filter(|(of, _)| self.is_live(*of, now)) {
            // After a clock step back, a step in the future would stop the window until that time.
            state.add_step(of.min(now.as_millis() / self.step_ms), &sketch, self.steps);
        }
        state.settle_all();
        true
    }

    fn is_live(&self, step: u64, now: Timestamp) -> bool {
        (now.as_millis() / self.step_ms).saturating_sub(step) < self.steps
    }
}

impl SummaryState {
    /// Charges the bytes of the sketches. If memory is short, they are coarsened to their least memory.
    fn settle_all(&mut self) {
        if self.charge.is_scarce() {
            self.current.fit(0);
            self.past.iter_mut().for_each(|(_, sketch)| sketch.fit(0));
        }
        self.settle(0);
    }

    /// Adds a sketch to `step`, which is within the window.
    fn add_step(&mut self, step: u64, sketch: &Sketch, steps: u64) {
        self.advance(step, steps);
        if step == self.step {
            return self.current.merge(sketch);
        }
        match self.past.binary_search_by_key(&step, |(of, _)| *of) {
            Ok(at) => {
                if let Some((_, known)) = self.past.get_mut(at) {
                    known.merge(sketch);
                }
            }
            Err(at) if self.step - step < steps => self.past.insert(at, (step, sketch.clone())),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::options::SummaryOptions;
    use crate::registry::cell::SummarySnapshot;

    const START_MS: u64 = 1_700_000_040_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(START_MS + seconds * 1000)
    }

    fn cell() -> SummaryCell {
        SummaryCell::new(&SummaryOptions::default())
    }

    fn read<'a>(cells: impl IntoIterator<Item = &'a SummaryCell>, now: Timestamp) -> (f64, f64, [u64; 5]) {
        let mut all = SummarySnapshot::default();
        cells.into_iter().for_each(|cell| cell.merge_into(now, &mut all));
        (all.count, all.sum, [0.0, 0.3, 0.5, 0.99, 1.0].map(|q| all.quantile(q).to_bits()))
    }

    proptest! {
        #[test]
        fn a_restored_summary_goes_on_as_the_saved_cells(
            samples in prop::collection::vec((-1000_i32..1000, 1_u32..20, 0_u64..90, 0_usize..3), 1..200),
            more in prop::collection::vec((-1000_i32..1000, 0_u64..90), 0..60),
            away in 0_u64..900,
        ) {
            let (workers, mut second) = ([(); 3].map(|()| cell()), 0);
            for (value, weight, pause, worker) in samples {
                second += pause / 10 * 10;
                prop_assert!(workers[worker].observe(f64::from(value) / 8.0, f64::from(weight), at(second)));
            }
            let restored = cell();
            prop_assert!(restored.absorb(SummaryCell::save(&workers, at(second)), at(second + away)));
            second += away;
            prop_assert_eq!(read([&restored], at(second)), read(&workers, at(second)));
            for (value, pause) in more {
                second += pause;
                prop_assert!(restored.observe(f64::from(value), 1.0, at(second)) && workers[0].observe(f64::from(value), 1.0, at(second)));
                prop_assert_eq!(read([&restored], at(second)), read(&workers, at(second)));
            }
        }
    }

    #[test]
    fn a_summary_may_take_up_several() {
        let (one, two, both) = (cell(), cell(), cell());
        for second in 0..500 {
            assert!(one.observe(second as f64, 1.0, at(second)) && both.observe(second as f64, 1.0, at(second)));
            assert!(two.observe(7.0, 2.0, at(second + 100)));
        }
        let restored = cell();
        for saved in [&two, &one].map(|cell| SummaryCell::save([cell], at(599))) {
            assert!(restored.absorb(saved, at(599)));
        }
        assert_eq!(read([&restored], at(599)), read([&one, &two], at(599)));
    }

    #[test]
    fn a_clock_that_went_back_does_not_stop_the_window() {
        let cell = cell();
        assert!(cell.observe(1000.0, 1.0, at(36_000)));
        let restored = self::cell();
        assert!(restored.absorb(SummaryCell::save([&cell], at(36_000)), at(0)));
        assert_eq!(read([&restored], at(0)).2, [1000.0_f64.to_bits(); 5]);
        assert!(restored.observe(1.0, 1.0, at(600)));
        assert_eq!(read([&restored], at(600)).2, [1.0_f64.to_bits(); 5]);
    }

    #[test]
    fn an_invalid_saved_summary_is_rejected() {
        let cell = cell();
        assert!(cell.observe(2.0, 3.0, at(0)));
        let good = SummaryCell::save([&cell], at(0));
        let spoilt: [fn(&mut SavedSummary); 4] =
            [|s| s.count = -1.0, |s| s.count = f64::NAN, |s| s.sum = f64::INFINITY, |s| s.sum = f64::NAN];
        for spoil in spoilt {
            let mut saved = good.clone();
            spoil(&mut saved);
            assert!(!cell.absorb(saved, at(0)));
        }
        assert_eq!(read([&cell], at(0)).0, 3.0);
    }
}
