//! A family ends because of new rules: samples written under the new rules are in the exposition.

use statsd_bridge_model::reload::{Bridge, Fault, Worker};

/// Two workers with one binding each. The rules change while each writes two more batches. The samples of the first worker match
/// the rule that created the family.
fn play(fault: Fault, second_is_of_its_rule: bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let bridge = Bridge::new(fault);
        let workers = [Worker::new(&bridge, 0, true), Worker::new(&bridge, 1, second_is_of_its_rule)].map(|mut worker| {
            worker.batch();
            worker
        });
        let threads = workers.map(|mut worker| {
            loom::thread::spawn(move || {
                (0..2).for_each(|_| worker.batch());
                worker
            })
        });
        bridge.reload();
        for mut worker in threads.map(|thread| thread.join().expect("a worker ends")) {
            worker.batch();
            assert!(worker.under_new_rules > 0, "all have seen the new rules");
            assert!(bridge.sum_of(&worker) >= f64::from(worker.under_new_rules), "samples are lost");
        }
    });
}

#[test]
fn what_is_written_under_the_new_rules_is_on_the_page() {
    play(Fault::None, true);
}

#[test]
fn two_ways_to_one_name() {
    play(Fault::None, false);
}

// ---- the model can fail ----

#[test]
#[should_panic(expected = "samples are lost")]
fn the_mark_alone_would_not_do() {
    play(Fault::KeepsItsRoutes, true);
}

#[test]
#[should_panic(expected = "a family ends twice")]
fn ending_without_asking_again_is_found() {
    play(Fault::EndsWithoutAskingAgain, true);
}

#[test]
#[should_panic(expected = "samples are lost")]
fn a_route_to_a_family_that_then_ends_is_found() {
    play(Fault::EndsWithoutAskingAgain, false);
}
