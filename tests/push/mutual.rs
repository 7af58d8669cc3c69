//! TLS with a client certificate and another server name, against a real Prometheus; and a wrong path.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use super::{samples, target};
use crate::harness::{Launch, Process, free_port, until};
use crate::peers::Version;
use crate::web_config::authority::Authority;

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file in a temporary directory");
    path.display().to_string()
}

/// A Prometheus that requires certificates of this authority. Its own has another name than its address. Returns its port.
fn guarded(authority: &Authority, folder: &TempDir) -> (Process, u16) {
    let path = |name: &str| folder.path().join(name);
    authority.issue("prometheus", &["metrics.internal"]).write(&path("server.pem"), &path("server.key"));
    let web = "tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, \
               client_ca_file: ca.pem}\n";
    let port = free_port(Ipv4Addr::LOCALHOST.into());
    let mut command = Command::new(Version::Three.prometheus());
    command.arg(format!("--config.file={}", write(folder, "prometheus.yml", "scrape_configs: []\n")));
    command.arg(format!("--storage.tsdb.path={}", path("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg(format!("--web.config.file={}", write(folder, "web.yml", web)));
    command.arg("--web.enable-remote-write-receiver");
    let prometheus = Process::start(command);
    until("Prometheus listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
    (prometheus, port)
}

#[apply(test)]
fn client_certificates_and_server_names_are_used_and_their_errors_named() {
    let folder = TempDir::new().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name);
    let [authority, other] = ["the authority of push", "another authority"].map(Authority::new);
    write(&folder, "ca.pem", &authority.pem());
    authority.issue("bridge", &["bridge"]).write(&path("bridge.pem"), &path("bridge.key"));
    other.issue("bridge", &["bridge"]).write(&path("foreign.pem"), &path("foreign.key"));
    let (_prometheus, port) = guarded(&authority, &folder);
    let config = |api: &str, tls: &str| {
        format!(
            "targets:\n- name: mutual\n  url: https://127.0.0.1:{port}/api/v1/{api}\n  timeout: 5s\n  tls_config: {{ca_file: ca.pem{tls}}}\n"
        )
    };
    let file = write(&folder, "push.yml", &config("write", ", cert_file: bridge.pem, key_file: bridge.key"));
    let bridge = Launch::new().arg(format!("--push.config.file={file}")).arg("--push.interval=1s").start();
    bridge.process.logs("set `server_name` to a name in its certificate");
    write(&folder, "push.yml", &config("write", ", server_name: metrics.internal"));
    bridge.process.logs("set `cert_file` and `key_file`");
    let foreign = ", server_name: metrics.internal, cert_file: foreign.pem, key_file: foreign.key";
    write(&folder, "push.yml", &config("write", foreign));
    bridge.process.logs("the receiver does not know the issuer of `cert_file`");
    assert_eq!(target(&bridge)["healthy"], false);
    let right = ", server_name: metrics.internal, cert_file: bridge.pem, key_file: bridge.key";
    write(&folder, "push.yml", &config("elsewhere", right));
    until("404", || (target(&bridge)["last_answer"]["status"] == 404).then_some(()));
    bridge.process.logs("the path is probably wrong: /api/v1/write for Prometheus");
    until("three cycles are rejected", || (samples(&bridge, "rejected") > 0).then_some(()));
    write(&folder, "push.yml", &config("write", right));
    until("samples are written", || (samples(&bridge, "written") > 0).then_some(()));
    assert_eq!(target(&bridge)["healthy"], true);
    // Each error stands in the log once a minute, and not with each of the requests.
    assert_eq!(bridge.process.log().matches("the path is probably wrong").count(), 1);
}
