//! A sample of a known series allocates no memory, whatever its kind and form.

use allocation_counter::measure;
use statsd_bridge::options::{NativeHistograms, NativeWhen, Observer, SummaryOptions, TagKey};
use statsd_bridge::{Bridge, Options, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Lines in every form that healthy senders use, and some that are rejected.
const LINES: &str = "known.c:1|c\nknown.c:1|c|#k:v,l:w\nknown.c:2.5|c|@0.1|#k:v,l:w|c:ci-1|e:it-false|card:low|T1700000000
known.g:17|g\nknown.g:+1|g\nknown.g:-1.5|g|#k:v\nknown.ms:12.5|ms|#k:v\nknown.ms:1:2:3:4|ms|@0.3|#k:v\nknown.h:1e3|h\nknown.d:5.|d
known.s:alice|s\nknown.s:bob|s|#k:v\ninflux,k=v,l=w:1|c\nlibrato#k=v:1|c\nsignal[k=v]fx:1|c\nseveral:1|c:2|c|@0.5:3|c\r

bare:1|c|#on,k:v\nescaped.na-me:1|c|#ke.y:va\"lue\nunknown.field:1|c|zzz\nbad.tags:1|c|#,:v,k:\n_e{5,4}:title|text\n_sc|check|0
known.c:1|g\nknown.c:-1|c\nstatsd_bridge_lines_total:1|c\n:1|c\nknown.c:x|c\nknown.c:1|c|@7\nknown.c:1|nokind\nmixed,k=v:1|c|#k:v";

fn allocations_when_known(options: Options) -> u64 {
    // A kept event needs memory of its own.
    let bridge = Bridge::new(options.with(|options| options.limits.events = 0));
    let mut worker = bridge.worker();
    // Ingest twice, so that buffers that grow with the first samples of a window have grown.
    worker.ingest(LINES.as_bytes(), NOW);
    worker.ingest(LINES.as_bytes(), NOW);
    let counted = measure(|| {
        for _ in 0..100 {
            worker.ingest(LINES.as_bytes(), NOW);
        }
    });
    let accounting = bridge.accounting();
    assert!(accounting.adds_up() && accounting.recorded > 102 * 20, "the lines were recorded: {accounting:?}");
    counted.count_total
}

#[apply(test)]
fn a_sample_of_a_known_series_allocates_nothing() {
    assert_eq!(allocations_when_known(Options::default()), 0);
}

#[apply(test)]
fn nor_does_one_of_a_known_summary() {
    let observer = Observer::Summary(SummaryOptions::default());
    assert_eq!(allocations_when_known(Options::default().with(|options| options.observer = observer)), 0);
}

#[apply(test)]
fn nor_does_one_without_a_trace_where_traces_are_exemplars() {
    assert_eq!(allocations_when_known(Options::default().with(|options| options.exemplar_tag = TagKey::new("trace_id").ok())), 0);
}

#[apply(test)]
fn nor_does_one_of_a_histogram_with_native_buckets() {
    let native = NativeHistograms { when: NativeWhen::Always, ..NativeHistograms::default() };
    assert_eq!(allocations_when_known(Options::default().with(|options| options.native = native)), 0);
}

#[apply(test)]
fn nor_does_one_of_a_gauge_whose_time_is_exposed() {
    assert_eq!(allocations_when_known(Options::default().with(|options| options.gauges_set_time = true)), 0);
}

#[apply(test)]
fn a_new_series_does_so_the_count_counts() {
    let bridge = Bridge::new(Options::default());
    let mut worker = bridge.worker();
    assert!(measure(|| worker.ingest(b"new:1|c", NOW)).count_total > 0);
}
