//! A program that embeds the library has only the self-metrics of the library, and none of the program `statsd-bridge`.

use statsd_bridge::{Bridge, Options, Timestamp};

#[apply(test)]
fn an_embedder_has_only_metrics_that_the_library_counts() {
    let bridge = Bridge::new(Options::default());
    bridge.worker().ingest(b"c:1|c\nwrong", Timestamp::from_millis(1_700_000_000_000));
    let text = bridge.text(Timestamp::from_millis(1_700_000_000_000));
    let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE statsd_bridge_")?.split(' ').next()).collect();
    let of_program =
        ["config_", "loaded_mappings", "udp_", "tcp_", "unix", "relay_", "web_", "http_", "state_", "scrape", "log_", "socket_"];
    let strangers: Vec<_> = names.iter().filter(|name| of_program.iter().any(|start| name.starts_with(start))).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    for known in ["lines_total", "samples_total", "events_total", "sample_errors_total", "page_families_left_out_total"] {
        assert!(names.contains(&known), "{known}: {names:?}");
    }
    assert!(text.contains("\nstatsd_bridge_lines_total 2\n"), "{text}");
}
