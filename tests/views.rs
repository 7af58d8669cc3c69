//! What the views of the page and their JSON say of a running bridge: rates, new series, rules that save series, searched lists.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Launch, Running, own, until};

fn data(bridge: &Running, path: &str) -> Value {
    let answer = bridge.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let mut document: Value = serde_json::from_slice(&answer.body).expect("JSON");
    document["data"].take()
}

fn named(list: &Value, name: &str) -> Value {
    list.as_array()
        .expect("a list")
        .iter()
        .find(|entry| entry["name"] == name)
        .cloned()
        .unwrap_or_else(|| panic!("{name} is not in {list}"))
}

#[apply(test)]
fn rates_and_new_series_are_shown() {
    let bridge = Launch::new().start();
    bridge.send("steady:1|c\ntook:1|ms|#k:0\nlevel:1|g");
    bridge.page_at(3);
    // The families are read every 5 s, and a rate needs two readings.
    let mut number = 0;
    let found = until("both families have a rate", || {
        number += 1;
        bridge.send(format!("steady:10|c\ntook:5|ms|#k:{number}\nlevel:{number}|g"));
        thread::sleep(Duration::from_millis(100));
        let families = data(&bridge, "/api/v1/series?sort=rate")["families"].take();
        let has_rate = |name: &str| named(&families, name)["rate"].as_f64().is_some_and(|rate| rate > 0.0);
        (has_rate("steady") && has_rate("took") && named(&families, "took")["new_series"]["1m"].as_u64() > Some(0)).then_some(families)
    });
    let (steady, took, level) = (named(&found, "steady"), named(&found, "took"), named(&found, "level"));
    assert_eq!((&steady["rate_of"], &took["rate_of"]), (&json!("increase"), &json!("observations")));
    assert!(steady["rate"].as_f64() > took["rate"].as_f64() && level["rate"].is_null(), "{found}");
    assert_eq!(found[0]["name"], "steady", "sorted by rate: {found}");
    let label = &data(&bridge, "/api/v1/series?family=took&label=k")["family"]["label"];
    assert_eq!(label["new_values"]["5m"], label["distinct"], "{label}");
    let card = &data(&bridge, "/api/v1/ask?q=steady")["cards"][0];
    assert!(card["verdict"] == "arrives" && card["family"]["rate"].is_number(), "{card}");
    let page = bridge.get("/ui/ask?q=steady").text();
    assert!(page.contains("How often") && page.contains("the increase of the whole family"), "{page}");
    let page = bridge.get("/ui/series?sort=rate").text();
    assert!(page.contains("value=\"rate\" selected") && page.contains("/s</td>"), "{page}");
    bridge.stop();
}

/// The proposed rule, saved and reloaded, saves the series that it says.
#[apply(test)]
fn a_rule_that_saves_series_can_be_copied() {
    let folder = TempDir::new().expect("a temporary directory");
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, "mappings: []\n").expect("written");
    let bridge = Launch::new()
        .arg(format!("--statsd.mapping-config={}", rules.display()))
        .arg("--mapping.watch-interval=0")
        .arg("--web.enable-admin-api")
        .start();
    let lines: Vec<String> = (0..30).map(|number| format!("login.total:1|c|#ip:10.0.0.{number},site:eu")).collect();
    bridge.send(lines.join("\n"));
    bridge.page_at(30);
    let families = data(&bridge, "/api/v1/cardinality?q=LOGIN")["families"].take();
    let suggestion = &named(&families, "login_total")["suggestion"];
    assert_eq!((&suggestion["label"], &suggestion["saves_series"]), (&json!("ip"), &json!(29)), "{suggestion}");
    let yaml = suggestion["yaml"].as_str().expect("a rule");
    assert!(bridge.get("/ui/cardinality").text().contains("drop_labels: [&quot;ip&quot;]"));

    fs::write(&rules, format!("mappings:\n{yaml}")).expect("written");
    bridge.process.signal(Signal::HUP);
    bridge.page_when("the rules are reloaded", |page| own(page, "config_reloads_total{outcome=\"success\"}") == 1.0);
    assert_eq!(bridge.get("/metrics").status, 200);
    let deleted = crate::harness::request(bridge.web, "POST", "/api/v1/series/delete?match[]=login_total", &[]).expect("an answer");
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    bridge.send(lines.join("\n"));
    assert_eq!(bridge.page_at(60).value("login_total{site=\"eu\"}"), Some(30.0));
    bridge.stop();
}

#[apply(test)]
fn senders_of_one_line_per_datagram_are_marked_and_lists_are_searched() {
    let bridge = Launch::new().start();
    let socket = bridge.udp();
    for number in 0..1_100 {
        socket.send(b"single:1|c").expect("sent");
        if number % 50 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    bridge.page_when("the datagrams are counted", |page| page.sum("statsd_bridge_samples_total") >= 1_000.0);
    let all = data(&bridge, "/api/v1/sources?q=127.0.0.1&sort=bytes");
    assert_eq!((&all["sources"][0]["one_line_per_datagram"], &all["list"]["found"]), (&json!(true), &json!(1)), "{all}");
    let none = data(&bridge, "/api/v1/sources?q=10.9.9.9");
    assert_eq!((&none["sources"], &none["others"]["lines"]), (&json!([]), &all["sources"][0]["lines"]), "others keep the sums");
    let page = bridge.get("/ui/senders?sort=bytes").text();
    for part in ["! one line a datagram", "Let them pack lines", "Senders by bytes"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    bridge.send("_e{6,4}:deploy|text|#env:prod\n_e{4,4}:stop|text|#env:dev");
    until("the events are kept", || (data(&bridge, "/api/v1/events")["kept"] == 2).then_some(()));
    let found = data(&bridge, "/api/v1/events?q=PROD");
    assert_eq!((&found["events"][0]["title"], &found["list"]["found"]), (&json!("deploy"), &json!(1)), "{found}");
    bridge.stop();
}
