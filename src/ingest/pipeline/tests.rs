//! Sources and exemplars of the samples of a batch.

use super::*;
use crate::bridge::Bridge;
use crate::options::Options;

#[test]
fn a_trace_is_an_exemplar_and_makes_neither_series_nor_binding() {
    let bridge = Bridge::new(Options { exemplar_tag: crate::options::TagKey::new("trace_id").ok(), ..Options::default() });
    let mut worker = bridge.worker();
    let at = |millis| Timestamp::from_millis(1_700_000_000_000 + millis);
    worker.ingest(b"c_total:1|c|#k:v\nt:20|ms|#k:v", at(0));
    for i in 0..100_u64 {
        let lines = format!(
            "c_total:1|c|@0.5|#k:v,trace_id:c{i}\nt:{}|ms|#trace_id:t{i},k:v\ng:{i}|g|#trace_id:g{i}\ng:+1|g\ns:x|s|#trace_id:s{i}",
            i * 10
        );
        worker.ingest(lines.as_bytes(), at(i));
    }
    worker.ingest(b"n,k=v,trace_id=n1:1|c\nc_total:-1|c|#k:v,trace_id:rejected", at(200));
    let long = format!("c_total:0|c|#k:v,trace_id:{}", "x".repeat(200));
    worker.ingest(long.as_bytes(), at(300));
    drop(worker);
    assert!(bridge.accounting().adds_up());
    let seen: Vec<_> = bridge
        .registry()
        .families()
        .iter()
        .flat_map(|family| family.series().iter().map(|one| (family.name().to_string(), one.clone())).collect::<Vec<_>>())
        .collect();
    let texts: Vec<_> = seen.iter().take(4).map(|(name, series)| format!("{name}{{{}}} {}", series.labels(), series.number())).collect();
    assert_eq!(texts, ["c_total{k=\"v\"} 201", "g{} 100", "n{k=\"v\"} 1", "s{} 1"]);
    assert_eq!((seen.len(), &*seen[4].0, seen[4].1.labels()), (5, "t", "k=\"v\""));
    let exemplars = |at: usize| -> Vec<_> {
        let all = bridge.registry().exemplars().of(&seen[at].1).into_iter();
        all.map(|one| (one.bucket, one.labels.into_string(), one.value, one.time)).collect()
    };
    assert_eq!(exemplars(0), [(0, "trace_id=\"c99\"".to_owned(), 1.0, at(99))]);
    let of_timer = exemplars(4);
    // Buckets end at .005 .01 .025 .05 .1 .25 .5 1 s.
    assert_eq!(of_timer.iter().map(|one| one.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(of_timer[4], (4, "trace_id=\"t10\"".to_owned(), 0.1, at(10)));
    assert!([1, 2, 3].into_iter().all(|at| exemplars(at).is_empty()));
    assert_eq!(bridge.registry().exemplars().series(), 2);
    let count = |name: &str| bridge.telemetry().sum(name);
    assert_eq!((count("exemplars_total"), count("exemplars_refused_total")), (200, 1));
}

#[test]
fn traces_do_not_fill_the_table_of_bindings() {
    let bridge = Bridge::new(Options { exemplar_tag: crate::options::TagKey::new("trace_id").ok(), ..Options::default() });
    let mut worker = bridge.worker();
    for i in 0..1_000 {
        worker.ingest(format!("c:1|c|#trace_id:{i}\nh:1:2|h|#a:b,trace_id:{i}\nc:1|c:2|c").as_bytes(), Timestamp::from_millis(1));
    }
    assert_eq!(worker.bindings.len(), 3);
}

#[test]
fn a_sample_that_asks_for_a_binding_is_known_by_its_source() {
    let bridge = Bridge::new(Options::default());
    let [first, second] = ["127.0.0.1:1", "127.0.0.1:2"].map(|address| Source::Udp(address.parse().unwrap()));
    // There are more samples than are looked up together, so that they are not recorded before the next datagram is parsed.
    let many = "a:1|c\n".repeat(BATCH + 1);
    let datagrams = [Datagram { bytes: many.as_bytes(), source: &first }, Datagram { bytes: b"a:1|g", source: &second }];
    let now = Timestamp::from_millis(1_700_000_000_000);
    let mut worker = bridge.worker();
    worker.ingest_batch(datagrams.into_iter(), now);
    worker.ingest(b"a:x|s", now);
    let conflicts = bridge.registry().conflicts();
    let mut came: Vec<Source> = conflicts.iter().map(|conflict| conflict.came.source).collect();
    came.sort_by_key(Source::to_string);
    assert_eq!(came, [second, Source::Unknown]);
    assert!(conflicts.iter().all(|conflict| conflict.kept.as_ref().is_some_and(|kept| kept.source == first)));
}
