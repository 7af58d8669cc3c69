//! Tests of `/api/v1/ask`: each reason why a metric is missing, in both directions.

use serde_json::Value;

use super::*;
use crate::mapping::Rules;
use crate::options::{Limits, Overflow, Ttl};

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
