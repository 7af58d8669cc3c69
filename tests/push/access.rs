//! How a target is reached: credentials, headers, redirects, proxies, TLS; mistakes of the configuration and its reload.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use super::receiver::{Reaction, Receiver};
use super::{pushing, samples, target};
use crate::harness::{Launch, Process, Running, bridge_command, free_port, until};
use crate::peers::Version;
use crate::web_config::RIGHT;
use crate::web_config::authority::Authority;

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file in a temporary directory");
    path.display().to_string()
}

/// A bridge with this configuration file, which pushes every second.
fn configured(file: &str) -> Launch {
    Launch::new().arg(format!("--push.config.file={file}")).arg("--push.interval=1s")
}

/// Everything that an operator or another user may read of a bridge.
fn published(bridge: &Running) -> String {
    ["/metrics", "/api/v1/push", "/"].map(|path| bridge.get(path).text()).concat() + &bridge.process.log()
}

#[apply(test)]
fn tokens_and_headers_are_sent_and_never_shown() {
    let receiver = Receiver::start(|_| Reaction::Write);
    let folder = TempDir::new().expect("a temporary directory");
    write(&folder, "token", "s3cret-1\n");
    let text = format!(
        "targets:\n- url: {}?token=s3cret-url\n  headers: {{X-Scope-OrgID: s3cret-tenant}}\n  authorization: {{credentials_file: token}}\n",
        receiver.url()
    );
    let bridge = configured(&write(&folder, "push.yml", &text)).start();
    let has = |token: &str| receiver.seen().iter().any(|seen| seen.header("authorization") == format!("Bearer {token}")).then_some(());
    until("the token is sent", || has("s3cret-1"));
    assert!(receiver.seen().iter().all(|seen| seen.header("x-scope-orgid") == "s3cret-tenant"));
    assert!(receiver.seen().iter().all(|seen| seen.path == "/api/v1/write?token=s3cret-url"));
    write(&folder, "token", "s3cret-2\n");
    until("the changed token is sent", || has("s3cret-2"));
    receiver.script(|_| Reaction::Answer(403, vec![]));
    until("a rejection", || target(&bridge)["last_rejection"]["status"].as_u64());
    bridge.process.logs("does not permit these credentials");
    write(&folder, "token", "");
    bridge.process.logs("token is empty");
    assert!(!published(&bridge).contains("s3cret"), "{}", published(&bridge));
}

#[apply(test)]
fn a_redirect_is_followed_within_the_receiver_only() {
    let (other, receiver) = (Receiver::start(|_| Reaction::Write), Receiver::start(|_| Reaction::Write));
    let redirect = |location: String| {
        move |seen: &super::receiver::Seen| match seen.path.as_str() {
            "/api/v1/write" => Reaction::Answer(307, vec![("Location", location.clone())]),
            _ => Reaction::Write,
        }
    };
    receiver.script(redirect("/elsewhere".to_owned()));
    let bridge = pushing(&receiver.url()).start();
    bridge.send("hits:5|c");
    until("the counter is pushed", || (receiver.last("hits") == Some(5.0)).then_some(()));
    receiver.script(redirect(other.url()));
    until("samples are rejected", || (samples(&bridge, "rejected") > 0).then_some(()));
    bridge.process.logs("set `url` to it");
    assert!(target(&bridge)["last_answer"]["text"].as_str().is_some_and(|text| text.contains(&other.url())));
    assert!(other.seen().is_empty(), "the samples, and with them credentials, went to another host");
}

#[apply(test)]
fn a_proxy_of_the_environment_is_used() {
    let proxy = Receiver::start(|_| Reaction::Write);
    let address = proxy.address.to_string();
    let bridge = pushing("http://receiver.invalid:9090/api/v1/write").env("HTTP_PROXY", &format!("http://u:s3cret@{address}")).start();
    until("the proxy is asked", || proxy.seen().first().cloned());
    let seen = &proxy.seen()[0];
    assert_eq!(seen.path, "http://receiver.invalid:9090/api/v1/write", "the whole URL");
    assert_eq!(seen.header("proxy-authorization"), "Basic dTpzM2NyZXQ=");
    assert!(!published(&bridge).contains("s3cret"));
    // Addresses that need no proxy.
    let receiver = Receiver::start(|_| Reaction::Write);
    let before = proxy.seen().iter().filter(|seen| seen.path.contains(&receiver.address.to_string())).count();
    let _direct = pushing(&receiver.url()).env("HTTP_PROXY", &format!("http://{address}")).env("NO_PROXY", "127.0.0.1").start();
    until("the receiver is asked directly", || receiver.seen().first().cloned());
    assert_eq!(before, 0);
}

/// A Prometheus with TLS and a password, which accepts remote write. Returns its port.
fn guarded(authority: &Authority, folder: &TempDir) -> (Process, u16) {
    let path = |name: &str| folder.path().join(name);
    authority.issue("prometheus", &["localhost", "127.0.0.1"]).write(&path("server.pem"), &path("server.key"));
    let web = write(
        folder,
        "web.yml",
        &format!("tls_server_config: {{cert_file: server.pem, key_file: server.key}}\nbasic_auth_users: {{writer: \"{RIGHT}\"}}\n"),
    );
    let port = free_port(Ipv4Addr::LOCALHOST.into());
    let mut command = Command::new(Version::Three.prometheus());
    command.arg(format!("--config.file={}", write(folder, "prometheus.yml", "scrape_configs: []\n")));
    command.arg(format!("--storage.tsdb.path={}", path("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg(format!("--web.config.file={web}"));
    command.arg("--web.enable-remote-write-receiver");
    let prometheus = Process::start(command);
    until("Prometheus listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
    (prometheus, port)
}

#[apply(test)]
fn certificates_and_passwords_are_checked_and_a_reload_mends_them() {
    let folder = TempDir::new().expect("a temporary directory");
    let authority = Authority::new("the authority of push");
    let (_prometheus, port) = guarded(&authority, &folder);
    write(&folder, "ca.pem", &authority.pem());
    let config = |tls: &str, password: &str| {
        let url = format!("https://localhost:{port}/api/v1/write");
        format!(
            "targets:\n- name: guarded\n  url: {url}\n  timeout: 5s\n  tls_config: {tls}\n  basic_auth: {{username: writer, password: {password}}}\n"
        )
    };
    let file = write(&folder, "push.yml", &config("{}", "s3cret-wrong"));
    let bridge = configured(&file).start();
    bridge.process.logs("set `ca_file` to the certificate of its issuer");
    until("three attempts", || (target(&bridge)["failures"].as_u64() > Some(2)).then_some(()));
    assert_eq!(bridge.process.log().matches("UnknownIssuer").count(), 1, "once a minute");
    let ca = "{ca_file: ca.pem}";
    write(&folder, "push.yml", &config(ca, "s3cret-wrong"));
    until("401", || (target(&bridge)["last_answer"]["status"] == 401).then_some(()));
    bridge.process.logs("user, password or token are missing or wrong");
    write(&folder, "push.yml", &config(ca, "[s3cret]"));
    bridge.process.logs("the previous targets stay active");
    write(&folder, "push.yml", &config(ca, "right"));
    until("samples are written", || (samples(&bridge, "written") > 0).then_some(()));
    assert_eq!(target(&bridge)["healthy"], true);
    let published = published(&bridge);
    assert!(!published.contains("s3cret") && published.contains("push configuration reloaded"), "{published}");
    let page = bridge.page();
    assert_eq!(page.sum("statsd_bridge_push_config_last_reload_successful"), 1.0);
    assert_eq!(page.sum_where("statsd_bridge_push_config_reloads_total", "outcome", "failure"), 1.0);
}

#[apply(test)]
fn targets_that_a_reload_does_not_change_continue() {
    let (kept, changed) = (Receiver::start(|_| Reaction::Write), Receiver::start(|_| Reaction::Write));
    let folder = TempDir::new().expect("a temporary directory");
    let config = |more: &str| format!("targets:\n- url: {}\n- url: {}\n{more}", kept.url(), changed.url());
    let bridge = configured(&write(&folder, "push.yml", &config(""))).start();
    bridge.send("hits:5|c");
    until("both have the counter", || (kept.last("hits") == Some(5.0) && changed.last("hits") == Some(5.0)).then_some(()));
    let before = target(&bridge)["samples_made"].as_u64();
    write(&folder, "push.yml", &config("  labels: {cluster: c}\n"));
    until("the changed target has its label", || {
        changed.points("hits", ("cluster", "c")).last().filter(|point| point.value == 5.0).map(drop)
    });
    assert!(target(&bridge)["samples_made"].as_u64() >= before, "the target did not begin anew");
    write(&folder, "push.yml", &format!("targets: [{{url: '{}'}}]\n", changed.url()));
    until("one target is left", || target(&bridge)["url"].as_str().filter(|url| *url == changed.url()).map(drop));
    let of = |target: &Receiver| bridge.page().sum_where("statsd_bridge_push_samples_made_total", "target", &target.url());
    assert!(of(&changed) > 0.0 && !bridge.page_text().contains(&kept.url()), "the metrics of the target end with it");
    // A target that returns continues its counters.
    write(&folder, "push.yml", &config(""));
    until("the target is back", || (of(&kept) as u64 > before.unwrap_or_default()).then_some(()));
    until("it adds up", || super::add_up(&bridge).ok());
    assert_eq!((kept.faults(), changed.faults()), (vec![], vec![]));
}

#[apply(test)]
fn mistakes_end_the_start_with_their_place() {
    let folder = TempDir::new().expect("a temporary directory");
    let path = write(&folder, "push.yml", "targets:\n- url: http://h/x\n  intervall: 1s\n");
    let run = |args: &[&str]| {
        let output = bridge_command().args(["--statsd.listen-udp=127.0.0.1:0", "--web.listen-address=127.0.0.1:0"]).args(args).output();
        let output = output.expect("the bridge runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let file = format!("--push.config.file={path}");
    for args in [&[file.as_str()][..], &[&file, "--check-config"]] {
        let (code, text) = run(args);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(&format!("{path}:3:3: a target has no key `intervall`; did you mean `interval`?")), "{text}");
    }
    let cases: [(&[&str], &str); 5] = [
        (&["--push.url=localhost:9090"], "http://"),
        (&["--push.url=http://u:s3cret@h/x"], "basic_auth"),
        (&["--push.url=http://h/x,http://h/x"], "given twice"),
        (&["--push.label=job"], "NAME=VALUE"),
        (&["--push.histograms=nhcb", "--push.protocol=1.0", "--push.url=http://h/x"], "requires remote write 2.0"),
    ];
    for (args, part) in cases {
        let (code, text) = run(args);
        assert!(code.is_some_and(|code| code != 0) && text.contains(part), "{args:?}: {code:?} {text}");
    }
}
