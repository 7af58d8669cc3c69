//! Rules are replaced in a bridge with series: which series continue, begin again, or end. Time is an argument here.

use statsd_bridge::mapping::Rules;
use statsd_bridge::{Bridge, Options, Timestamp, Worker};

use crate::page::Page;
use crate::peers;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn rules(text: &str) -> Rules {
    Rules::from_yaml(text).unwrap_or_else(|error| panic!("{error}"))
}

fn bridge(text: &str) -> (Bridge, Worker) {
    let bridge = Bridge::new(Options::default());
    bridge.replace_rules(rules(text));
    let worker = bridge.worker();
    (bridge, worker)
}

fn text_at(bridge: &Bridge, now: Timestamp) -> String {
    let mut page = Vec::new();
    bridge.render(now, &mut page);
    assert!(bridge.accounting().adds_up(), "{:?}", bridge.accounting());
    String::from_utf8(page).expect("a page is UTF-8")
}

fn page(bridge: &Bridge) -> Page {
    let text = text_at(bridge, NOW);
    Page::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn after(millis: u64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

/// Expires series: one step marks them, and a later step removes them after the worker has ticked.
fn expire(bridge: &Bridge, worker: &mut Worker, now: Timestamp) {
    for _ in 0..3 {
        bridge.expire(now);
        worker.tick();
    }
}

#[apply(test)]
fn a_live_series_takes_over_help() {
    let with = |help: &str| format!("mappings:\n- match: a.*\n  name: a\n  help: {help}\n");
    let (bridge, mut worker) = bridge(&with("Old."));
    worker.ingest(b"a.x:1|c", NOW);
    assert!(text_at(&bridge, NOW).contains("# HELP a Old.\n"));
    bridge.replace_rules(rules(&with("New.")));
    worker.ingest(b"a.x:1|c", NOW);
    let text = text_at(&bridge, NOW);
    assert!(text.contains("# HELP a New.\n") && text.contains("\na 2\n") && text.matches("# HELP a ").count() == 1, "{text}");
}

#[apply(test)]
fn a_live_series_takes_over_its_ttl() {
    let with = |ttl: &str| format!("mappings:\n- match: a.*\n  name: a_$1\n  ttl: {ttl}\n");
    let (bridge, mut worker) = bridge(&with("1h"));
    worker.ingest(b"a.x:1|c\na.y:1|c", NOW);
    bridge.replace_rules(rules(&with("10s")));
    worker.ingest(b"a.x:1|c", NOW);
    expire(&bridge, &mut worker, after(20_000));
    let text = text_at(&bridge, after(20_000));
    assert!(!text.contains("\na_x ") && text.contains("\na_y 1\n"), "what was sent since has the new ttl, what was not the old:\n{text}");
    expire(&bridge, &mut worker, after(3_700_000));
    assert!(!text_at(&bridge, after(3_700_000)).contains("\na_y "));

    // With a ttl of 0, the series does not expire.
    bridge.replace_rules(rules(&with("0")));
    worker.ingest(b"a.x:1|c", after(3_700_000));
    expire(&bridge, &mut worker, after(999_000_000));
    assert!(text_at(&bridge, after(999_000_000)).contains("\na_x 1\n"));
}

#[apply(test)]
fn other_labels_are_another_series_of_the_family() {
    let (bridge, mut worker) = bridge("mappings:\n- match: a.*\n  name: a\n  labels: {old: $1}\n");
    worker.ingest(b"a.x:1|c", NOW);
    bridge.replace_rules(rules("mappings:\n- match: a.*\n  name: a\n  labels: {new: $1}\n  help: Said.\n"));
    worker.ingest(b"a.x:2|c", NOW);
    let page = page(&bridge);
    assert_eq!((page.value(r#"a{old="x"}"#), page.value(r#"a{new="x"}"#)), (Some(1.0), Some(2.0)));
}

#[apply(test)]
fn other_buckets_begin_anew_and_the_same_go_on() {
    let with = |bounds: &str| {
        format!("mappings:\n- match: t.*\n  name: t\n  observer_type: histogram\n  histogram_options: {{buckets: {bounds}}}\n")
    };
    let (bridge, mut worker) = bridge(&with("[1, 2]"));
    worker.ingest(b"t.x:1.5|h\nt.y:1.5|h", NOW);
    bridge.replace_rules(rules(&with("[1, 2, .inf]")));
    worker.ingest(b"t.x:1.5|h", NOW);
    assert_eq!(page(&bridge).value("t_count"), Some(3.0), "the same buckets, and +Inf is implied");
    bridge.replace_rules(rules(&with("[1, 1.5, 2]")));
    assert_eq!(page(&bridge).value("t_count"), Some(3.0), "until the first sample");
    worker.ingest(b"t.y:1.5|h", NOW);
    let page = page(&bridge);
    assert_eq!((page.value("t_count"), page.value(r#"t_bucket{le="1.5"}"#)), (Some(1.0), Some(1.0)));
    assert_eq!(page.sum("statsd_bridge_events_error_total"), 0.0);
}

#[apply(test)]
fn another_type_begins_anew() {
    let with = |kind: &str| format!("mappings:\n- match: t.*\n  name: t\n  labels: {{job: $1}}\n  observer_type: {kind}\n");
    let (bridge, mut worker) = bridge(&with("histogram"));
    worker.ingest(b"t.x:1|h\nt.y:1|h", NOW);
    bridge.replace_rules(rules(&with("summary")));
    worker.ingest(b"t.x:3|h", NOW);
    let page = page(&bridge);
    assert_eq!(page.family("t").map(|family| &*family.kind), Some("summary"));
    assert_eq!((page.value(r#"t_sum{job="x"}"#), page.value(r#"t_sum{job="y"}"#)), (Some(3.0), None));
}

#[apply(test)]
fn a_rule_that_drops_ends_the_flow_and_not_the_series() {
    let (bridge, mut worker) = bridge("mappings:\n- match: a.*\n  name: a\n");
    worker.ingest(b"a.x:1|c", NOW);
    bridge.replace_rules(rules("mappings:\n- match: a.*\n  name: a\n  action: drop\n"));
    worker.ingest(b"a.x:1|c", NOW);
    assert_eq!(page(&bridge).value("a"), Some(1.0));
    bridge.replace_rules(Rules::default());
    worker.ingest(b"a.x:1|c\na:1|c", NOW);
    let page = page(&bridge);
    assert_eq!((page.value("a"), page.value("a_x")), (Some(2.0), Some(1.0)));
}

#[apply(test)]
fn counters_of_unchanged_rules_go_on_for_every_worker() {
    let text = "mappings:\n- match: a.*\n  name: a\n";
    let (bridge, mut first) = bridge(text);
    let mut second = bridge.worker();
    for round in 0..200 {
        first.ingest(b"a.x:1|c\nt:1|h", NOW);
        if round % 3 == 0 {
            second.ingest(b"a.x:1|c\nt:1|h", NOW);
        }
        bridge.replace_rules(rules(text));
    }
    let page = page(&bridge);
    assert_eq!((page.value("a"), page.value("t_count")), (Some(267.0), Some(267.0)));
}

#[apply(test)]
fn refused_samples_are_asked_again_under_new_rules() {
    let (bridge, mut worker) = bridge("mappings:\n- match: a.*\n  name: $2\n");
    worker.ingest(b"a.x:1|c\nc:1|c\nc:1|g", NOW);
    assert_eq!(page(&bridge).sum("statsd_bridge_events_error_total"), 2.0);
    bridge.replace_rules(rules("mappings:\n- match: a.*\n  name: a\n- match: c\n  match_metric_type: gauge\n  name: c_now\n"));
    worker.ingest(b"a.x:1|c\nc:1|g", NOW);
    let page = page(&bridge);
    assert_eq!((page.value("a"), page.value("c_now"), page.sum("statsd_bridge_events_error_total")), (Some(1.0), Some(1.0), 2.0));
}

#[apply(test)]
fn the_example_of_every_key_does_what_its_comments_say() {
    let text = std::fs::read_to_string(peers::repository().join("config.example.yml")).expect("readable");
    let (bridge, mut worker) = bridge(&text);
    worker.ingest(
        b"app.cart.requests.200:3|c\ncart.requests.time:20|ms\nworker.mail.depth:4|g\nedge.a.b.cache_hit:1|c|#region:eu-west\n\
          edge.a.cache_hit:1|c|#region:us\ndisk.read:500|h\npool.db.connections:5|c\npool.db.connections:-2|c\ndebug.x.y:1|c\n\
          shop.orders:1|c|#country:nl,customer_tier:gold,method:HEAD,host:a1,user:7",
        NOW,
    );
    let page = page(&bridge);
    for (series, value) in [
        (r#"app_requests_total{app="api",env="dev",service="cart",status="200"}"#, 3.0),
        (r#"app_request_duration_seconds_count{app="api",env="dev",service="cart"}"#, 1.0),
        (r#"worker_queue_depth{app="api",env="dev",queue="mail"}"#, 4.0),
        (r#"edge_cache_total{app="api",env="dev",path="a.b",region="eu-west"}"#, 1.0),
        (r#"edge_a_cache_hit{app="api",env="dev",region="us"}"#, 1.0),
        (r#"disk_read_seconds_bucket{app="api",env="dev",le="0.001"}"#, 1.0),
        (r#"pool_connections{app="api",env="dev",pool="db"}"#, 3.0),
        (r#"shop_orders_total{app="api",country="nl",env="dev",method="read",source="web",tier="gold"}"#, 1.0),
        (r#"statsd_bridge_events_actions_total{action="drop"}"#, 1.0),
    ] {
        assert_eq!(page.value(series), Some(value), "{series}");
    }
}

#[apply(test)]
fn a_thousand_rules_are_found_and_counted() {
    let text: String = (0..1000).map(|i| format!("- match: s{i}.*.end\n  name: m{i}\n  labels: {{x: $1}}\n")).collect();
    let (bridge, mut worker) = bridge(&format!("mappings:\n{text}"));
    for i in (0..1000).step_by(7) {
        worker.ingest(format!("s{i}.a.end:1|c\ns{i}.a.b:1|c").as_bytes(), NOW);
    }
    let used = bridge.rule_use();
    assert_eq!(used.rules.iter().filter(|rule| rule.samples == 1).count(), 143);
    assert_eq!((used.rules.len(), used.unmapped.len()), (1000, 143));
    assert_eq!(page(&bridge).value(r#"m7{x="a"}"#), Some(1.0));
}

#[apply(test)]
fn an_ending_that_counters_are_given_is_part_of_the_name_that_is_judged() {
    let bridge = Bridge::new(Options::default().with(|options| options.counters_total_suffix = true));
    let mut worker = bridge.worker();
    // The name of a self-metric, the name of a gauge, and a name that already has the suffix.
    worker.ingest(b"process_cpu_seconds:1|c\ntaken_total:1|g\ntaken:1|c\ntaken:1|g\nsame:1|c\nsame_total:1|c\nsame.total:1|c", NOW);
    let page = page(&bridge);
    assert_eq!(page.value("same_total"), Some(3.0));
    assert_eq!((page.value("taken_total"), page.value("taken")), (Some(1.0), Some(1.0)));
    let rejected = |reason: &str| page.value(&format!("statsd_bridge_events_error_total{{reason=\"{reason}\"}}"));
    assert_eq!((rejected("own_metric_name"), rejected("conflict")), (Some(1.0), Some(1.0)));
}

#[apply(test)]
fn the_ending_of_counters_is_the_rules_word_first_then_the_files_then_the_flags() {
    let rule = |name: &str, says: &str| format!("- match: {name}\n  name: {name}\n{says}");
    for (flag, defaults, want) in [
        (false, "", [false, true, false]),
        (true, "", [true, true, false]),
        (true, "defaults:\n  total_suffix: false\n", [false, true, false]),
        (false, "defaults:\n  total_suffix: true\n", [true, true, false]),
    ] {
        let says = [rule("silent", ""), rule("yes", "  total_suffix: true\n"), rule("no", "  total_suffix: false\n")].concat();
        let bridge = Bridge::new(Options::default().with(|options| options.counters_total_suffix = flag));
        bridge.replace_rules(rules(&format!("{defaults}mappings:\n{says}")));
        bridge.worker().ingest(b"silent:1|c\nyes:1|c\nno:1|c\nunmapped:1|c", NOW);
        let page = page(&bridge);
        let has_ending = |name: &str| page.value(&format!("{name}_total")) == Some(1.0) && page.value(name).is_none();
        assert_eq!(["silent", "yes", "no"].map(has_ending), want, "{flag}, {defaults}");
        assert_eq!(has_ending("unmapped"), want[0], "{flag}, {defaults}");
    }
}
