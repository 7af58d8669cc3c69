//! In every order, no sample is added to a series that no exposition shows: the removed values and those in the table add up to
//! what was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use statsd_bridge_model::{Expirer, Fault, Kind, Table, Writer};

/// Batches of the writers: the number of samples and their time.
type Batches = &'static [(u32, u64)];

/// One thread per writer, and one that expires `steps` times. The first batches are written before the threads start.
#[derive(Clone, Copy)]
struct Scene {
    kind: Kind,
    fault: Fault,
    writers: &'static [Batches],
    steps: u32,
    /// Between two batches, a writer leaves and another one takes over its cells.
    changes: bool,
    /// Whether a removed series returns with its value.
    rests: bool,
    /// Maximum number of preemptions; `None` for all orders.
    preemptions: Option<usize>,
}

/// Numbers of orders in which a series was removed; was removed more than once; was kept because it was written again; and returned
/// because a writer that found the mark removed it in time.
#[derive(Default)]
struct Met {
    gone: AtomicU32,
    twice: AtomicU32,
    kept: AtomicU32,
    revived: AtomicU32,
    orders: AtomicU32,
}

/// Runs a scene in all orders.
fn play(scene: Scene) -> Arc<Met> {
    let met = Arc::new(Met::default());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = scene.preemptions;
    let seen = Arc::clone(&met);
    builder.check(move || one_order(scene, &seen));
    let count = |count: &AtomicU32| count.load(Relaxed);
    println!(
        "{} orders; taken out in {}, twice in {}, kept in {}, revived in {}",
        count(&met.orders),
        count(&met.gone),
        count(&met.twice),
        count(&met.kept),
        count(&met.revived),
    );
    met
}

fn one_order(scene: Scene, met: &Met) {
    let table = Table::new(scene.kind, scene.fault, scene.rests);
    let written: u32 = scene.writers.iter().flat_map(|batches| batches.iter()).map(|batch| batch.0).sum();
    let start = |batches: &'static [(u32, u64)]| {
        let (first, rest) = batches.split_first().expect("a writer has batches");
        let mut writer = Writer::new(&table);
        writer.batch(first.0, first.1);
        (writer, rest)
    };
    let started: Vec<_> = scene.writers.iter().map(|batches| start(batches)).collect();
    let threads: Vec<_> = started
        .into_iter()
        .map(|(mut writer, rest)| {
            let table = Arc::clone(&table);
            loom::thread::spawn(move || {
                for &(samples, now) in rest {
                    if scene.changes {
                        drop(writer);
                        writer = Writer::new(&table);
                    }
                    writer.batch(samples, now);
                }
                writer
            })
        })
        .collect();
    let mut expirer = Expirer::new(&table);
    (0..scene.steps).for_each(|_| expirer.expire());
    let writers: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("a writer ends")).collect();
    assert_eq!(expirer.taken + table.sum(), f64::from(written), "samples are lost");
    met.orders.fetch_add(1, Relaxed);
    met.gone.fetch_add(u32::from(expirer.gone > 0), Relaxed);
    met.kept.fetch_add(u32::from(expirer.kept > 0), Relaxed);
    met.twice.fetch_add(u32::from(expirer.gone > 1), Relaxed);
    met.revived.fetch_add(u32::from(writers.iter().any(|writer| writer.revived > 0)), Relaxed);
}

const ONE: Scene = Scene {
    kind: Kind::Counter,
    fault: Fault::None,
    writers: &[&[(1, 1), (1, 1), (1, 1)]],
    steps: 3,
    changes: false,
    rests: false,
    preemptions: None,
};

const TWO: Scene = Scene { writers: &[&[(1, 1), (1, 1)], &[(1, 1), (1, 1)]], steps: 2, preemptions: Some(3), ..ONE };

#[track_caller]
fn assert_met(counts: [&AtomicU32; 3]) {
    assert!(counts.iter().all(|count| count.load(Relaxed) > 0), "the scene is too short to show anything");
}

#[test]
fn one_writer_in_all_orders() {
    let met = play(ONE);
    assert_met([&met.twice, &met.kept, &met.revived]);
}

#[test]
fn a_writer_whose_times_go_on_and_back() {
    let met = play(Scene { writers: &[&[(1, 5), (1, 7), (1, 6)]], preemptions: Some(5), ..ONE });
    assert_met([&met.twice, &met.kept, &met.revived]);
}

#[test]
fn a_batch_of_two_samples() {
    let met = play(Scene { writers: &[&[(1, 1), (2, 1)]], ..ONE });
    assert_met([&met.gone, &met.kept, &met.revived]);
}

#[test]
fn a_writer_that_leaves_its_cells_to_another_one() {
    let met = play(Scene { writers: &[&[(1, 1), (1, 1)]], changes: true, preemptions: Some(4), ..ONE });
    assert_met([&met.gone, &met.kept, &met.revived]);
}

#[test]
fn a_series_that_comes_back_with_its_value() {
    let met = play(Scene { rests: true, preemptions: Some(5), ..ONE });
    assert_met([&met.twice, &met.kept, &met.revived]);
}

#[test]
fn two_writers_and_a_series_that_comes_back() {
    let met = play(Scene { rests: true, ..TWO });
    assert_met([&met.gone, &met.kept, &met.revived]);
}

#[test]
fn two_writers_with_cells_of_their_own() {
    let met = play(TWO);
    assert_met([&met.gone, &met.kept, &met.revived]);
}

#[test]
fn two_writers_of_one_gauge() {
    let met = play(Scene { kind: Kind::Gauge, preemptions: Some(2), ..TWO });
    assert_met([&met.gone, &met.kept, &met.revived]);
}

#[test]
fn an_idle_writer_delays_no_removal() {
    let met = play(Scene { writers: &[&[(1, 1)]], steps: 2, ..ONE });
    assert_eq!(met.gone.load(Relaxed), met.orders.load(Relaxed), "removed in every order");
}

// ---- the model can fail ----

#[test]
#[should_panic(expected = "samples are lost")]
fn not_waiting_for_the_writers_is_found() {
    play(Scene { fault: Fault::DoesNotWait, ..ONE });
}

#[test]
#[should_panic(expected = "samples are lost")]
fn not_entering_before_a_write_is_found() {
    play(Scene { fault: Fault::DoesNotEnter, ..ONE });
}

#[test]
#[should_panic(expected = "a resting series is written")]
fn not_waiting_before_a_series_rests_is_found() {
    play(Scene { fault: Fault::DoesNotWait, rests: true, ..ONE });
}

#[test]
#[should_panic(expected = "samples are lost")]
fn not_looking_again_is_found() {
    play(Scene { fault: Fault::DoesNotLookAgain, ..ONE });
}

#[test]
#[should_panic(expected = "samples are lost")]
fn writing_what_is_marked_is_found() {
    play(Scene { fault: Fault::WritesRegardless, ..ONE });
}

#[test]
#[should_panic(expected = "samples are lost")]
fn coming_back_to_life_outside_of_the_lock_is_found() {
    play(Scene { fault: Fault::RevivesOutsideOfTheLock, ..ONE });
}
