//! Each program in examples/ does what its comment says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::harness::{DEADLINE, Process, request, until};
use crate::page::Page;
use crate::peers;

/// The program of an example. `cargo test` builds examples only when it builds everything, so they are built here.
fn example(name: &str) -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--offline", "--examples"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let folder = Path::new(env!("CARGO_BIN_EXE_statsd-bridge")).parent().expect("a program is in a folder");
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo starts").success(), "the examples build");
        folder.join("examples")
    });
    FOLDER.join(name)
}

#[apply(test)]
fn embed_serves_what_it_receives() {
    let mut command = Command::new(example("embed"));
    command.args(["127.0.0.1:0", "127.0.0.1:0"]);
    let process = Process::start(command);
    let (lines, web) = until("the addresses", || {
        let log = process.log();
        let (lines, web) = log.strip_prefix("lines on ")?.split_once(", metrics on http://")?;
        Some((lines.parse::<SocketAddr>().ok()?, web.split_once("/metrics")?.0.parse::<SocketAddr>().ok()?))
    });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.send_to(b"pages.served:2|c|#site:blog\npages.served:1|c|#site:blog", lines).expect("a datagram is sent");
    let response = until("the samples", || {
        let response = request(web, "GET", "/metrics", &[]).ok()?;
        Some(response).filter(|response| response.text().contains("pages_served"))
    });
    assert_eq!((response.status, response.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"));
    let page = Page::parse(&response.text()).expect("a valid exposition");
    assert_eq!(page.value(r#"pages_served{site="blog"}"#), Some(3.0));
    let openmetrics = request(web, "GET", "/metrics", &[("Accept", "application/openmetrics-text; version=1.0.0")]).expect("an answer");
    assert!(openmetrics.header("content-type").starts_with("application/openmetrics-text") && openmetrics.text().ends_with("# EOF\n"));
    assert_eq!(request(web, "GET", "/", &[]).expect("an answer").status, 404);
}

/// Exit code, stdout and stderr of the example `rules` with these rules and lines.
fn mapped(rules: &str, lines: &str) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("rules.yml");
    std::fs::write(&file, rules).expect("a file is written");
    let mut command = Command::new(example("rules"));
    command.arg("rules.yml").current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the example starts");
    // An example that rejects its rules reads no lines.
    let sent = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    let output = child.wait_with_output().expect("the example ends");
    assert!(sent.is_ok() || !output.status.success());
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[apply(test)]
fn rules_maps_names_and_shows_mistakes_as_check_does() {
    let rules = "mappings:\n- match: shop.*.orders\n  name: orders\n  labels: {shop: $1}\n";
    let (code, out, err) = mapped(rules, "shop.paris.orders:3|c\nother:1|c\nbad line\n");
    assert_eq!(code, Some(0), "{err}");
    let page = Page::parse(&out).expect("a valid exposition");
    assert_eq!((page.value(r#"orders{shop="paris"}"#), page.value("other")), (Some(3.0), Some(1.0)));
    assert!(!out.contains("statsd_bridge_"), "no self-metrics: {out}");
    assert!(err.contains("1 rejected: ") && err.contains("no rule matches other (1 samples)"), "{err}");

    let bad = "mappings:\n- match: shop.*.orders\n  nmae: orders\n";
    let (code, out, shown) = mapped(bad, "");
    assert_eq!((code, &*out), (Some(1), ""));
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("rules.yml"), bad).expect("a file is written");
    let mut check = Command::new(env!("CARGO_BIN_EXE_statsd-bridge"));
    let output = check.args(["check", "rules.yml"]).current_dir(folder.path()).output().expect("check runs");
    let all = [output.stdout, output.stderr].concat();
    let all = String::from_utf8(all).expect("UTF-8");
    assert!(shown.lines().count() > 3 && all.contains(shown.trim_end()), "the same text:\n{shown}\n{all}");
}

/// Reads a complete request with its body, and responds with 200. Returns the request.
fn receive_push(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut piece).expect("a request");
        assert!(read > 0, "the request ends early");
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        if body.len() >= length.parse().expect("a number") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("an answer");
            return text;
        }
    }
}

#[apply(test)]
fn batch_job_pushes_its_metrics() {
    let gateway = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut command = Command::new(example("batch_job"));
    command.arg(gateway.local_addr().expect("an address").to_string());
    let mut process = Process::start(command);
    let (mut stream, _) = gateway.accept().expect("a connection");
    let request = receive_push(&mut stream);
    drop(stream);
    assert!(process.wait().success(), "{}", process.log());
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("PUT /metrics/job/nightly_import HTTP/1.1\r\n"), "{head}");
    let page = Page::parse(body).expect("a valid exposition");
    assert_eq!(page.value(r#"import_rows{outcome="imported"}"#), Some(90.0));
    assert_eq!(page.value("import_duration_seconds_count").or(page.value("import_duration_count")), Some(1.0));
}

/// The same test with the Pushgateway, which uses Prometheus' parser.
#[apply(test)]
fn the_pushgateway_accepts_the_batch_job() {
    let pushgateway = peers::program("prometheus-pushgateway");
    let port = crate::harness::free_port([127, 0, 0, 1].into());
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    let mut command = Command::new(pushgateway);
    command.arg(format!("--web.listen-address={address}"));
    let _gateway = Process::start(command);
    until("the Pushgateway", || request(address, "GET", "/-/ready", &[]).ok().filter(|response| response.status == 200));
    let mut command = Command::new(example("batch_job"));
    command.arg(address.to_string());
    let mut job = Process::start(command);
    assert!(job.wait().success(), "{}", job.log());
    let metrics = request(address, "GET", "/metrics", &[]).expect("an answer").text();
    assert!(metrics.contains(r#"import_rows{instance="",job="nightly_import",outcome="imported"} 90"#), "{metrics}");
}
