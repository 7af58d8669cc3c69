//! The page in a real browser, Debian's Chromium: every view, Ask, Tail, keys, a proposed rule, a deletion, accessibility; hostile texts;
//! users, TLS and foreign websites; reverse proxies; without scripts; on a phone.
//!
//! `STATSD_BRIDGE_PICTURES=docs/pictures cargo test --test it browser::pictures` takes the pictures of docs/live-page.md again, which
//! takes six minutes. Any other folder gets every view in both widths and schemes.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Launch, Process, Running, bridge_command, free_port, until};
use crate::peers;
use crate::web_config::authority::Authority;
use crate::web_config::{RIGHT, ready};

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

/// A bridge that has all that the page can show, and reads `mapping.yml` of the folder.
fn shown(folder: &Path) -> Launch {
    fs::write(folder.join("mapping.yml"), RULES).expect("written");
    let flags = ["--statsd.mapping-config=mapping.yml", "--name-validation=utf8", "--sources.max=10"];
    let actions = ["--web.enable-admin-api", "--web.enable-lifecycle", "--web.enable-tail=true"];
    let launch = Launch::new().after(&format!("cd '{}'", folder.display()));
    flags.into_iter().chain(actions).fold(launch, Launch::arg)
}

fn facts(bridge: &Running, more: Value) -> Value {
    let mut facts = json!({ "base": format!("http://{}/", bridge.web), "udp": bridge.statsd.port() });
    facts.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    facts
}

/// Runs a driver of tests/browser. Returns what it checked.
fn drive(driver: &str, facts: &Value) -> Vec<Value> {
    let (node, chromium) = peers::node_with_browser();
    let mut command = Command::new(node);
    command.arg(peers::repository().join("tests/browser").join(driver)).arg(facts.to_string()).env("CHROMIUM", chromium);
    if let Some(authority) = facts["authority"].as_str() {
        command.env("NODE_EXTRA_CA_CERTS", authority);
    }
    let output = command.output().expect("node runs");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.last().is_some_and(|last| last["done"] == true), "{said}");
    lines
}

/// The rules of the pictures.
const SHOP: &str = "mappings:
- match: shop.*.time
  name: shop_request_time
  labels: {part: $1}
- match: debug.*
  action: drop
  name: debug
- match: nightly.duration
  name: nightly_duration
  ttl: 1m
- match: legacy.import.*
  name: imports
- match: sessions
  name: sessions
  limits: {values_per_label: 1000}
";

/// Without the variable, only looks that the pictures are there.
#[apply(test)]
fn pictures_of_the_document_are_taken() {
    let document = fs::read_to_string(peers::repository().join("docs/live-page.md")).expect("the document");
    let shown = document.split("(pictures/").skip(1).filter_map(|rest| rest.split_once(')')).map(|(name, _)| name.to_owned());
    let mut names: Vec<String> = shown.collect();
    let Some(folder) = std::env::var_os("STATSD_BRIDGE_PICTURES") else {
        for name in &names {
            assert!(peers::repository().join("docs/pictures").join(name).is_file(), "{name} is not in docs/pictures");
        }
        return;
    };
    let folder = peers::repository().join(folder);
    if folder != peers::repository().join("docs/pictures") {
        let views = ["overview", "ask", "missing", "never", "tail", "series", "family", "rejected", "rules", "cardinality", "senders"];
        let more = ["scrapes", "push", "events", "configuration", "actions"];
        let sizes = ["1280-light", "1280-dark", "390-light", "390-dark"];
        names = views.iter().chain(&more).flat_map(|view| sizes.map(|size| format!("page-{view}-{size}.png"))).collect();
    }
    let rules = TempDir::new().expect("a folder");
    fs::write(rules.path().join("mapping.yml"), SHOP).expect("written");
    let push = free_port(Ipv4Addr::LOCALHOST.into());
    let bridge = Launch::new()
        .after(&format!("cd '{}'", rules.path().display()))
        .arg("--statsd.mapping-config=mapping.yml")
        .arg("--sources.max=10")
        .arg("--web.enable-admin-api")
        .arg("--web.enable-lifecycle")
        .arg("--web.enable-tail=true")
        .arg(format!("--push.url=http://127.0.0.1:{push}/api/v1/write"))
        .start();
    drive("pictures.mjs", &facts(&bridge, json!({ "push": push, "folder": folder, "names": names })));
    bridge.stop();
}

#[apply(test)]
fn the_page_works_in_a_browser() {
    peers::node_with_browser();
    let folder = TempDir::new().expect("a folder");
    let bridge = shown(folder.path()).start();
    let said = drive("drive.mjs", &facts(&bridge, json!({ "mapping": folder.path().join("mapping.yml") })));
    assert!(said.iter().filter(|line| line["check"] == "ask").count() >= 17, "{said:?}");
    bridge.stop();
}

#[apply(test)]
fn hostile_texts_are_inert_in_a_browser() {
    peers::node_with_browser();
    let folder = TempDir::new().expect("a folder");
    let push = free_port([127, 0, 0, 1].into());
    let bridge = shown(folder.path()).arg(format!("--push.url=http://127.0.0.1:{push}/api/v1/write")).arg("--push.interval=1s").start();
    drive("hostile.mjs", &facts(&bridge, json!({ "push": push, "mapping": folder.path().join("mapping.yml") })));
    bridge.stop();
}

#[apply(test)]
fn readers_and_administrators_differ_and_other_websites_reach_neither() {
    peers::node_with_browser();
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let authority = Authority::new("the authority");
    fs::write(path("ca.crt"), authority.pem()).expect("written");
    authority.issue("server", &["localhost", "127.0.0.1"]).write(&path("server.crt"), &path("server.key"));
    let users = format!("basic_auth_users: {{ann: \"{RIGHT}\"}}\n");
    fs::write(path("web.yml"), format!("tls_server_config: {{cert_file: server.crt, key_file: server.key}}\n{users}")).expect("written");
    fs::write(path("mapping.yml"), RULES).expect("written");
    let statsd = free_port(Ipv4Addr::LOCALHOST.into());
    let mut command = bridge_command();
    command.args([&*format!("--statsd.listen-udp=127.0.0.1:{statsd}"), "--statsd.listen-tcp=", "--shutdown.linger=0s"]);
    command.args(["--web.listen-address=127.0.0.1:0", "--web.admin-listen-address=127.0.0.1:0"]);
    command.args(["--web.enable-admin-api", "--web.enable-lifecycle", "--web.enable-tail=true"]);
    command.arg(format!("--web.config.file={}", path("web.yml").display()));
    command.arg(format!("--statsd.mapping-config={}", path("mapping.yml").display()));
    let mut process = Process::start(command);
    let addresses = ready(&mut process);
    let of = |number: usize| format!("https://{}/", addresses[number]);
    drive(
        "access.mjs",
        &json!({
            "base": of(0), "admin": of(1), "udp": statsd, "user": "ann", "password": "right", "host": "evil.example",
            "authorization": "Basic YW5uOnJpZ2h0", "authority": path("ca.crt"),
        }),
    );
    process.signal(rustix::process::Signal::TERM);
    assert!(process.wait().success(), "{}", process.log());
}

#[apply(test)]
fn the_page_works_behind_a_proxy_with_a_path() {
    peers::node_with_browser();
    let nginx = peers::nginx();
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let authority = Authority::new("the authority");
    fs::write(path("ca.crt"), authority.pem()).expect("written");
    authority.issue("server", &["localhost", "127.0.0.1"]).write(&path("server.crt"), &path("server.key"));
    let bridge = shown(folder.path()).start();
    let [plain, secure] = [(); 2].map(|()| free_port(Ipv4Addr::LOCALHOST.into()));
    let config = NGINX.replace("FOLDER", &folder.path().display().to_string()).replace("BRIDGE", &bridge.web.to_string());
    fs::write(path("nginx.conf"), config.replace("PLAIN", &plain.to_string()).replace("SECURE", &secure.to_string())).expect("written");
    let mut command = Command::new(nginx);
    command.arg("-p").arg(folder.path()).arg("-c").arg(path("nginx.conf")).args(["-e", "stderr"]);
    let mut proxy = Process::start(command);
    until("nginx listens", || {
        assert!(proxy.try_wait().is_none(), "nginx ended:\n{}", proxy.log());
        TcpStream::connect((Ipv4Addr::LOCALHOST, secure)).ok()
    });
    let bases = [format!("http://127.0.0.1:{plain}/tools/bridge/"), format!("https://localhost:{secure}/b/")];
    let forgetful = format!("http://127.0.0.1:{plain}/forgetful/");
    drive("proxy.mjs", &facts(&bridge, json!({ "bases": bases, "forgetful": forgetful, "authority": path("ca.crt") })));
    proxy.signal(rustix::process::Signal::TERM);
    proxy.wait();
    bridge.stop();
}

/// What [the document of the page](../docs/live-page.md) says, over HTTP and HTTPS; and a path without the line that passes on the host.
const NGINX: &str = "
daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER; proxy_temp_path FOLDER; fastcgi_temp_path FOLDER; uwsgi_temp_path FOLDER; scgi_temp_path FOLDER;
  server {
    listen 127.0.0.1:PLAIN;
    location /tools/bridge/ {
      proxy_pass http://BRIDGE/;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
    }
    location /forgetful/ { proxy_pass http://BRIDGE/; }
  }
  server {
    listen 127.0.0.1:SECURE ssl http2;
    ssl_certificate FOLDER/server.crt;
    ssl_certificate_key FOLDER/server.key;
    location /b/ {
      proxy_pass http://BRIDGE/;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
    }
  }
}
";

#[apply(test)]
fn the_page_reads_without_scripts() {
    peers::node_with_browser();
    let folder = TempDir::new().expect("a folder");
    let bridge = shown(folder.path()).start();
    drive("plain.mjs", &facts(&bridge, json!({})));
    bridge.stop();
}

#[apply(test)]
fn keys_work_on_a_phone_and_on_a_desk() {
    peers::node_with_browser();
    let folder = TempDir::new().expect("a folder");
    let bridge = shown(folder.path()).start();
    drive("keyboard.mjs", &facts(&bridge, json!({})));
    bridge.stop();
}
