//! `rules` on the real binary: its output for a mapping with every kind of family, evaluated by promtool and by VictoriaMetrics.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use tempfile::TempDir;

use crate::compatibility;
use crate::harness::{Launch, Running, bridge_command, free_port};
use crate::peers::{self, Version};
use crate::victoria::{self, Victoria};

/// A family of each kind; names with captures; a rule without a kind.
const MAPPING: &str = "\
syntax: extended
mappings:
- {match: shop.*.orders, match_metric_type: counter, name: shop_orders_total, labels: {shop: $1}}
- {match: shop.*.level, match_metric_type: gauge, name: shop_level, labels: {shop: $1}}
- {match: shop.*.took, match_metric_type: observer, name: shop_took, unit: milliseconds}
- {match: shop.*.wait, match_metric_type: observer, observer_type: summary, name: shop_wait_seconds}
- {match: shop.*.users, match_metric_type: set, name: shop_users}
- {match: app.*.hits, match_metric_type: counter, name: app_$1_total}
- {match: app.*.state, match_metric_type: gauge, name: app_$1}
- {match: app-fixed, match_metric_type: gauge, name: app_fixed_x}
- {match: odd.*, name: odd_thing}
";

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `rules` with a mapping in a file `m.yml` of a new folder.
fn rules(mapping: &str, args: &[&str]) -> (Ran, TempDir) {
    let folder = TempDir::new().expect("a temporary directory");
    std::fs::write(folder.path().join("m.yml"), mapping).expect("a file in a temporary directory");
    let output = bridge_command().arg("rules").arg("m.yml").args(args).current_dir(folder.path()).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }, folder)
}

/// Runs promtool in a folder.
fn promtool(version: Version, folder: &TempDir, args: &[&str]) {
    let output = Command::new(version.promtool()).args(args).current_dir(folder.path()).output().expect("promtool runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !text.contains("lint"), "{version:?} {args:?}: {text}");
}

/// Counters of two bridges, one of which restarts at 2m45s and has counted the same number by then; gauges, of which the newest changes;
/// a native histogram. `app_x` is a gauge, `app_fixed_x` too, and `app_a_total` and `app_b_total` are counters.
const TESTS: &str = r#"
rule_files: [r.yml]
evaluation_interval: 15s
tests:
- interval: 15s
  input_series:
  - {series: 'shop_orders_total{job="s",instance="a",shop="x"}', values: '0+10x20'}
  - {series: 'shop_orders_total{job="s",instance="b",shop="x"}', values: '1000+20x10 20+20x9'}
  - {series: 'shop_level{job="s",instance="a",shop="x"}', values: '5x20'}
  - {series: 'shop_level{job="s",instance="b",shop="x"}', values: '7x9 -9x11'}
  - {series: 'shop_level_last_set_timestamp_seconds{job="s",instance="a",shop="x"}', values: '100.5x20'}
  - {series: 'shop_level_last_set_timestamp_seconds{job="s",instance="b",shop="x"}', values: '100.499x9 160x11'}
  - {series: 'shop_level{job="s",instance="a",shop="y"}', values: '1x20'}
  - {series: 'shop_level_last_set_timestamp_seconds{job="s",instance="a",shop="y"}', values: '1x20'}
  - {series: 'shop_took_seconds_bucket{job="s",instance="a",le="0.1"}', values: '0+15x20'}
  - {series: 'shop_took_seconds_bucket{job="s",instance="b",le="0.1"}', values: '500+30x10 30+30x9'}
  - {series: 'shop_took_seconds_count{job="s",instance="a"}', values: '0+15x20'}
  - {series: 'shop_took_seconds_sum{job="s",instance="a"}', values: '0+30x20'}
  - {series: 'shop_wait_seconds{job="s",instance="a",quantile="0.5"}', values: '1x20'}
  - {series: 'shop_wait_seconds_sum{job="s",instance="a"}', values: '0+15x20'}
  - {series: 'shop_wait_seconds_count{job="s",instance="a"}', values: '0+30x20'}
  - {series: 'shop_wait_seconds_count{job="s",instance="b"}', values: '0+45x20'}
  - {series: 'shop_users{job="s",instance="a"}', values: '10x20'}
  - {series: 'shop_users{job="s",instance="b"}', values: '4x20'}
  - {series: 'app_a_total{job="s",instance="a"}', values: '0+15x20'}
  - {series: 'app_a_total{job="s",instance="b"}', values: '900+15x10 15+15x9'}
  - {series: 'app_b_total{job="s",instance="a"}', values: '0+30x20'}
  - {series: 'app_x{job="s",instance="a"}', values: '1x20'}
  - {series: 'app_x{job="s",instance="b"}', values: '2x20'}
  - {series: 'app_x_last_set_timestamp_seconds{job="s",instance="a"}', values: '10x20'}
  - {series: 'app_x_last_set_timestamp_seconds{job="s",instance="b"}', values: '9x20'}
  - {series: 'app_fixed_x{job="s",instance="b"}', values: '3x20'}
  - {series: 'app_fixed_x_last_set_timestamp_seconds{job="s",instance="b"}', values: '9x20'}
NATIVE
  promql_expr_test:
  - {expr: 'round(job:shop_orders_total:rate5m, 0.001)', eval_time: 5m, exp_samples: [{labels: '{job="s",shop="x"}', value: 2}]}
  - expr: 'job:shop_level:newest'
    eval_time: 2m
    exp_samples: [{labels: 'job:shop_level:newest{job="s",shop="x"}', value: 5}, {labels: 'job:shop_level:newest{job="s",shop="y"}', value: 1}]
  - {expr: 'job:shop_level:newest{shop="x"}', eval_time: 5m, exp_samples: [{labels: 'job:shop_level:newest{job="s",shop="x"}', value: -9}]}
  - {expr: 'round(job:shop_took_seconds_bucket:rate5m, 0.001)', eval_time: 5m, exp_samples: [{labels: '{job="s",le="0.1"}', value: 3}]}
  - {expr: 'round(job:shop_took_seconds_count:rate5m, 0.001)', eval_time: 5m, exp_samples: [{labels: '{job="s"}', value: 1}]}
  - {expr: 'round(job:shop_took_seconds_sum:rate5m, 0.001)', eval_time: 5m, exp_samples: [{labels: '{job="s"}', value: 2}]}
  - {expr: 'round(job:shop_wait_seconds_sum:rate5m, 0.001)', eval_time: 5m, exp_samples: [{labels: '{job="s"}', value: 1}]}
  - {expr: 'round(job:shop_wait_seconds_count:rate5m, 0.001)', eval_time: 5m, exp_samples: [{labels: '{job="s"}', value: 5}]}
  - {expr: '{__name__=~"job:shop_wait_seconds:.*"}', eval_time: 5m, exp_samples: []}
  - {expr: 'job:shop_users:max', eval_time: 5m, exp_samples: [{labels: 'job:shop_users:max{job="s"}', value: 10}]}
  - {expr: 'job:shop_users:sum', eval_time: 5m, exp_samples: [{labels: 'job:shop_users:sum{job="s"}', value: 14}]}
  - expr: 'round(job:app_any_total:rate5m, 0.001)'
    eval_time: 5m
    exp_samples:
    - {labels: '{job="s",family="app_a_total"}', value: 2}
    - {labels: '{job="s",family="app_b_total"}', value: 2}
  - {expr: 'job:app_any:newest', eval_time: 5m, exp_samples: [{labels: 'job:app_any:newest{job="s",family="app_x"}', value: 1}]}
  - {expr: 'job:app_fixed_x:newest', eval_time: 5m, exp_samples: [{labels: 'job:app_fixed_x:newest{job="s"}', value: 3}]}
"#;

/// Native histograms of two bridges. Only promtool 3 knows them.
const NATIVE: &str = r#"  - {series: 'shop_took_seconds{job="s",instance="a"}', values: '{{count:15 sum:15 buckets:[15]}}+{{count:15 sum:15 buckets:[15]}}x20'}
  - {series: 'shop_took_seconds{job="s",instance="b"}', values: '{{count:30 sum:15 buckets:[30]}}+{{count:30 sum:15 buckets:[30]}}x20'}"#;

/// What it expects of them.
const NATIVE_TESTS: &str = "  - {expr: 'round(histogram_count(job:shop_took_seconds:rate5m), 0.001)', eval_time: 5m, exp_samples: [{labels: '{job=\"s\"}', value: 3}]}\n";

#[apply(test)]
fn recording_rules_add_up_every_kind_over_a_reset() {
    Version::need_both();
    let (ran, folder) = rules(MAPPING, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    std::fs::write(folder.path().join("r.yml"), &ran.out).expect("a file in a temporary directory");
    for (version, native, more) in [(Version::Two, "", ""), (Version::Three, NATIVE, NATIVE_TESTS)] {
        let tests = TESTS.replace("NATIVE", native) + more;
        std::fs::write(folder.path().join("t.yml"), tests).expect("a file in a temporary directory");
        promtool(version, &folder, &["check", "rules", "r.yml"]);
        promtool(version, &folder, &["test", "rules", "t.yml"]);
    }
    // The family without a kind is named with its place.
    assert!(
        ran.err.starts_with("m.yml:11:11: warning: no rules are written for this family, because its kind is not known"),
        "{}",
        ran.err
    );
    assert!(!ran.out.contains("odd_thing"), "{}", ran.out);
    assert_eq!(rules(MAPPING, &[]).0.out, ran.out, "the output depends on the mapping only");
}

#[apply(test)]
fn every_choice_gives_rules_that_promtool_and_victoriametrics_accept() {
    let version = Version::Three;
    version.promtool();
    let victoria = peers::built("victoriametrics", "victoria-metrics");
    let quoted = "mappings: [{match: a.*.*, match_metric_type: gauge, name: \"it's.a(b)$1\\\"c\\\\d\"}, {match: b, match_metric_type: counter, name: 'é.b'}]";
    for (mapping, args) in [
        (MAPPING, &["--gauges=max", "--untyped=counter", "--window=90s", "--without=instance,pod"][..]),
        (MAPPING, &["--gauges=min", "--untyped=gauge", "--step=1m"]),
        (MAPPING, &["--gauges=sum"]),
        (MAPPING, &["--gauges=avg", "--counters.total-suffix"]),
        (MAPPING, &["--preset=envoy", "--preset=airflow"]),
        (quoted, &["--name-validation=utf8"]),
        ("mappings: []", &[]),
    ] {
        let (ran, folder) = rules(mapping, args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
        std::fs::write(folder.path().join("r.yml"), &ran.out).expect("a file in a temporary directory");
        promtool(version, &folder, &["check", "rules", "r.yml"]);
        let (ran, folder) = rules(mapping, &[args, &["--format=vmagent"]].concat());
        let path = folder.path().join("v.yml");
        std::fs::write(&path, &ran.out).expect("a file in a temporary directory");
        let output =
            Command::new(&victoria).arg("-dryRun").arg(format!("-streamAggr.config={}", path.display())).output().expect("it runs");
        assert!(output.status.success(), "{args:?}: {}\n{}", ran.out, String::from_utf8_lossy(&output.stderr));
    }
}

#[apply(test)]
fn mistakes_and_left_out_families_are_named_with_their_place() {
    let (ran, _folder) = rules("mappings:\n- match: a.*\n  nmae: b\n", &[]);
    assert_eq!((ran.code, &*ran.out), (Some(1), ""), "{}", ran.err);
    assert!(ran.err.contains("m.yml:3:3: error: a rule has no key `nmae`") && ran.err.contains("    3 |   nmae: b"), "{}", ran.err);
    let mapping = "\
mappings:
- {match: a.*, match_metric_type: counter, name: $1}
- {match: b, match_metric_type: counter, name: b}
- {match: c, match_metric_type: gauge, name: b}
- {match: d, action: drop, name: d}
";
    let (ran, _folder) = rules(mapping, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for line in [
        "m.yml:2:11: warning: no rules are written for these families, because their names have no text that is always the same",
        "m.yml:4:11: warning: rules are written for the counter of m.yml:3:11 only, and not for this gauge",
    ] {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
    assert_eq!(ran.out.matches("- record:").count(), 1, "{}", ran.out);
    let missing = bridge_command().args(["rules", "none.yml"]).output().expect("it runs");
    assert!(missing.status.code() == Some(1) && String::from_utf8_lossy(&missing.stderr).contains("none.yml:1:1: error: cannot be read"));
}

/// A series that two entries of stream aggregation select would be counted twice.
#[apply(test)]
fn no_series_is_selected_twice() {
    let mapping = "\
mappings:
- {match: a.*.x, match_metric_type: observer, name: app_$1}
- {match: b.*.x, match_metric_type: observer, name: app_sub_$1}
- {match: c, match_metric_type: observer, name: app_fixed}
- {match: d.*, match_metric_type: counter, name: app_$1_total}
- {match: e, match_metric_type: counter, name: app_done_total}
";
    let (ran, _folder) = rules(mapping, &["--format=vmagent"]);
    let matches: Vec<&str> = ran.out.lines().filter_map(|line| line.strip_prefix("- match: ")).collect();
    assert_eq!(
        matches,
        [
            "'{__name__=~\"app_.*(_bucket|_sum|_count)\",__name__!~\"app_fixed_bucket|app_fixed_count|app_fixed_sum|app_sub_.*_bucket|\
             app_sub_.*_count|app_sub_.*_sum\"}'",
            "'{__name__=~\"app_sub_.*(_bucket|_sum|_count)\"}'",
            "'{__name__=~\"app_fixed(_bucket|_sum|_count)\"}'",
            "'{__name__=~\"app_.*_total\",__name__!~\"app_done_total\"}'",
            "'app_done_total'",
        ]
    );
    let (ran, folder) = rules(mapping, &[]);
    std::fs::write(folder.path().join("r.yml"), &ran.out).expect("a file in a temporary directory");
    promtool(Version::Three, &folder, &["check", "rules", "r.yml"]);
}

/// A bridge at an address that it had before.
fn bridge_at(web: SocketAddr, mapping: &std::path::Path) -> Running {
    let launch = Launch::new().arg(format!("--web.listen-address={web}"));
    launch.arg(format!("--statsd.mapping-config={}", mapping.display())).start()
}

#[apply(test)]
fn stream_aggregation_goes_on_over_the_restart_of_a_bridge() {
    let (ran, folder) = rules(MAPPING, &["--format=vmagent", "--gauges=max", "--interval=2s"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    peers::built("victoriametrics", "victoria-metrics");
    let mapping = folder.path().join("m.yml");
    let address = || SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
    let web = [address(), address()];
    let [a, mut b] = web.map(|web| bridge_at(web, &mapping));
    for bridge in [&a, &b] {
        bridge.send("shop.x.orders:0|c\napp.a.hits:0|c\nshop.x.level:1|g\nshop.x.users:u|s");
    }
    let victoria = Victoria::start(&web, &ran.out);
    victoria.expect("count(shop_orders_total{instance!=\"\"})", 2.0);
    victoria.expect("shop_orders_total{instance=\"\"}", 0.0);
    victoria.expect("app_a_total{instance=\"\"}", 0.0);
    a.send("shop.x.orders:100|c\napp.a.hits:7|c\nshop.x.level:5|g");
    b.send("shop.x.orders:50|c\napp.a.hits:3|c\nshop.x.users:v|s");
    victoria.expect("shop_orders_total{instance=\"\"}", 150.0);
    victoria.expect("app_a_total{instance=\"\"}", 10.0);
    victoria.expect("shop_level{instance=\"\"}", 5.0);
    // More than one interval has passed, so new series count from 0.
    [&a, &b].iter().for_each(|bridge| bridge.send("shop.x.took:50|ms"));
    victoria.expect("shop_took_seconds_bucket{instance=\"\",le=\"0.05\"}", 2.0);
    victoria.expect("{__name__=\"shop_users:2s_without_instance_max\"}", 2.0);
    victoria.expect("{__name__=\"shop_users:2s_without_instance_sum_samples\"}", 3.0);
    // The bridge counts from 0 again. What it counts from now on is added.
    drop(b);
    b = bridge_at(web[1], &mapping);
    b.send("shop.x.orders:25|c\napp.a.hits:1|c");
    victoria.expect("shop_orders_total{instance=\"\"}", 175.0);
    victoria.expect("app_a_total{instance=\"\"}", 11.0);
    a.stop();
    b.stop();
    let compared = "stream aggregation written by `statsd-bridge rules`: counters of two bridges, one of which restarts";
    compatibility::seen("VictoriaMetrics", &victoria::version(), compared, "equal to what was sent");
}
