//! Limits: existing series continue, new ones are folded or rejected, the offender is reported, and other families are unaffected.

use statsd_bridge::options::{Limits, Overflow, Ttl};
use statsd_bridge::{Bridge, Format, Options, Timestamp};

use crate::page::Page;

/// Labels with too many values are dropped.
mod dropped_labels;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn bridge(limits: Limits) -> Bridge {
    Bridge::new(Options::default().with(|options| options.limits = limits))
}

fn page_of(bridge: &Bridge) -> Page {
    let mut page = Vec::new();
    bridge.render(NOW, &mut page);
    Page::parse(&String::from_utf8(page).expect("a page is UTF-8")).expect("a good page")
}

#[apply(test)]
fn too_many_values_of_a_label_affect_only_that_label() {
    let bridge = bridge(Limits::default().with(|limits| limits.values_per_label = 100));
    let mut worker = bridge.worker();
    for i in 0..50_000 {
        worker.ingest(
            format!("login:2|c|#site:eu,user:u{i}\nhealthy:1|c|#site:eu\nlogin.ms:20|ms|#user:u{i}\nlogin.g:1|g|#user:u{i}").as_bytes(),
            NOW,
        );
    }
    // Series from before the limit continue.
    worker.ingest(b"login:1|c|#site:eu,user:u5\nlogin.g:7|g|#user:u5", NOW);
    let page = page_of(&bridge);
    assert_eq!(page.sum("login"), 100_001.0);
    assert_eq!(page.value(r#"login{site="eu",user="u5"}"#), Some(3.0));
    assert_eq!(page.value(r#"login{site="eu",user="_overflow_"}"#), Some(2.0 * 49_900.0), "only the label over the limit is replaced");
    assert_eq!(page.value(r#"login_ms_count{user="_overflow_"}"#), Some(49_900.0));
    assert_eq!(page.value(r#"login_g{user="u5"}"#), Some(7.0));
    assert_eq!(page.family("login_g").expect("the first gauges").lines.len(), 100);
    assert_eq!(page.value(r#"healthy{site="eu"}"#), Some(50_000.0));
    for (family, action) in [("login", "drop_label"), ("login_ms", "drop_label"), ("login_g", "refuse")] {
        let named =
            format!(r#"statsd_bridge_limited_samples_total{{action="{action}",family="{family}",label="user",limit="values_per_label"}}"#);
        assert_eq!(page.value(&named), Some(49_900.0), "{named}");
    }
    assert_eq!(page.value(r#"statsd_bridge_events_error_total{reason="label_value_limit"}"#), Some(49_900.0));
    assert!(bridge.accounting().adds_up());
}

#[apply(test)]
fn too_many_names_are_rejected_and_known_families_go_on() {
    let bridge = bridge(Limits::default().with(|limits| limits.families = 50));
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

/// At the limit of all series, new families of each type still begin, each with an overflow series. Totals are exact.
#[apply(test)]
fn at_the_limit_of_all_series_new_families_are_folded() {
    let bridge = bridge(Limits::default().with(|limits| {
        limits.series = 100;
        limits.families = 150;
    }));
    let mut workers = [bridge.worker(), bridge.worker()];
    (0..100).for_each(|i| workers[0].ingest(format!("filled:1|c|#i:{i}").as_bytes(), NOW));
    for i in 0..3_000 {
        let (worker, n) = (&mut workers[i % 2], i % 7);
        let lines =
            format!("first:1|c|#i:{i}\nc{n}:2|c|#i:{i}\nh{n}:0.5|h|#i:{i},site:eu\nt:500|ms\ns{n}:{}|s|#i:{i}\ng{n}:1|g|#i:{i}", i / 30);
        worker.ingest(lines.as_bytes(), NOW);
    }
    let page = page_of(&bridge);
    let sum = |name: &str, suffix: &str| (0..7).map(|n| page.sum(&format!("{name}{n}{suffix}"))).sum::<f64>();
    assert_eq!((page.sum("first"), sum("c", "")), (3_000.0, 6_000.0));
    assert_eq!((sum("h", "_count"), sum("h", "_sum")), (3_000.0, 1_500.0));
    assert_eq!((page.sum("t_count"), page.sum("t_sum")), (3_000.0, 1_500.0));
    assert_eq!(
        page.value(r#"h3_count{i="_overflow_",site="_overflow_"}"#).map(|count| count > 400.0),
        Some(true),
        "the names of its labels"
    );
    assert!(page.family("g6").is_none(), "gauges are rejected");
    assert_eq!(page.sum("statsd_bridge_series"), 100.0, "overflow series do not count");
    for i in 0..200 {
        workers[0].ingest(format!("name{i}:1|c").as_bytes(), NOW);
    }
    let page = page_of(&bridge);
    let lost = page.sum_where("statsd_bridge_events_error_total", "reason", "family_limit");
    let kept = (0..200).map(|i| page.sum(&format!("name{i}"))).sum::<f64>();
    assert!(lost > 0.0 && kept > 100.0, "{lost} lost, {kept} kept");
    assert_eq!(kept + lost, 200.0, "names beyond the limit of families are lost, and counted");
    assert!(bridge.accounting().adds_up());
}

#[apply(test)]
fn the_number_of_series_and_their_bytes_are_limited() {
    for limits in [Limits::default().with(|limits| limits.series = 200), Limits::default().with(|limits| limits.series_bytes = 64 << 10)] {
        let bridge = bridge(limits);
        let mut worker = bridge.worker();
        for i in 0..5_000 {
            worker.ingest(format!("n{}:1|c|#t:{i}", i % 10).as_bytes(), NOW);
        }
        let page = page_of(&bridge);
        let (series, bytes) = (page.sum("statsd_bridge_series"), page.sum("statsd_bridge_series_bytes"));
        assert!(series <= 200.0 || bytes <= (65 << 10) as f64, "{series} series, {bytes} bytes");
        assert_eq!((0..10).map(|n| page.sum(&format!("n{n}"))).sum::<f64>(), 5_000.0, "totals are exact");
        assert!(page.sum("statsd_bridge_limited_samples_total") > 4_000.0);
    }
}

#[apply(test)]
fn too_many_label_names_are_limited() {
    let bridge = bridge(Limits::default());
    let mut worker = bridge.worker();
    for i in 0..3_000 {
        let tags: Vec<String> = (0..20).map(|t| format!("key{i}x{t}:v")).collect();
        worker.ingest(format!("n:1|c|#{}", tags.join(",")).as_bytes(), NOW);
    }
    let page = page_of(&bridge);
    assert_eq!(page.sum("n"), 3_000.0);
    assert_eq!(page.sum("statsd_bridge_series"), 12.0, "256 label names are twelve series with twenty names each");
    assert!(page.sum_where("statsd_bridge_limited_samples_total", "limit", "labels_per_family") > 2_000.0);
}

#[apply(test)]
fn folded_identities_do_not_evict_the_bindings_of_other_series() {
    let bridge = bridge(Limits::default().with(|limits| limits.values_per_label = 10));
    let mut worker = bridge.worker();
    for i in 0..100_000 {
        worker.ingest(format!("attacked:1|c|#user:u{i}").as_bytes(), NOW);
    }
    let page = page_of(&bridge);
    assert_eq!(page.sum("attacked"), 100_000.0);
    assert!(page.sum("statsd_bridge_routes") < 20_000.0);
    assert_eq!(page.sum("statsd_bridge_routes_cleared_total"), 0.0);
}

#[apply(test)]
fn bindings_of_expired_series_are_removed_in_steps() {
    const COUNT: usize = 50_000;
    let ttl = Ttl { counter_ms: Some(1000), ..Ttl::default() };
    let bridge = Bridge::new(Options::default().with(|options| options.ttl = ttl));
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

#[apply(test)]
fn ended_workers_leave_their_samples_and_no_bindings() {
    let bridge = bridge(Limits::default());
    for _ in 0..1_000 {
        let mut worker = bridge.worker();
        worker.ingest(b"c:1|c\nt:1|ms", NOW);
    }
    let page = page_of(&bridge);
    assert_eq!((page.sum("c"), page.sum("t_count"), page.sum("statsd_bridge_routes")), (1_000.0, 1_000.0, 0.0));
}

#[apply(test)]
fn with_overflow_refuse_new_series_are_rejected_and_counted() {
    let bridge = bridge(Limits::default().with(|limits| {
        limits.values_per_label = 2;
        limits.overflow = Overflow::Reject;
    }));
    let mut worker = bridge.worker();
    (0..10).for_each(|i| worker.ingest(format!("hits:1|c|#user:u{i}").as_bytes(), NOW));
    let page = page_of(&bridge);
    assert_eq!(page.sum("hits"), 2.0);
    let named = r#"statsd_bridge_limited_samples_total{action="refuse",family="hits",label="user",limit="values_per_label"}"#;
    assert_eq!(page.value(named), Some(8.0));
    assert_eq!(page.value(r#"statsd_bridge_events_error_total{reason="label_value_limit"}"#), Some(8.0));
    assert!(bridge.accounting().adds_up());
}

#[apply(test)]
fn an_offender_is_reported_with_examples_and_a_count() {
    let bridge = bridge(Limits::default().with(|limits| {
        limits.values_per_label = 10;
        limits.families = 3;
    }));
    let mut worker = bridge.worker();
    for round in 0..2 {
        for i in 0..20_000 {
            worker.ingest(format!("hits:1|c|#path:/{i},zone:z").as_bytes(), Timestamp::from_millis(NOW.as_millis() + round));
        }
    }
    (0..5).for_each(|i| worker.ingest(format!("name{i}:1|c").as_bytes(), NOW));
    let report = bridge.cardinality(1);
    assert_eq!((report.series, report.families, report.families_limit, report.top.len()), (13, 3, 3, 1));
    let family = &report.top[0];
    assert_eq!((&*family.name, family.kind, family.series), ("hits", "counter", 11), "ten paths, and the overflow series");
    assert_eq!((&*family.labels[0].name, family.labels[0].values), ("path", 11));
    assert_eq!(family.labels[0].examples.len(), 5);
    let limited = &family.limited[0];
    assert_eq!((&*limited.label, limited.samples(), limited.first), ("path", 39_980, NOW));
    assert_eq!(limited.examples().iter().map(|value| &**value).collect::<Vec<_>>(), ["/10", "/11", "/12", "/13", "/14"]);
    let distinct = limited.distinct().expect("one of the first 128");
    assert!((distinct - 19_990.0).abs() < 0.04 * 19_990.0, "{distinct}");
    let names = &report.limited[0];
    assert_eq!((&*names.family, names.samples(), names.examples().len()), ("", 3, 3));
}

#[apply(test)]
fn the_report_of_offenders_is_limited() {
    let bridge = bridge(Limits::default().with(|limits| {
        limits.values_per_label = 1;
        limits.families = 1_000;
    }));
    let mut worker = bridge.worker();
    for family in 0..400 {
        (0..3).for_each(|i| worker.ingest(format!("n{family}:1|c|#a:{i}").as_bytes(), NOW));
    }
    let all = bridge.cardinality(1_000);
    let limited = all.top.iter().flat_map(|family| &family.limited);
    assert_eq!(limited.clone().filter(|limited| limited.distinct().is_some()).count(), 128);
    assert_eq!(limited.map(|limited| limited.samples()).sum::<u64>(), 800);
    let page = page_of(&bridge);
    assert!(page.family("statsd_bridge_limited_samples_total").expect("there are some").lines.len() <= 101);
}

#[apply(test)]
fn a_deleted_series_no_longer_counts_and_may_begin_again() {
    let bridge = bridge(Limits::default().with(|limits| limits.values_per_label = 2));
    let mut worker = bridge.worker();
    worker.ingest(b"hits:1|c|#user:a\nhits:2|c|#user:b\nhits:4|c|#user:c\nother:1|c", NOW);
    let wanted = |name: &str, labels: &[(&str, String)]| name == "hits" && labels.iter().all(|(_, value)| value != "b");
    let dry = bridge.delete_series(&wanted, true);
    assert_eq!(dry.examples, [r#"hits{user="_overflow_"}"#, r#"hits{user="a"}"#]);
    assert_eq!(page_of(&bridge).sum("hits"), 7.0);
    assert_eq!(bridge.delete_series(&wanted, false), dry);
    assert_eq!(page_of(&bridge).sum("hits"), 2.0, "at once");
    worker.ingest(b"hits:8|c|#user:a\nhits:16|c|#user:b\nhits:32|c|#user:c", NOW);
    let page = page_of(&bridge);
    assert_eq!((page.value(r#"hits{user="a"}"#), page.value(r#"hits{user="b"}"#)), (Some(8.0), Some(18.0)));
    assert_eq!(page.value(r#"hits{user="_overflow_"}"#), Some(32.0));
    let all = bridge.delete_series(&|_, _| true, false);
    assert_eq!((all.series, bridge.cardinality(1).series, bridge.cardinality(1).families), (4, 0, 0));
    worker.ingest(b"hits:1|g", NOW);
    assert_eq!(page_of(&bridge).value("hits"), Some(1.0), "the name may have another type");
    assert!(bridge.accounting().adds_up());
}

#[apply(test)]
fn a_new_counter_may_be_shown_at_zero_first() {
    let bridge = Bridge::new(Options::default().with(|options| options.counters_start_at_zero = Some(0)));
    let mut worker = bridge.worker();
    worker.ingest(b"hits:5|c\nload:3|g", NOW);
    assert_eq!((page_of(&bridge).value("hits"), page_of(&bridge).value("hits")), (Some(0.0), Some(5.0)));
    worker.ingest(b"hits:1|c\nhits:2|c|#a:b", NOW);
    let page = page_of(&bridge);
    assert_eq!((page.value("hits"), page.value(r#"hits{a="b"}"#), page.value("load")), (Some(6.0), Some(0.0), Some(3.0)));
}

#[apply(test)]
fn the_first_zero_stays_until_a_scraper_has_received_it() {
    let bridge = Bridge::new(Options::default().with(|options| options.counters_start_at_zero = Some(60_000)));
    bridge.worker().ingest(b"hits_total:5|c", NOW);
    let at = |seconds: u64| Timestamp::from_millis(NOW.as_millis() + seconds * 1000);
    let formats = [Format::Text, Format::OpenMetrics, Format::Protobuf];
    let scrape = |format, now| {
        let (mut exposition, mut out) = (bridge.exposition(format, now), Vec::new());
        while exposition.more(&mut out) {}
        // The value of a counter: a double in a message of at least 9 bytes.
        let is_five = match format {
            Format::Protobuf => {
                // Self-metrics follow the other families.
                let end = out.windows(8).position(|bytes| bytes == b"process_").expect("self-metrics");
                out[..end].windows(9).any(|bytes| bytes[0] == 9 && bytes[1..] == 5_f64.to_le_bytes())
            }
            _ => String::from_utf8_lossy(&out).contains("\nhits_total 5"),
        };
        (exposition, is_five)
    };
    for format in formats {
        assert!(!scrape(format, at(600)).1, "{format:?}: nobody has got it, however long ago it began");
    }
    let (exposition, _) = scrape(Format::OpenMetrics, at(700));
    exposition.delivered(at(700));
    for (format, seconds) in formats.into_iter().flat_map(|format| [(format, 701), (format, 759)]) {
        let (exposition, is_five) = scrape(format, at(seconds));
        assert!(!is_five, "{format:?}, {seconds}");
        exposition.delivered(at(seconds));
    }
    for format in formats {
        assert!(scrape(format, at(760)).1 && scrape(format, at(1)).1, "{format:?}: after its time, also where the clock goes back");
    }
}
