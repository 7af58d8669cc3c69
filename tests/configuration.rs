//! `/api/v1/configuration` and its view: flags with their origin, secrets, and reloads with their errors.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Launch, Running, request, until};

const RULES: &str = "mappings:\n- match: \"app.*\"\n  name: one\n";
const BROKEN: &str = "mappings:\n- match: \"app.*\"\n  nam: one\n";

fn configuration(bridge: &Running, query: &str) -> Value {
    let answer = bridge.get(&format!("/api/v1/configuration{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut document: Value = serde_json::from_slice(&answer.body).expect("JSON");
    document["data"].take()
}

fn flag(data: &Value, name: &str) -> Value {
    let all = data["flags"].as_array().expect("a list");
    all.iter().find(|flag| flag["flag"] == name).cloned().unwrap_or_else(|| panic!("{name} is not in {data}"))
}

fn file(data: &Value, name: &str) -> Value {
    let all = data["files"].as_array().expect("a list");
    all.iter().find(|file| file["name"] == name).cloned().unwrap_or_else(|| panic!("{name} is not in {data}"))
}

#[apply(test)]
fn flags_are_shown_with_their_origin_and_without_secrets() {
    let bridge = Launch::new()
        .arg("--limits.series=1234")
        .arg("--no-statsd.parse-influxdb-tags")
        .arg("--push.url=http://127.0.0.1:9/w?token=s3cret")
        .arg("--push.header=X-Scope-OrgID=s3cret")
        .arg("--statsd.cache-size=1")
        .env("STATSD_BRIDGE_LIMITS_FAMILIES", "77")
        .env("STATSD_BRIDGE_LIMITS_FAMILY", "s3cret")
        .start();
    let data = configuration(&bridge, "");
    for (name, value, default, origin, set_by) in [
        ("limits.series", "1234", "200000", "command_line", "--limits.series"),
        ("limits.families", "77", "10000", "environment", "STATSD_BRIDGE_LIMITS_FAMILIES"),
        ("statsd.parse-influxdb-tags", "false", "true", "command_line", "--statsd.parse-influxdb-tags"),
        ("push.url", "http://127.0.0.1:9/w?<secret>", "", "command_line", "--push.url"),
        ("push.header", "<secret>", "", "command_line", "--push.header"),
        ("log.level", "info", "info", "default", ""),
    ] {
        let found = flag(&data, name);
        assert_eq!((&found["value"], &found["default"]), (&json!(value), &json!(default)), "{name}");
        assert_eq!(
            (&found["origin"], &found["set_by"], &found["changed"]),
            (&json!(origin), &json!(set_by), &json!(value != default)),
            "{name}"
        );
    }
    let order: Vec<bool> = data["flags"].as_array().expect("a list").iter().map(|flag| flag["changed"] == true).collect();
    assert!(order.is_sorted_by(|a, b| a >= b), "those that were changed come first");
    assert_eq!(data["without_effect"], json!(["--statsd.cache-size"]));
    assert!(data["unknown_variables"][0].as_str().is_some_and(|text| text.contains("STATSD_BRIDGE_LIMITS_FAMILY ")), "{data}");

    let found = configuration(&bridge, "?q=FAMILIES");
    assert!(flag(&found, "limits.families")["help"].is_string() && found["flags"].as_array().is_some_and(|all| all.len() < 20));
    let changed = configuration(&bridge, "?show=changed&sort=name");
    assert!(changed["flags"].as_array().is_some_and(|all| all.iter().all(|flag| flag["changed"] == true)), "{changed}");
    assert_eq!(bridge.get("/api/v1/configuration?show=x").status, 400);

    let page = bridge.get("/ui/configuration?q=limits").text();
    for part in ["--limits.series", "1234", "STATSD_BRIDGE_LIMITS_FAMILIES", "value=\"limits\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for path in ["/ui/configuration", "/api/v1/configuration", "/ui/configuration?q=push&sort=name"] {
        assert!(!bridge.get(path).text().contains("s3cret"), "{path}");
    }
    bridge.stop();
}

#[apply(test)]
fn reloads_are_shown_with_their_cause_and_their_errors() {
    let folder = TempDir::new().expect("a temporary directory");
    let (rules, web) = (folder.path().join("rules.yml"), folder.path().join("web.yml"));
    fs::write(&rules, RULES).expect("written");
    fs::write(&web, "{}").expect("written");
    let bridge = Launch::new()
        .arg(format!("--statsd.mapping-config={}", rules.display()))
        .arg(format!("--web.config.file={}", web.display()))
        .arg("--mapping.watch-interval=100ms")
        .arg("--web.enable-lifecycle")
        .start();
    let first = file(&configuration(&bridge, ""), "rules");
    assert_eq!((&first["rules"], &first["last_reload"]), (&json!(1), &Value::Null));
    assert_eq!(first["files"], json!([{ "path": rules.display().to_string(), "rules": 1 }]));
    assert!(first["hash"].is_u64() && first["loaded_ms"].as_u64().is_some_and(|millis| millis > 1_700_000_000_000), "{first}");

    // Each reload is seen before the next one is caused.
    let reloaded = |succeeded: u64, failed: u64| {
        until("the reload is shown", || {
            let rules = file(&configuration(&bridge, ""), "rules");
            (rules["reloads"] == json!({ "succeeded": succeeded, "failed": failed })).then_some(rules)
        })
    };
    bridge.process.signal(Signal::HUP);
    assert_eq!(reloaded(1, 0)["last_reload"]["cause"], "signal");
    assert_eq!(request(bridge.web, "POST", "/-/reload", &[]).expect("an answer").status, 200);
    assert_eq!(reloaded(2, 0)["last_reload"]["cause"], "api");
    fs::write(&rules, BROKEN).expect("written");
    let failed = reloaded(2, 1);
    let last = &failed["last_reload"];
    assert_eq!((&last["cause"], &last["succeeded"], &failed["hash"]), (&json!("watch"), &json!(false), &first["hash"]));
    let error =
        last["errors"].as_array().expect("a list").iter().find(|error| error["text"].as_str().is_some_and(|text| text.contains("`nam`")));
    let error = error.unwrap_or_else(|| panic!("{failed}"));
    assert_eq!((&error["file"], &error["line"], &error["column"]), (&json!(rules.display().to_string()), &json!(3), &json!(3)));
    assert!(error["text"].as_str().is_some_and(|text| text.contains("did you mean `name`?")), "{error}");
    let page = bridge.get("/ui/configuration").text();
    for part in ["The last reload of the mapping files failed", "rules.yml:3:3", "did you mean `name`?", "because it changed"] {
        assert!(page.contains(part), "{part}: {page}");
    }

    for view in ["overview", "rules"] {
        let page = bridge.get(&format!("/ui/{view}")).text();
        for part in [
            "The last reload of the mapping files failed",
            "rules.yml:2:3",
            "A rule has no `name`;",
            "href=\"../ui/configuration\">Configuration",
        ] {
            assert!(page.contains(part), "{view} {part}: {page}");
        }
    }
    let overview: Value = serde_json::from_slice(&bridge.get("/api/v1/overview").body).expect("JSON");
    let noted = &overview["data"]["failed_reloads"][0];
    assert_eq!(
        (&noted["name"], &noted["error"], &noted["error_count"]),
        (&json!("rules"), &last["errors"][0], &last["error_count"]),
        "{noted}"
    );

    fs::write(&web, "rate_limt: {}\n").expect("written");
    let failed = until("the web configuration is read again", || {
        let web = file(&configuration(&bridge, ""), "web");
        web["last_reload"].is_object().then_some(web)
    });
    assert_eq!((&failed["last_reload"]["errors"][0]["line"], &failed["hash"]), (&json!(1), &Value::Null), "{failed}");
    fs::write(&rules, RULES.replace("one", "two")).expect("written");
    assert_eq!(reloaded(3, 1)["last_reload"]["succeeded"], true);
    for view in ["overview", "rules"] {
        let page = bridge.get(&format!("/ui/{view}")).text();
        assert!(!page.contains("mapping files failed") && page.contains("web configuration file failed"), "{view}: {page}");
    }
    bridge.stop();
}
