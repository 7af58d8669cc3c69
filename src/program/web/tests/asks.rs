//! Tests of `/api/v1/ask`: each reason why a metric is missing, in both directions.

use serde_json::Value;

use super::*;
use crate::mapping::Rules;
use crate::options::{Limits, Overflow, Ttl};
use crate::program::configuration::{Configuration, Files};
use crate::program::flag_values::{FlagValue, Origin};
use crate::program::load_record::{FileError, LoadCause, LoadRecord};

const RULES: &str =
    "mappings:\n- match: shop.*.time\n  name: shop_time\n  labels: {part: $1}\n- match: noise.*\n  action: drop\n  name: noise\n";

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(now().as_millis() - 60_000 + seconds * 1000)
}

fn bridge() -> Bridge {
    let limits = Limits { values_per_label: 2, overflow: Overflow::Reject, ..Limits::default() };
    let ttl = Ttl { gauge_ms: Some(10_000), ..Ttl::default() };
    let bridge = Bridge::of_program(BridgeOptions { limits, ttl, ..BridgeOptions::default() });
    bridge.replace_rules(Rules::from_yaml(RULES).expect("rules"));
    let mut worker = bridge.worker();
    for line in
        ["shop.pay.time:320|ms|#region:eu", "noise.a:1|c", "hello:1|c", "hello:1|g", "room:1|c|#id:1", "room:1|c|#id:2", "room:1|c|#id:3"]
    {
        worker.ingest(line.as_bytes(), at(0));
    }
    worker.ingest(b"gone.gauge:1|g\nbroken.line:x|c\nneg:-1|c", at(0));
    worker.ingest(b"", at(30));
    bridge.expire(at(30));
    worker.ingest(b"", at(31));
    assert!(bridge.expire(at(31)) > 0, "the gauge expires");
    bridge
}

async fn cards(server: &TestServer, question: &str) -> Vec<Value> {
    let encoded: String = question.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let reply = server.ask("GET", &format!("/api/v1/ask?q={encoded}")).await;
    assert_eq!(status(&reply), 200, "{reply}");
    let page = server.ask("GET", &format!("/ui/ask?q={encoded}")).await;
    let reply: Value = serde_json::from_str(body(&reply)).expect("json");
    let cards = reply["data"]["cards"].as_array().expect("cards").clone();
    for card in &cards {
        let verdict = card["verdict"].as_str().expect("a verdict");
        assert!(body(&page).contains(&format!("data-verdict=\"{verdict}\"")), "{question}: {page}");
    }
    cards
}

#[tokio::test]
async fn each_reason_is_found() {
    let state = Arc::new(WebState::new(&patient(), now));
    let server = TestServer::start_with(patient(), bridge(), state).await;
    for (question, verdict, part) in [
        ("shop.pay.time:320|ms|#region:eu", "arrives", "histogram shop_time"),
        ("shop.pay.time", "arrives", "histogram shop_time"),
        ("shop_time_bucket", "arrives", "histogram shop_time"),
        ("shop_time_bucket{region=\"eu\"}", "arrives", "1 series"),
        ("shop_time{region=\"us\"}", "other_labels", "none of its series"),
        ("shop.pay.time:1|ms|#region:us", "other_labels", "exactly these labels"),
        ("noise.a", "dropped", "drops noise.a"),
        ("noise.b:1|c", "dropped", "drops noise.b"),
        ("hello:2|g", "conflict", "is a counter already"),
        ("room:1|c|#id:9", "limit", "values_per_label"),
        ("room", "limit", "reject its new series: label_value_limit"),
        ("room{id=\"9\"}", "limit", "values_per_label"),
        // A new series with a known value is no new value.
        ("room:1|c|#id:1,x:y", "other_labels", "exactly these labels"),
        ("broken.line", "malformed", "malformed_value"),
        ("hello|c", "malformed", "malformed_line"),
        ("neg:-5|c", "rejected", "illegal_negative_counter"),
        ("gone.gauge", "expired", "expired"),
        ("gone_gauge", "expired", "expired"),
        ("gone.gauge:1|g", "expired", "expired"),
        ("shop.pya.tiem:1|c", "never", "never arrived"),
        ("helo", "never", "never arrived"),
        // A rule maps it to a family that exists, but its labels did not arrive.
        ("shop.pya.time", "never", "it would be shop_time{part=\"pya\"}"),
    ] {
        let cards = cards(&server, question).await;
        let found =
            cards.iter().any(|card| card["verdict"] == verdict && card["sentence"].as_str().is_some_and(|text| text.contains(part)));
        assert!(found, "{question}: {cards:#?}");
    }
}

#[tokio::test]
async fn both_directions_and_near_names() {
    let state = Arc::new(WebState::new(&patient(), now));
    let server = TestServer::start_with(patient(), bridge(), state).await;
    let card = &cards(&server, "shop_time").await[0];
    assert_eq!((&card["raw"][0]["name"], &card["raw"][0]["kind"]), (&"shop.pay.time".into(), &"ms".into()), "{card:#}");
    let card = &cards(&server, "shop.pay.time").await[0];
    assert_eq!(card["read"]["rule"]["match"], "shop.*.time", "{card:#}");
    assert_eq!((&card["read"]["rule"]["captures"][0], &card["series"][0]["count"]), (&"pay".into(), &1.0.into()), "{card:#}");
    assert!(card["read"]["rule"]["position"].as_str().expect("a position").contains(":2:"), "{card:#}");
    let card = &cards(&server, "helo").await[0];
    assert_eq!(card["near"][0]["name"], "hello", "{card:#}");
    let card = &cards(&server, "shop.pya.time").await[0];
    assert_eq!((&card["near"][0]["name"], &card["read"]["kind"]), (&"shop.pay.time".into(), &"ms".into()), "{card:#}");
    let card = &cards(&server, "room").await[0];
    assert_eq!((card["series"].as_array().map(Vec::len), &card["limits"][0]["label"]), (Some(2), &"id".into()), "{card:#}");
    let kinds: Vec<Value> = cards(&server, "hello").await.iter().map(|card| card["verdict"].clone()).collect();
    assert!(kinds.contains(&"arrives".into()) && kinds.len() == 2, "{kinds:?}");
    assert_eq!(server.bridge.rule_use().unmapped.len(), 4, "questions count nowhere");
    let long = server.ask("GET", &format!("/api/v1/ask?q={}", "x".repeat(8193))).await;
    assert_eq!(status(&long), 400);
}

#[tokio::test]
async fn a_name_whose_series_a_limit_folds_says_so() {
    let limits = Limits { values_per_label: 2, ..Limits::default() };
    let bridge = Bridge::of_program(BridgeOptions { limits, ..BridgeOptions::default() });
    let mut worker = bridge.worker();
    for id in 0..4 {
        worker.ingest(format!("room:1|c|#id:{id}").as_bytes(), at(0));
    }
    let state = Arc::new(WebState::new(&patient(), now));
    let server = TestServer::start_with(patient(), bridge, state).await;
    let card = &cards(&server, "room").await[0];
    assert_eq!((&card["verdict"], &card["limits"][0]["label"]), (&"limit".into(), &"id".into()), "{card:#}");
    assert!(card["sentence"].as_str().is_some_and(|text| text.contains("fold new series")), "{card:#}");
}

/// A bridge with rules, and the lines that it received at second 0.
fn bridge_of(options: BridgeOptions, rules: &str, lines: &[&str]) -> Bridge {
    let bridge = Bridge::of_program(options);
    bridge.replace_rules(Rules::from_yaml(rules).expect("rules"));
    let mut worker = bridge.worker();
    lines.iter().for_each(|line| worker.ingest(line.as_bytes(), at(0)));
    bridge
}

/// Asks each question, and compares verdict and parts of the answer with advice, series, and near names.
async fn answers(bridge: Bridge, expected: &[(&str, &str, &[&str])]) {
    let state = Arc::new(WebState::new(&patient(), now));
    let server = TestServer::start_with(patient(), bridge, state).await;
    for (question, verdict, parts) in expected {
        let cards = cards(&server, question).await;
        let found = cards.iter().any(|card| {
            let text = card.to_string().replace("\\\"", "\"");
            card["verdict"] == *verdict && parts.iter().all(|part| text.contains(part))
        });
        assert!(found, "{question}, {verdict}, {parts:?}: {cards:#?}");
    }
}

#[tokio::test]
async fn a_name_copied_from_an_exposition_or_from_prometheus_arrives() {
    let lines =
        ["web.hits:3|c|#env:prod", "web.hits:1|c|#env:stage", "checkout.time:20|ms|#env:prod", "inst:1|c|#instance:a", "p:1|c|#path:a|b"];
    let bridge = bridge_of(BridgeOptions::default(), RULES, &lines);
    answers(
        bridge,
        &[
            ("checkout_time_bucket{le=\"0.5\"}", "arrives", &["1 series of the histogram checkout_time"]),
            ("checkout_time_bucket{env=\"prod\",le=\"0.5\"} 1", "arrives", &["1 series"]),
            ("checkout_time_bucket{env=\"prod\",instance=\"h:1\",job=\"b\",le=\"+Inf\"} 1", "arrives", &["scrape adds instance and job"]),
            ("checkout_time_sum 0.02", "arrives", &["1 series of the histogram"]),
            ("web_hits 6", "arrives", &["2 series of the counter"]),
            ("# TYPE web_hits counter", "arrives", &["2 series of the counter"]),
            ("web_hits{env=\"prod\"} 3 1700000000", "arrives", &["1 series of the counter"]),
            (
                "web_hits{env=\"prod\",instance=\"127.0.0.1:1\",job=\"statsd-bridge\"}",
                "arrives",
                &["1 series", "scrape adds instance and job"],
            ),
            ("web_hits{env=~\"prod|stage\"}", "arrives", &["2 series"]),
            ("inst{instance=\"h:1\",exported_instance=\"a\"}", "arrives", &["1 series"]),
            ("inst{instance=\"a\"}", "arrives", &["1 series"]),
            ("inst{instance=\"h:1\",exported_instance=\"b\"}", "other_labels", &["there are a."]),
            ("web_hits{env=\"prod\",pod=\"x\"}", "other_labels", &["has the label pod", "1 series match", "configuration of the scrape"]),
            ("web_hits{le=\"1\"}", "other_labels", &["has the label le"]),
            (
                "web_hits{env=\"dev\"}",
                "other_labels",
                &["No series has env=\"dev\": there are ", "prod", "stage", "Compare the labels", "\"series\""],
            ),
            ("web_hits{env=prod}", "malformed", &["labels cannot be read"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn names_of_self_metrics_and_of_prometheus_are_said_to_be_so() {
    let bridge = bridge_of(BridgeOptions::default(), RULES, &["a:1|c"]);
    answers(
        bridge,
        &[
            ("process_cpu_seconds_total", "arrives", &["self-metrics"]),
            ("statsd_bridge_lines_total 6", "arrives", &["self-metrics"]),
            ("up{job=\"b\"}", "no_sample", &["Prometheus writes itself"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_series_that_was_never_sent_did_not_expire() {
    let ttl = Ttl { gauge_ms: Some(10_000), ..Ttl::default() };
    let rules = "mappings:\n- match: shop.cart.*\n  name: shop_cart\n  labels: {cart: $1}\n- match: shop.dead.*\n  name: shop_dead\n  labels: {id: $1}\n";
    let bridge = bridge_of(BridgeOptions { ttl, ..BridgeOptions::default() }, rules, &["shop.cart.a1:3|g", "shop.dead.a1:3|g"]);
    let mut worker = bridge.worker();
    for second in [30, 31] {
        worker.ingest(b"shop.cart.b:1|g", at(30));
        bridge.expire(at(second));
    }
    worker.ingest(b"", at(32));
    bridge.expire(at(32));
    answers(
        bridge,
        &[
            ("shop.cart.a1", "expired", &["the ttl of 10 s"]),
            ("shop.cart.a1:1|g", "expired", &["the ttl of 10 s"]),
            ("shop.cart.a2", "never", &["it would be shop_cart{cart=\"a2\"}", "shop.cart.a1", "near"]),
            ("shop.dead.a1", "expired", &["the ttl of 10 s"]),
            ("shop.dead.a1:1|g", "expired", &["the ttl of 10 s"]),
            ("shop.dead.a2", "never", &["it would be shop_dead{id=\"a2\"}", "none of them with these labels", "shop.dead.a1"]),
            ("shop.dead.a2:1|g", "never", &["it would be shop_dead{id=\"a2\"}", "none of them with these labels", "shop.dead.a1"]),
            ("shop_dead", "expired", &["the ttl of 10 s"]),
            ("shop.cart.a2:1|g", "never", &["it would be shop_cart{cart=\"a2\"}", "shop.cart.a1", "near"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_answer_says_that_a_part_is_lost_and_which_limit_does_it() {
    let limits = Limits { values_per_label: 2, series_per_family: 3, overflow: Overflow::Reject, ..Limits::default() };
    let rules = "mappings:\n- match: shop.rooms\n  name: shop_rooms\n  limits: {series: 1}\n";
    let lines = [
        "shop.rooms:1|c|#room:r1",
        "shop.rooms:1|c|#room:r2",
        "shop.rooms:1|c|#room:r1,a:",
        "shop.orders:1|c",
        "shop.orders:1|g",
        "login:1|c|#u:1",
        "login:1|c|#u:2",
        "login:1|c|#u:3",
        "login:1|c|#u:2,x:y",
    ];
    let bridge = bridge_of(BridgeOptions { limits, ..BridgeOptions::default() }, rules, &lines);
    let of_rule = "Raise `series` of `limits` in the rule `shop.rooms` at ";
    answers(
        bridge,
        &[
            ("shop_rooms", "limit", &["Not all of it arrives: ", "series_per_family, 1", of_rule, "above 1", "drop_labels: [room]"]),
            ("shop.rooms", "limit", &["Not all of it arrives", of_rule, "others "]),
            ("shop.rooms:1|c|#room:r9", "limit", &["series_per_family, 1", of_rule]),
            (
                "shop_orders",
                "conflict",
                &["Not all of it arrives: 1 samples of a gauge", "shop.orders:1|g", "Send the type that was first, counter (`|c`)"],
            ),
            ("shop.orders:1|g", "conflict", &["Send the type that was first, counter (`|c`)"]),
            (
                "login",
                "limit",
                &[
                    "Raise `--limits.values-per-label` above 2",
                    "limits: {values_per_label: N}",
                    "drop_labels: [u]",
                    "recorded; others rejected",
                ],
            ),
            ("login{u=\"1\"}", "arrives", &["1 series"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn names_with_another_suffix_are_found() {
    let rules = "mappings:\n- match: shop.debug.**\n  action: drop\n";
    let lines = ["web.hits:1|c", "jobs_total:1|c", "level:1|g", "payments.recieved:1|c", "shop.debug.sql.queries:1|c", "app.tasks:x|c"];
    let bridge = bridge_of(BridgeOptions::default(), &format!("syntax: extended\n{rules}"), &lines);
    answers(
        bridge,
        &[
            ("web_hits_total", "other_name", &["named web_hits here", "--counters.total-suffix", "total_suffix: true"]),
            ("web_hits_total{job=\"x\"} 1", "other_name", &["named web_hits here"]),
            ("jobs", "other_name", &["named jobs_total here", "--counters.total-suffix"]),
            ("level_total", "other_name", &["level is a gauge here"]),
            ("payments_received_total", "never", &["payments"]),
            ("app.task", "never", &["app.tasks"]),
            ("shop_debug_sql_queries", "dropped", &["drops shop.debug.sql.queries"]),
            ("x:1|count", "malformed", &["Its kind is `count`"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_name_and_a_line_have_the_same_answer_and_each_row_is_of_its_kind() {
    let rules = "mappings:\n- match: shop.*.orders\n  name: shop_orders\n  labels: {shop: $1}\n";
    let lines = ["shop.a.orders:1|c", "my.metric:7|c", "my_metric:1|g", "app.jobs:1|c", "app.jobs:1|g"];
    let bridge = bridge_of(BridgeOptions::default(), rules, &lines);
    let same: &[&str] = &["it would be shop_orders{shop=\"xx\"}", "there are a.", "shop.a.orders", "doctor", "near"];
    answers(
        bridge,
        &[
            ("shop.xx.orders", "never", same),
            ("shop.xx.orders:1|c", "never", same),
            ("my_metric", "conflict", &["samples of a gauge", "\"value\":7.0", "my.metric"]),
            ("app.jobs", "arrives", &["\"samples\":null"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_failed_reload_and_all_addresses_are_named() {
    let record = Arc::new(LoadRecord::default());
    record.reloaded(LoadCause::Signal, [FileError::of_line("rules:1:1: unknown key: x")]);
    let flag = |name: &str, value: &str| FlagValue {
        flag: name.to_owned(),
        heading: String::new(),
        help: String::new(),
        value: value.to_owned(),
        default: String::new(),
        origin: Origin::Default,
        note: String::new(),
    };
    let flags = vec![flag("statsd.listen-udp", ":9125"), flag("statsd.listen-tcp", "127.0.0.1:9126"), flag("statsd.listen-unix", "")];
    let files = Files { rules: Some(record), ..Files::default() };
    let configuration = Configuration { flags, files, ..Configuration::default() };
    let state = Arc::new(WebState::new(&patient(), now).with_configuration(configuration));
    let server = TestServer::start_with(patient(), bridge(), state).await;
    let advice = |card: &Value| card["advice"].as_str().expect("advice").to_owned();
    let dropped = advice(&cards(&server, "noise.a").await[0]);
    assert!(dropped.contains("The last reload of the mapping files failed"), "{dropped}");
    let never = advice(&cards(&server, "helo").await[0]);
    assert!(never.contains("The bridge listens on UDP :9125, TCP 127.0.0.1:9126. "), "{never}");
    let page = server.ask("GET", "/ui/ask?q=noise.a").await;
    assert!(body(&page).contains("! The last reload of the mapping files failed"), "{page}");
}
