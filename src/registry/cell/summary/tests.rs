//! Windows that slide, workers that merge, and what a cell keeps of the past.

use proptest::prelude::*;

use super::*;

/// The beginning of a step of two minutes.
const START_MS: u64 = 1_700_000_040_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(START_MS + seconds * 1000)
}

fn ten_minutes() -> SummaryCell {
    SummaryCell::new(&SummaryOptions::default())
}

fn snapshot<'a>(cells: impl IntoIterator<Item = &'a SummaryCell>, now: Timestamp) -> SummarySnapshot {
    let mut out = SummarySnapshot::default();
    cells.into_iter().for_each(|cell| cell.merge_into(now, &mut out));
    out
}

#[test]
fn count_sum_and_quantiles_are_weighted() {
    let cell = ten_minutes();
    assert!(cell.observe(1.0, 10.0, at(0)) && cell.observe(5.0, 2.5, at(0)));
    let got = snapshot([&cell], at(1));
    assert_eq!((got.count, got.sum), (12.5, 22.5));
    assert_eq!([0.5, 0.8, 0.81].map(|q| got.quantile(q)), [1.0, 1.0, 5.0]);
}

#[test]
fn a_new_cell_has_no_quantile() {
    let got = snapshot([&ten_minutes()], at(0));
    assert_eq!((got.count, got.sum), (0.0, 0.0));
    assert!(got.quantile(0.5).is_nan());
}

#[test]
fn an_idle_cell_ends_in_nan_and_frees_its_window() {
    let cell = ten_minutes();
    for i in 0..1000 {
        assert!(cell.observe(f64::from(i), 1.0, at(0)));
    }
    assert_eq!(snapshot([&cell], at(479)).quantile(1.0), 999.0);
    let got = snapshot([&cell], at(600));
    assert!(got.quantile(0.5).is_nan());
    assert_eq!((got.count, got.sum), (1000.0, 499_500.0));
    assert_eq!(cell.lock().current.heap_bytes(), 0);
    assert!(cell.observe(3.0, 1.0, at(601)));
    assert_eq!(snapshot([&cell], at(601)).quantile(0.0), 3.0);
}

#[test]
fn the_window_slides_with_ingest_and_reuses_memory() {
    let cell = ten_minutes();
    let memory = || {
        let state = cell.lock();
        state.current.heap_bytes() + state.past.iter().map(|(_, sketch)| sketch.heap_bytes()).sum::<usize>()
    };
    let mut full = 0;
    for second in 0..60_000 {
        assert!(cell.observe((second % 120) as f64 + second as f64 / 60_000.0, 1.0, at(second)));
        match second {
            1200 => full = memory(),
            1201.. => assert_eq!((memory(), cell.lock().past.len()), (full, 4)),
            _ => {}
        }
    }
}

#[test]
fn the_window_holds_the_last_steps_and_nothing_else() {
    let cell = ten_minutes();
    for second in 0..6000 {
        assert!(cell.observe((second % 500 + 1) as f64, 1.0, at(second)));
    }
    // Seconds 5400 to 5999: 1 to 400 once, 401 to 500 twice.
    let got = snapshot([&cell], at(5999));
    for (q, want) in [(0.5, 300.0), (0.75, 425.0)] {
        assert!((got.quantile(q) - want).abs() <= want * 0.0101, "{}", got.quantile(q));
    }
    // Two minutes later, the first 120 observations have left the window: 401 to 500 and 1 to 20.
    let got = snapshot([&cell], at(6119));
    assert_eq!(got.quantile(0.0), 21.0);
    assert_eq!(got.count, 6000.0);
}

#[test]
fn an_old_maximum_is_forgotten_while_new_samples_come() {
    let cell = ten_minutes();
    assert!(cell.observe(1000.0, 1.0, at(0)));
    for minute in 1..=9 {
        assert!(cell.observe(1.0, 1.0, at(minute * 60)));
    }
    assert_eq!(snapshot([&cell], at(470)).quantile(1.0), 1000.0);
    assert_eq!(snapshot([&cell], at(600)).quantile(1.0), 1.0);
    assert!(cell.observe(2.0, 1.0, at(600)));
    assert_eq!(snapshot([&cell], at(600)).quantile(1.0), 2.0);
}

#[test]
fn a_gap_longer_than_the_window_leaves_nothing_behind() {
    let cell = ten_minutes();
    assert!(cell.observe(1000.0, 1.0, at(0)) && cell.observe(1000.0, 1.0, at(200)) && cell.observe(7.0, 1.0, at(5000)));
    assert_eq!([0.0, 1.0].map(|q| snapshot([&cell], at(5000)).quantile(q)), [7.0, 7.0]);
    assert!(cell.lock().past.is_empty());
}

#[test]
fn a_clock_that_lags_loses_nothing() {
    let cell = ten_minutes();
    assert!(cell.observe(1.0, 1.0, at(3000)) && cell.observe(2.0, 1.0, at(0)));
    assert_eq!([0.5, 1.0].map(|q| snapshot([&cell], at(0)).quantile(q)), [1.0, 2.0]);
}

#[test]
fn odd_options_are_made_usable() {
    for (max_age_ms, age_buckets) in [(0, 0), (1, u32::MAX), (3, 5), (u64::MAX, 1), (u64::MAX, u32::MAX)] {
        let cell = SummaryCell::new(&SummaryOptions { max_age_ms, age_buckets, ..SummaryOptions::default() });
        assert!(cell.step_ms >= 1 && (1..=STEPS_MAX).contains(&cell.steps));
        assert!(cell.observe(1.0, 1.0, Timestamp::from_millis(u64::MAX)));
        assert_eq!(snapshot([&cell], Timestamp::from_millis(u64::MAX)).quantile(0.5), 1.0);
    }
}

#[test]
fn a_result_that_is_not_finite_is_rejected_and_changes_nothing() {
    let cell = ten_minutes();
    assert!(cell.observe(f64::MAX, 1.0, at(0)));
    let odd = [(f64::MAX, 1.0), (1.0, f64::INFINITY), (1e300, 1e300), (f64::NAN, 1.0), (f64::INFINITY, 1.0)];
    for (value, weight) in odd.into_iter().chain([(1.0, f64::NAN), (1.0, 0.0), (1.0, -1.0), (f64::NEG_INFINITY, 1.0)]) {
        assert!(!cell.observe(value, weight, at(900)), "{value} * {weight}");
    }
    let got = snapshot([&cell], at(0));
    assert_eq!((got.count, got.sum, got.quantile(0.5)), (1.0, f64::MAX, f64::MAX));
    let full = ten_minutes();
    assert!(full.observe(0.0, f64::MAX, at(0)) && !full.observe(0.0, f64::MAX, at(0)));
}

#[test]
fn the_sums_of_workers_stay_finite() {
    let cells = [ten_minutes(), ten_minutes()];
    cells.iter().for_each(|cell| assert!(cell.observe(f64::MAX, 1.0, at(0))));
    assert_eq!(snapshot(&cells, at(0)).sum, f64::MAX);
}

#[test]
fn a_cleared_snapshot_is_as_new() {
    let cell = ten_minutes();
    assert!(cell.observe(1.0, 2.0, at(0)));
    let mut out = snapshot([&cell], at(0));
    out.clear();
    assert!(out.quantile(0.5).is_nan());
    cell.merge_into(at(0), &mut out);
    assert_eq!((out.count, out.sum, out.quantile(0.5)), (2.0, 2.0, 1.0));
}

#[test]
fn a_thread_that_died_with_the_lock_does_not_end_the_cell() {
    let cell = ten_minutes();
    std::thread::scope(|scope| {
        let died = scope.spawn(|| {
            let _held = cell.lock();
            std::panic::resume_unwind(Box::new("dies"));
        });
        assert!(died.join().is_err());
    });
    assert!(cell.state.is_poisoned() && cell.observe(1.0, 1.0, at(0)));
    assert_eq!(snapshot([&cell], at(0)).count, 1.0);
}

proptest! {
    #[test]
    fn merging_equals_one_cell_that_saw_everything(
        samples in prop::collection::vec((-1000_i32..1000, 1_u32..20, 0_u64..90, 0_usize..4), 1..300),
    ) {
        let (whole, workers) = (ten_minutes(), [(); 4].map(|()| ten_minutes()));
        let mut second = 0;
        for (value, weight, pause, worker) in samples {
            second += pause / 10 * 10;
            let (value, weight) = (f64::from(value) / 8.0, f64::from(weight));
            prop_assert!(whole.observe(value, weight, at(second)) && workers[worker].observe(value, weight, at(second)));
        }
        for later in [0, 100, 300, 590, 600] {
            let (one, all) = (snapshot([&whole], at(second + later)), snapshot(&workers, at(second + later)));
            prop_assert_eq!((one.count, one.sum), (all.count, all.sum));
            for q in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] {
                prop_assert_eq!(one.quantile(q).to_bits(), all.quantile(q).to_bits());
            }
        }
    }
}
