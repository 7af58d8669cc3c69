//! A series that expires in the bridge ends in Prometheus at the next scrape, not after the lookback of five minutes. If it
//! returns, it continues.

use super::server::{Prometheus, scraping};
use crate::compatibility;
use crate::harness::{Launch, until};
use crate::peers::Version;

/// A query for the number of series with this name. It has no result if `stays` is absent, so that a failed scrape does not count.
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
    let families = ["gauge", "counter_total", "took_count", "took_bucket{le=\"+Inf\"}"];
    let natives = ["gauge", "counter_total", "took"];
    // Sets do not expire here. Other samples are sent until both servers have scraped them, because a busy machine may need longer
    // than a ttl.
    bridge.send("stays:a|s");
    let mut sent = 0.0;
    for (prometheus, families) in [(&classic, &families[..]), (&native, &natives[..])] {
        for series in families {
            until(&format!("{series} is scraped"), || {
                bridge.send("gauge:5|g\ncounter_total:1|c\ntook:0.3|h");
                sent += 1.0;
                prometheus.query(&format!("count_over_time({series}[5m]) > 0"))
            });
        }
    }
    for (prometheus, families) in [(&classic, &families[..]), (&native, &natives[..])] {
        for series in families {
            prometheus.expect(&is_there(series), 0.0);
        }
    }
    // The series return, and their counts continue from the old values.
    let before = sent;
    for (prometheus, series, count) in [(&classic, "took_count", "took_count"), (&native, "took", "histogram_count(took)")] {
        for counted in ["counter_total", count] {
            let more = format!("max_over_time(({counted})[5m:1s]) > {before}");
            until(&more, || {
                bridge.send("counter_total:1|c\ntook:0.3|h");
                prometheus.query(&more)
            });
        }
        prometheus.expect("resets(counter_total[5m])", 0.0);
        prometheus.expect(&format!("resets({series}[5m])"), 0.0);
    }
    let compared = "series that expire: stale markers, classic and native, and their return within the grace period";
    compatibility::seen("Prometheus", &classic.version(), compared, "stale with the next scrape; counters continue without a reset");
    bridge.stop();
}
