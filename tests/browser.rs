//! The page in a real browser: every view, the questions of Ask, keys, a proposed rule, a deletion, hostile names, accessibility.
//!
//! `STATSD_BRIDGE_PICTURES=docs/pictures cargo test --test it browser::` takes the pictures of docs/live-page.md again.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::harness::Launch;
use crate::peers;

const RULES: &str = "mappings:
- match: shop.*.time
  name: shop_time
  labels: {part: $1}
- match: noise.*
  action: drop
  name: noise
- match: gone.gauge
  name: gone_gauge
  ttl: 1s
- match: room
  name: room
  limits: {values_per_label: 2, overflow: refuse}
";

#[apply(test)]
fn the_page_works_in_a_browser() {
    let (node, chromium) = peers::node_with_browser();
    let folder = tempfile::tempdir().expect("a folder");
    let mapping = folder.path().join("mapping.yml");
    fs::write(&mapping, RULES).expect("written");
    let bridge = Launch::new()
        .after(&format!("cd '{}'", folder.path().display()))
        .arg("--statsd.mapping-config=mapping.yml")
        .arg("--name-validation=utf8")
        .arg("--web.enable-admin-api")
        .arg("--web.enable-lifecycle")
        .arg("--web.enable-tail=true")
        .arg("--web.max-tails=16")
        .arg("--sources.max=10")
        .start();
    let mut drive = Command::new(node);
    drive.arg(peers::repository().join("tests/browser/drive.mjs"));
    drive.arg(format!("http://{}/", bridge.web)).arg(bridge.statsd.port().to_string()).arg(&mapping);
    let pictures = std::env::var_os("STATSD_BRIDGE_PICTURES");
    match &pictures {
        Some(pictures) => drive.arg(peers::repository().join(pictures)).arg("pictures"),
        None => drive.arg(folder.path()),
    };
    let output = drive.env("CHROMIUM", chromium).output().expect("node runs");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.last().is_some_and(|last| last["done"] == true), "{said}");
    assert!(pictures.is_some() || lines.iter().filter(|line| line["check"] == "ask").count() >= 8, "{said}");
    bridge.stop();
}
