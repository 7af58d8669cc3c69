//! Limits: what exists goes on, what is new is folded or refused, the culprit is named, other families are untouched.

use statsd_bridge::mapping::spec::Ttl;
use statsd_bridge::options::Limits;
use statsd_bridge::{Bridge, Options, Timestamp};

use crate::page::Page;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn bridge(limits: Limits) -> Bridge {
    Bridge::new(Options { limits, ..Options::default() })
}

fn page_of(bridge: &Bridge) -> Page {
    let mut page = Vec::new();
    bridge.render(NOW, &mut page);
    Page::parse(&String::from_utf8(page).expect("a page is UTF-8")).expect("a good page")
}

#[test]
fn a_label_that_explodes_hurts_only_itself() {
    let bridge = bridge(Limits { values_per_label: 100, ..Limits::default() });
    let mut worker = bridge.worker();
    for i in 0..50_000 {
        worker.ingest(
            format!("login:2|c|#site:eu,user:u{i}\nhealthy:1|c|#site:eu\nlogin.ms:20|ms|#user:u{i}\nlogin.g:1|g|#user:u{i}").as_bytes(),
            NOW,
        );
    }
    // Series that were there before the limit go on.
    worker.ingest(b"login:1|c|#site:eu,user:u5\nlogin.g:7|g|#user:u5", NOW);
    let page = page_of(&bridge);
    assert_eq!(page.sum("login"), 100_001.0);
    assert_eq!(page.value(r#"login{site="eu",user="u5"}"#), Some(3.0));
    assert_eq!(page.value(r#"login{site="_overflow_",user="_overflow_"}"#), Some(2.0 * 49_900.0));
    assert_eq!(page.value(r#"login_ms_count{user="_overflow_"}"#), Some(49_900.0));
    assert_eq!(page.value(r#"login_g{user="u5"}"#), Some(7.0));
    assert_eq!(page.family("login_g").expect("the first gauges").lines.len(), 100);
    assert_eq!(page.value(r#"healthy{site="eu"}"#), Some(50_000.0));
    for (family, action) in [("login", "fold"), ("login_ms", "fold"), ("login_g", "refuse")] {
        let named =
            format!(r#"statsd_bridge_limited_samples_total{{action="{action}",family="{family}",label="user",limit="values_per_label"}}"#);
        assert_eq!(page.value(&named), Some(49_900.0), "{named}");
    }
    assert_eq!(page.value(r#"statsd_bridge_events_error_total{reason="label_value_limit"}"#), Some(49_900.0));
    assert!(bridge.accounting().adds_up());
}

#[test]
fn names_that_explode_are_refused_and_known_families_go_on() {
    let bridge = bridge(Limits { families: 50, ..Limits::default() });
    let mut worker = bridge.worker();
    worker.ingest(b"healthy:1|c", NOW);
    for i in 0..20_000 {
        worker.ingest(format!("random.{i}:1|c\nhealthy:1|c").as_bytes(), NOW);
    }
    worker.ingest(b"healthy:1|c|#new:series", NOW);
    let page = page_of(&bridge);
    assert_eq!(page.sum("healthy"), 20_002.0);
    assert_eq!(page.value(r#"statsd_bridge_events_error_total{reason="family_limit"}"#), Some(20_000.0 - 49.0));
    assert!(bridge.accounting().adds_up());
}

#[test]
fn series_in_all_and_their_bytes_are_bounded() {
    for limits in [Limits { series: 200, ..Limits::default() }, Limits { series_bytes: 64 << 10, ..Limits::default() }] {
        let bridge = bridge(limits);
        let mut worker = bridge.worker();
        for i in 0..5_000 {
            worker.ingest(format!("n{}:1|c|#t:{i}", i % 10).as_bytes(), NOW);
        }
        let page = page_of(&bridge);
        let (series, bytes) = (page.sum("statsd_bridge_series"), page.sum("statsd_bridge_series_bytes"));
        assert!(series <= 200.0 || bytes <= (65 << 10) as f64, "{series} series, {bytes} bytes");
        assert_eq!((0..10).map(|n| page.sum(&format!("n{n}"))).sum::<f64>(), 5_000.0, "totals stay right");
        assert!(page.sum("statsd_bridge_limited_samples_total") > 4_000.0);
    }
}

#[test]
fn label_names_that_explode_cannot_fill_the_memory() {
    let bridge = bridge(Limits::default());
    let mut worker = bridge.worker();
    for i in 0..3_000 {
        let tags: Vec<String> = (0..20).map(|t| format!("key{i}x{t}:v")).collect();
        worker.ingest(format!("n:1|c|#{}", tags.join(",")).as_bytes(), NOW);
    }
    let page = page_of(&bridge);
    assert_eq!(page.sum("n"), 3_000.0);
    assert_eq!(page.sum("statsd_bridge_series"), 12.0, "256 names are twelve series of twenty");
    assert!(page.sum_where("statsd_bridge_limited_samples_total", "limit", "labels_per_family") > 2_000.0);
}

#[test]
fn a_flood_of_refused_identities_keeps_the_routes_of_healthy_series() {
    let bridge = bridge(Limits { values_per_label: 10, ..Limits::default() });
    let mut worker = bridge.worker();
    for i in 0..100_000 {
        worker.ingest(format!("attacked:1|c|#user:u{i}").as_bytes(), NOW);
    }
    let page = page_of(&bridge);
    assert_eq!(page.sum("attacked"), 100_000.0);
    assert!(page.sum("statsd_bridge_routes") < 20_000.0);
    assert_eq!(page.sum("statsd_bridge_routes_cleared_total"), 0.0);
}

#[test]
fn routes_of_expired_series_go_in_steps_and_the_others_stay() {
    const COUNT: usize = 50_000;
    let ttl = Ttl { counter_ms: Some(1000), ..Ttl::default() };
    let bridge = Bridge::new(Options { ttl, ..Options::default() });
    let mut worker = bridge.worker();
    let lines: Vec<String> = (0..COUNT).map(|i| format!("n{}:1|c|#i:{i}", i % 100)).collect();
    worker.ingest_batch(lines.iter().map(String::as_bytes), NOW);
    let later = Timestamp::from_millis(NOW.as_millis() + 2000);
    worker.ingest(b"g:1|g\nlive:1|c", later);
    let routes = || page_of(&bridge).sum("statsd_bridge_routes") as usize;
    assert_eq!(routes(), COUNT + 2);
    bridge.expire(later);
    worker.tick();
    while bridge.expire(later) > 0 {
        worker.tick();
    }
    let mut before = routes();
    let mut calls = 0;
    while before > 2 {
        worker.ingest(b"live:1|c", later);
        let after = routes();
        assert!(after <= before && before - after < 1_000, "{} routes went between two batches", before - after);
        (before, calls) = (after, calls + 1);
        assert!(calls < 2_000, "{after} routes are left");
    }
    let page = page_of(&bridge);
    assert_eq!((page.sum("live"), page.sum("g"), page.sum("statsd_bridge_routes_cleared_total")), (1.0 + calls as f64, 1.0, 0.0));
}

#[test]
fn workers_that_come_and_go_lose_nothing_and_pile_up_nothing() {
    let bridge = bridge(Limits::default());
    for _ in 0..1_000 {
        let mut worker = bridge.worker();
        worker.ingest(b"c:1|c\nt:1|ms", NOW);
    }
    let page = page_of(&bridge);
    assert_eq!((page.sum("c"), page.sum("t_count"), page.sum("statsd_bridge_routes")), (1_000.0, 1_000.0, 0.0));
}
