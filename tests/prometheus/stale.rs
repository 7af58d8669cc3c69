//! A series that expires at the bridge ends in Prometheus with the next scrape, not after its five minutes of looking back; and
//! continues if it returns.

use super::server::{Prometheus, scraping};
use crate::compatibility;
use crate::harness::Launch;
use crate::peers::Version;

/// How many families of this name have a series now. In the same scrape the other series are there, so that no failed scrape counts.
fn is_there(series: &str) -> String {
    format!("(count({series}) or vector(0)) * on() count(stays)")
}

#[apply(each_prometheus)]
fn what_expires_at_the_bridge_is_stale_at_once(version: Version) {
    version.prometheus();
    let flags = ["--ttl.gauges=4s", "--ttl.counters=4s", "--ttl.observers=4s"];
    let bridge = flags.into_iter().fold(Launch::new(), Launch::arg).arg("--statsd.native-histograms=always").start();
    let classic = Prometheus::start(version, &bridge);
    let native = Prometheus::with_native_histograms(version, &scraping(&bridge, "1s"));
    // Sets do not expire here.
    bridge.send("stays:a|s\ngauge:5|g\ncounter_total:7|c\ntook:0.3|h");
    bridge.page_at(4);
    let families = ["gauge", "counter_total", "took_count", "took_bucket{le=\"+Inf\"}"];
    let natives = ["gauge", "counter_total", "took"];
    for (prometheus, families) in [(&classic, &families[..]), (&native, &natives[..])] {
        for series in families {
            prometheus.expect(&format!("(count_over_time({series}[5m]) > bool 0)"), 1.0);
        }
    }
    for (prometheus, families) in [(&classic, &families[..]), (&native, &natives[..])] {
        for series in families {
            prometheus.expect(&is_there(series), 0.0);
        }
    }
    // They return, and the counter continues from its value.
    bridge.send("counter_total:2|c\ntook:0.3|h");
    for (prometheus, count) in [(&classic, "took_count"), (&native, "histogram_count(took)")] {
        prometheus.expect("max_over_time(counter_total[5m])", 9.0);
        prometheus.expect("resets(counter_total[5m])", 0.0);
        prometheus.expect(&format!("max_over_time(({count})[5m:1s])"), 2.0);
    }
    let compared = "series that expire: stale markers, classic and native, and their return within the grace period";
    compatibility::seen("Prometheus", &classic.version(), compared, "stale with the next scrape; counters continue without a reset");
    bridge.stop();
}
