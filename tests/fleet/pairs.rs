//! Pairs of bridges: the labels `cluster` and `__replica__` reach the receiver, and what databases without a tracker of pairs do with
//! them.

use std::fmt::Write as _;

use crate::harness::{Launch, until};
use crate::peers::{self, Version};
use crate::prometheus::Prometheus;
use crate::push::receiver::{Reaction, Receiver};
use crate::victoria::Victoria;

/// The labels of one bridge of a pair.
fn replica(launch: Launch, name: &str) -> Launch {
    launch.arg("--push.label=cluster=shop").arg(format!("--push.label=__replica__={name}")).arg("--push.interval=1s")
}

#[apply(test)]
fn the_labels_of_a_pair_are_sent_with_every_series_in_both_versions() {
    for protocol in ["1.0", "2.0"] {
        let receiver = Receiver::start(|_| Reaction::Write);
        let launch = Launch::new().arg(format!("--push.url={}", receiver.url())).arg(format!("--push.protocol={protocol}"));
        let bridge = replica(launch, "a").start();
        bridge.send("hits:3|c|#cluster:own");
        until("the counter is pushed", || (!receiver.points("hits", ("__replica__", "a")).is_empty()).then_some(()));
        let all: Vec<_> = receiver.seen().into_iter().flat_map(|seen| seen.content.series).collect();
        assert!(all.len() > 20, "{}", all.len());
        for series in &all {
            let value = |name: &str| series.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str());
            assert_eq!((value("__replica__"), value("cluster")), (Some("a"), Some("shop")), "{:?}", series.labels);
        }
        // A series' own label of that name stays, renamed.
        let has_own = |label: &(String, String)| *label == ("exported_cluster".to_owned(), "own".to_owned());
        assert!(all.iter().any(|series| series.labels.iter().any(has_own)), "{protocol}");
        bridge.stop();
    }
}

#[apply(test)]
fn a_receiver_that_takes_the_other_replica_is_counted_as_deduplicated() {
    // Mimir and Cortex answer 202 to the replica that they do not take.
    let receiver = Receiver::start(|_| Reaction::Answer(202, vec![]));
    let bridge = replica(Launch::new().arg(format!("--push.url={}", receiver.url())), "b").start();
    bridge.send("hits:3|c");
    bridge.page_when("samples are deduplicated", |page| {
        page.sum_where("statsd_bridge_push_samples_total", "result", "deduplicated") > 20.0
            && page.sum_where("statsd_bridge_push_samples_total", "result", "rejected") == 0.0
    });
    assert!(receiver.seen().iter().all(|seen| seen.version == 2), "no change to 1.0");
    bridge.stop();
}

#[apply(test)]
fn prometheus_and_victoriametrics_store_both_replicas() {
    Version::Three.prometheus();
    peers::built("victoriametrics", "victoria-metrics");
    let prometheus = Prometheus::with_config(Version::Three, "global: {}\n", &["--web.enable-remote-write-receiver"]);
    let victoria = Victoria::start(&[], "");
    let mut urls = String::new();
    let _ = write!(urls, "{},http://{}/api/v1/write", prometheus.url("/api/v1/write"), victoria.web);
    let bridges = ["a", "b"].map(|name| replica(Launch::new().arg(format!("--push.url={urls}")), name).start());
    bridges.iter().for_each(|bridge| bridge.send("hits:3|c"));
    for query in ["count(hits{cluster=\"shop\",__replica__=~\"a|b\"})", "count by (job) (max without (__replica__) (hits)) + 1"] {
        prometheus.expect(query, 2.0);
        victoria.expect(query, 2.0);
    }
    bridges.into_iter().for_each(|bridge| drop(bridge.stop()));
}
