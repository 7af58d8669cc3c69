//! A reader of a histogram gets consistent sum and weights, in every order of its steps and the writer's.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use statsd_bridge_model::Histogram;

/// The values of the two buckets.
const VALUES: [f64; 2] = [1.0, 3.0];

/// The operations of the writer, in order.
#[derive(Clone, Copy)]
enum Write {
    Observe(usize),
    Clear,
}

use Write::{Clear, Observe};

/// The result of a reader: the number of samples, or none.
type Found = Option<u64>;

/// Runs one writer and one reader that reads `reads` times. Returns the results of all readers.
fn play(writes: &'static [Write], reads: usize, preemptions: usize) -> BTreeSet<Found> {
    let found = Arc::new(Mutex::new(BTreeSet::new()));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    let all = Arc::clone(&found);
    builder.check(move || {
        let cell = Histogram::new(VALUES.len());
        let of_writer = cell.clone();
        let writer = loom::thread::spawn(move || {
            for write in writes {
                match *write {
                    Observe(bucket) => of_writer.observe(bucket, VALUES[bucket]),
                    Clear => of_writer.clear(),
                }
            }
        });
        for _ in 0..reads {
            all.lock().expect("no thread dies with it").insert(read(&cell));
        }
        writer.join().expect("the writer ends");
        assert!(read(&cell).is_some(), "nothing is being written");
    });
    Arc::into_inner(found).expect("the model has ended").into_inner().expect("no thread died with it")
}

fn read(cell: &Histogram) -> Found {
    let (sum, [low, high]) = cell.try_read::<2>()?;
    assert_eq!(sum, low * VALUES[0] + high * VALUES[1], "sum and weights are of two moments");
    Some((low + high) as u64)
}

#[test]
fn two_writes_to_two_buckets() {
    let found = play(&[Observe(0), Observe(1)], 1, 5);
    assert_eq!(found, BTreeSet::from([None, Some(0), Some(1), Some(2)]));
}

#[test]
fn three_writes_and_two_reads() {
    let found = play(&[Observe(0), Observe(1), Observe(0)], 2, 2);
    assert_eq!(found, BTreeSet::from([None, Some(0), Some(1), Some(2), Some(3)]));
}

#[test]
fn a_histogram_that_is_cleared() {
    let found = play(&[Observe(1), Clear, Observe(0)], 1, 3);
    assert_eq!(found, BTreeSet::from([None, Some(0), Some(1)]));
}

/// A reader that interrupts the writer at any step, and reads while nothing changes, succeeds at once.
#[test]
fn a_writer_that_stands_still_delays_nobody() {
    // With one preemption, the writer is stopped during the whole read, or the reader during writes.
    let found = play(&[Observe(0), Observe(1)], 1, 1);
    assert!(found.contains(&Some(0)) && found.contains(&Some(1)));
}

// ---- the model can fail ----

#[test]
#[should_panic(expected = "sum and weights are of two moments")]
fn missing_fences_are_found() {
    Histogram::leave_out_fences();
    play(&[Observe(0), Observe(1)], 1, 4);
}
