//! Access control, tested with OpenSSL, curl, Python and Prometheus.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use super::{CLIENTS, Guarded, RIGHT, TLS, run};
use crate::harness::{Process, free_port, request, until};
use crate::page::Page;
use crate::peers::{self, Version};

#[apply(test)]
fn openssl_is_refused_what_is_not_offered() {
    let openssl = peers::program("openssl");
    let handshake = |bridge: &Guarded, args: &[&str]| {
        let mut command = Command::new(&openssl);
        command.args(["s_client", "-connect", &bridge.web.to_string(), "-CAfile"]).arg(bridge.path("ca.crt")).args(args);
        run(command)
    };
    let bridge = Guarded::start(TLS);
    for good in [&["-tls1_2"][..], &["-tls1_3"], &["-tls1_2", "-cipher", "ECDHE+AESGCM"], &["-groups", "P-521"]] {
        let (code, output) = handshake(&bridge, good);
        assert!(code == Some(0) && output.contains("Verify return code: 0 (ok)"), "{good:?}: {output}");
    }
    for bad in [
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ECDHE+AES:!AESGCM:!AESCCM:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"],
    ] {
        let (code, output) = handshake(&bridge, bad);
        assert!(code != Some(0) && output.contains("no peer certificate available"), "{bad:?}: {output}");
    }
    bridge.stop();
    let narrow = Guarded::start(&format!("{TLS}  min_version: TLS13\n  curve_preferences: [CurveP521]\n"));
    assert_eq!(handshake(&narrow, &["-groups", "P-521"]).0, Some(0));
    for bad in [&["-groups", "P-384"][..], &["-tls1_2"]] {
        assert_ne!(handshake(&narrow, bad).0, Some(0), "{bad:?}");
    }
    narrow.stop();
}

#[apply(test)]
fn curl_speaks_http2_and_is_refused_like_anybody() {
    let curl = peers::program("curl");
    let ask = |bridge: &Guarded, args: &[&str]| {
        let mut command = Command::new(&curl);
        command.args(["-sS", "-o", "-", "-w", "\n%{http_version} %{http_code}", "--max-time", "60", "--cacert"]);
        command.arg(bridge.path("ca.crt")).args(args).arg(format!("https://{}/metrics", bridge.web));
        let (code, output) = run(command);
        (code, output.lines().last().unwrap_or_default().to_owned(), output)
    };
    let users = format!("basic_auth_users: {{ann: \"{RIGHT}\"}}\n");
    let bridge = Guarded::start(&format!("{TLS}{users}"));
    let (code, last, output) = ask(&bridge, &["-u", "ann:right"]);
    assert_eq!((code, &*last), (Some(0), "2 200"), "{output}");
    assert!(Page::parse(output.rsplit_once('\n').expect("lines").0).is_ok(), "{output}");
    assert_eq!(ask(&bridge, &["-u", "ann:right", "--http1.1"]).1, "1.1 200");
    assert_eq!(ask(&bridge, &["-u", "ann:wrong"]).1, "2 401");
    assert_eq!(ask(&bridge, &[]).1, "2 401");
    assert_eq!(ask(&bridge, &["-u", "ann:right", "--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0"]).0, Some(35));
    // A header over the limit ends the request, not the server.
    let long = format!("X-Long: {}", "x".repeat(40_000));
    assert_ne!(ask(&bridge, &["-u", "ann:right", "-H", &long]).1, "2 200");
    assert_eq!(ask(&bridge, &["-u", "ann:right"]).1, "2 200");
    bridge.stop();
    let old = Guarded::start(&format!("{TLS}http_server_config: {{http2: false}}\n"));
    assert_eq!(ask(&old, &["--http2"]).1, "1.1 200");
    old.stop();
    let strict = Guarded::start(&format!("{TLS}{CLIENTS}"));
    strict.authority.issue("client", &["a"]).write(&strict.path("client.crt"), &strict.path("client.key"));
    assert_ne!(ask(&strict, &[]).0, Some(0), "a certificate is required");
    let (certificate, key) = (strict.path("client.crt"), strict.path("client.key"));
    let (certificate, key) = (certificate.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
    assert_eq!(ask(&strict, &["--cert", certificate, "--key", key]).1, "2 200");
    strict.stop();
}

#[apply(test)]
fn python_reads_with_a_certificate_and_a_password() {
    let python = peers::python_with_clients();
    let bridge = Guarded::start(&format!("{TLS}{CLIENTS}basic_auth_users: {{ann: \"{RIGHT}\"}}\n"));
    bridge.authority.issue("client", &["a"]).write(&bridge.path("client.crt"), &bridge.path("client.key"));
    let mut command = Command::new(python);
    command.arg(peers::repository().join("tests/python/read_guarded.py")).arg(format!("https://{}", bridge.web)).arg(bridge.folder.path());
    let (code, output) = run(command);
    assert_eq!((code, output.trim()), (Some(0), "all as expected"), "{output}");
    bridge.stop();
}

#[apply(each_prometheus)]
fn prometheus_scrapes_with_a_certificate_and_a_password(version: Version) {
    let program = version.prometheus();
    let bridge = Guarded::start(&format!("{TLS}{CLIENTS}basic_auth_users: {{ann: \"{RIGHT}\"}}\n"));
    bridge.authority.issue("client", &["a"]).write(&bridge.path("client.crt"), &bridge.path("client.key"));
    let job = |name: &str, tls: &str, password: &str| {
        format!(
            "- job_name: {name}\n  scheme: https\n  static_configs: [{{targets: ['{}']}}]\n  tls_config: {{ca_file: ca.crt{tls}}}\n  \
             basic_auth: {{username: ann, password: {password}}}\n",
            bridge.web
        )
    };
    let certificate = ", cert_file: client.crt, key_file: client.key";
    let jobs = job("good", certificate, "right") + &job("password", certificate, "wrong") + &job("certificate", "", "right");
    let yaml = format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}");
    fs::write(bridge.path("prometheus.yml"), yaml).expect("written");
    let web = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", bridge.path("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", bridge.path("tsdb").display())).arg(format!("--web.listen-address={web}"));
    let mut prometheus = Process::start(command);
    let targets = until("Prometheus has tried all three", || {
        assert_eq!(prometheus.try_wait(), None, "Prometheus ended:\n{}", prometheus.log());
        let response = request(web, "GET", "/api/v1/targets", &[]).ok().filter(|r| r.status == 200)?;
        let json: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        let targets = json["data"]["activeTargets"].as_array()?.clone();
        // If Prometheus writes before it reads the rejection, it reports only a closed connection. A later scrape reports the
        // reason.
        let is_told = |target: &serde_json::Value| {
            target["labels"]["job"] != "certificate" || target["lastError"].as_str().is_some_and(|error| error.contains("certificate"))
        };
        let is_tried = |target: &serde_json::Value| target["health"] != "unknown" && is_told(target);
        (targets.len() == 3 && targets.iter().all(is_tried)).then_some(targets)
    });
    let health = |job: &str| {
        let target = targets.iter().find(|target| target["labels"]["job"] == job).expect("a target");
        (target["health"].as_str().expect("text").to_owned(), target["lastError"].as_str().expect("text").to_owned())
    };
    assert_eq!(health("good"), ("up".to_owned(), String::new()));
    let (password, certificate) = (health("password"), health("certificate"));
    assert!(password.0 == "down" && password.1.contains("401"), "{password:?}");
    assert!(certificate.0 == "down" && certificate.1.contains("certificate"), "{certificate:?}");
    drop(prometheus);
    bridge.stop();
}
