//! Access control: TLS, client certificates, users, limits and sockets, tested with rustls, curl, OpenSSL, Python and Prometheus.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Process, Response, bridge_command, request, until};
use crate::page::Page;

mod asking;
pub mod authority;
pub mod client;
mod programs;
mod published;
mod sockets;

use authority::Authority;
use client::Client;

/// The password `right` at a low cost, so that tests are quick.
pub const RIGHT: &str = "$2y$04$Nmu6lGqkW2WdUd0rgqyqNu3k2kxEWe8j0Mt9Vfh7Ik.k3gK6N9vF6";

/// A folder with certificates and `web.yml`, and a bridge that reads it.
struct Guarded {
    folder: TempDir,
    authority: Authority,
    process: Process,
    web: SocketAddr,
}

/// The TLS section of the files.
const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// The lines that require client certificates.
const CLIENTS: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n";

impl Guarded {
    fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    fn start_with(config: &str, args: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let authority = Authority::new("the authority");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("ca.crt"), authority.pem()).expect("written");
        authority.issue("server", &["localhost", "127.0.0.1"]).write(&path("server.crt"), &path("server.key"));
        fs::write(path("web.yml"), config).expect("written");
        let mut command = plain_command();
        command.arg("--web.listen-address=127.0.0.1:0").arg(format!("--web.config.file={}", path("web.yml").display())).args(args);
        let mut process = Process::start(command);
        let web = ready(&mut process)[0];
        Self { folder, authority, process, web }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn client(&self) -> Client {
        Client::trusting(self.authority.pem())
    }

    fn get(&self, client: &Client, path: &str) -> Response {
        client.get(self.web, path, &[]).unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    fn page(&self, client: &Client, headers: &[(&str, &str)]) -> Page {
        let response = client.get(self.web, "/metrics", headers).expect("an answer");
        assert_eq!(response.status, 200, "{}", response.text());
        Page::parse(&response.text()).expect("a good page")
    }

    /// Waits until a counter has this value.
    fn counts(&self, client: &Client, metric: &str, value: f64) {
        let name = format!("statsd_bridge_{metric}");
        until(&format!("{name} is {value}"), || (self.page(client, &[]).value(&name) == Some(value)).then_some(()));
    }

    /// Replaces a file of the folder and waits until the log reports a reload, successful or not.
    fn replace(&self, name: &str, text: &str) {
        let lines = |log: &str| {
            log.lines().filter(|line| line.contains("web configuration reloaded") || line.contains("failed to reload the web")).count()
        };
        let before = lines(&self.process.log());
        fs::write(self.path("new"), text).expect("written");
        fs::rename(self.path("new"), self.path(name)).expect("renamed");
        until("the file is read again", || (lines(&self.process.log()) > before).then_some(()));
    }

    fn stop(mut self) {
        self.process.signal(Signal::TERM);
        assert!(self.process.wait().success(), "{}", self.process.log());
    }
}

/// The program without a StatsD port that another test might use.
fn plain_command() -> Command {
    let mut command = bridge_command();
    command.args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--shutdown.linger=0s", "--udp.workers=1"]);
    command
}

/// Waits until the program is ready. Returns the TCP addresses of its HTTP listeners, in the order of the flags.
pub fn ready(process: &mut Process) -> Vec<SocketAddr> {
    until("the bridge is ready", || {
        let ended = process.try_wait();
        assert!(ended.is_none(), "the bridge ended: {ended:?}\n{}", process.log());
        process.log().lines().any(|line| line.ends_with("msg=ready") || line.contains("message=ready")).then_some(())
    });
    let log = process.log();
    let listening = log.lines().filter(|line| line.contains("listening on http"));
    listening.filter_map(|line| line.split("address=").nth(1)?.split_whitespace().next()?.trim_matches('"').parse().ok()).collect()
}

/// The exit code and the output of a run that ends by itself.
fn run(mut command: Command) -> (Option<i32>, String) {
    let output = command.stdin(std::process::Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

#[apply(test)]
fn tls_is_served_and_nothing_else() {
    let bridge = Guarded::start(TLS);
    let client = bridge.client();
    assert!(bridge.process.log().contains(&format!("https://{}/metrics", bridge.web)), "{}", bridge.process.log());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert_eq!(bridge.get(&bridge.client().only(version), "/-/ready").status, 200, "{version:?}");
    }
    // A request over plain HTTP gets a readable error.
    let mut plain = TcpStream::connect(bridge.web).expect("connected");
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 400 Bad Request\r\n") && answer.ends_with("an HTTP request to an HTTPS server.\n"), "{answer}");
    // The client does not trust the authority.
    let other = Authority::new("another");
    assert!(Client::trusting(other.pem()).get(bridge.web, "/", &[]).is_err());
    drop(TcpStream::connect(bridge.web).expect("connected"));
    for reason in ["not_tls", "alert", "closed"] {
        bridge.counts(&client, &format!("tls_handshake_errors_total{{reason=\"{reason}\"}}"), 1.0);
    }
    bridge.stop();
}

#[apply(test)]
fn a_client_proves_who_it_is() {
    let bridge =
        Guarded::start(&format!("{TLS}{CLIENTS}  client_allowed_sans: [scraper.example, 10.9.8.7, spiffe://a/b, me@example.org]\n"));
    let good = bridge.client().with(bridge.authority.issue("client", &["other", "scraper.example"]));
    assert_eq!(bridge.get(&good, "/-/ready").status, 200);
    for name in ["10.9.8.7", "spiffe://a/b", "me@example.org"] {
        let client = bridge.client().with(bridge.authority.issue("client", &[name]));
        assert_eq!(bridge.get(&client, "/-/ready").status, 200, "{name}");
    }
    let stranger = Authority::new("the authority");
    let refused = [
        ("no_certificate", bridge.client()),
        ("bad_certificate", bridge.client().with(stranger.issue("client", &["scraper.example"]))),
        ("bad_certificate", bridge.client().with(bridge.authority.issue_expired("client", &["scraper.example"]))),
        ("san_not_allowed", bridge.client().with(bridge.authority.issue("client", &["x.scraper.example", "10.9.8.6"]))),
        ("san_not_allowed", bridge.client().with(bridge.authority.issue("scraper.example", &[]))),
    ];
    for (reason, client) in &refused {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let answer = client.clone().only(version).get(bridge.web, "/-/ready", &[]);
            assert!(answer.is_err(), "{reason}: {}", answer.unwrap().status);
        }
    }
    for (reason, count) in [("no_certificate", 2.0), ("bad_certificate", 4.0), ("san_not_allowed", 4.0)] {
        bridge.counts(&good, &format!("tls_handshake_errors_total{{reason=\"{reason}\"}}"), count);
    }
    bridge.stop();
}

#[apply(test)]
fn each_way_of_asking_for_certificates_does_what_it_says() {
    // Clients: without a certificate, with a certificate of an unknown authority, with a valid certificate.
    for (auth, expected) in [
        ("NoClientCert", [true, true, true]),
        ("RequestClientCert", [true, true, true]),
        ("RequireAnyClientCert", [false, true, true]),
        ("VerifyClientCertIfGiven", [true, false, true]),
        ("RequireAndVerifyClientCert", [false, false, true]),
    ] {
        let ca = if auth.contains("Verify") { "  client_ca_file: ca.crt\n" } else { "" };
        let bridge = Guarded::start(&format!("{TLS}  client_auth_type: {auth}\n{ca}"));
        let stranger = Authority::new("a stranger");
        let clients = [
            bridge.client(),
            bridge.client().with(stranger.issue("client", &["a"])),
            bridge.client().with(bridge.authority.issue("client", &["a"])),
        ];
        let found = clients.map(|client| client.get(bridge.web, "/-/ready", &[]).is_ok());
        assert_eq!(found, expected, "{auth}");
        bridge.stop();
    }
}

#[apply(test)]
fn a_certificate_that_signed_itself_is_good_where_it_is_named() {
    let bridge = Guarded::start(&format!("{TLS}{CLIENTS}"));
    let named = Authority::new("itself");
    assert!(bridge.client().with(named.itself()).get(bridge.web, "/-/ready", &[]).is_err());
    bridge.replace("ca.crt", &named.pem());
    assert_eq!(bridge.client().with(named.itself()).get(bridge.web, "/-/ready", &[]).expect("accepted").status, 200);
    let issued = bridge.client().with(bridge.authority.issue("client", &["a"]));
    assert!(issued.get(bridge.web, "/-/ready", &[]).is_err(), "the old authority is gone");
    bridge.stop();
}

#[apply(test)]
fn users_and_headers_hold_for_every_path() {
    let config = format!("basic_auth_users: {{ann: \"{RIGHT}\"}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}\n");
    let bridge = Guarded::start(&config);
    let get = |path: &str, headers: &[(&str, &str)]| request(bridge.web, "GET", path, headers).expect("an answer");
    let (right, wrong, unknown) = (basic("ann", "right"), basic("ann", "wrong"), basic("eve", "right"));
    for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/rules", "/nowhere"] {
        for headers in [&[][..], &[("Authorization", wrong.as_str())], &[("Authorization", unknown.as_str())]] {
            let response = get(path, headers);
            assert_eq!((response.status, &*response.text()), (401, "Unauthorized\n"), "{path}");
            assert_eq!((response.header("www-authenticate"), response.header("x-frame-options")), ("Basic", "deny"), "{path}");
        }
        let response = get(path, &[("Authorization", &right)]);
        assert_eq!(response.status, if path == "/nowhere" { 404 } else { 200 }, "{path}");
        assert_eq!(response.header("x-frame-options"), "deny", "{path}");
    }
    let page = Page::parse(&get("/metrics", &[("Authorization", &right)]).text()).expect("a good page");
    assert_eq!(page.value("statsd_bridge_http_unauthorized_total"), Some(18.0));
    // A removed user is rejected. After a reload of an empty file, requests without a password are still rejected.
    bridge.replace("web.yml", "");
    assert_eq!(get("/metrics", &[]).status, 401);
    bridge.replace("web.yml", &format!("basic_auth_users: {{bob: \"{RIGHT}\"}}\n"));
    assert_eq!(get("/metrics", &[("Authorization", &right)]).status, 401);
    assert_eq!(get("/metrics", &[("Authorization", &basic("bob", "right"))]).status, 200);
    bridge.stop();
}

#[apply(test)]
fn a_rate_is_kept() {
    let bridge = Guarded::start("rate_limit: {interval: 1h, burst: 3}\n");
    let status = |path| request(bridge.web, "GET", path, &[]).expect("an answer").status;
    assert_eq!([0; 5].map(|_| status("/metrics")), [200, 200, 200, 429, 429]);
    for probe in ["/-/healthy", "/-/ready", "//-/ready", "/healthz"] {
        assert_eq!(status(probe), 200, "{probe} counts in no rate");
    }
    bridge.replace("web.yml", "{}\n");
    let page = request(bridge.web, "GET", "/metrics", &[]).expect("an answer").text();
    assert_eq!(Page::parse(&page).expect("a good page").value("statsd_bridge_http_rate_limited_total"), Some(2.0));
    bridge.stop();
}

#[apply(test)]
fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let bridge = Guarded::start(TLS);
    let client = bridge.client();
    let mut kept = client.connect(bridge.web).expect("a connection");
    assert_eq!(kept.get("/-/ready").expect("an answer").status, 200);
    let first = kept.server_certificate();
    // The certificate is replaced, and the key is not yet.
    let new = bridge.authority.issue("server", &["localhost", "127.0.0.1"]);
    bridge.replace("server.crt", &new.certificate);
    bridge.counts(&client, "web_config_reloads_total{outcome=\"failure\"}", 1.0);
    bridge.process.logs("the private key does not match the certificate");
    let second = client.connect(bridge.web).expect("a connection").server_certificate();
    assert_eq!(second, first, "the old pair stays");
    bridge.replace("server.key", &new.key);
    bridge.counts(&client, "web_config_reloads_total{outcome=\"success\"}", 1.0);
    assert_ne!(client.connect(bridge.web).expect("a connection").server_certificate(), first);
    assert_eq!(kept.get("/-/ready").expect("the connection is still there").status, 200);
    for (name, text) in [("server.crt", "rubbish"), ("web.yml", ""), ("web.yml", "tls_server_config: {cert_file: x}")] {
        bridge.replace(name, text);
        assert_eq!(bridge.get(&client, "/-/ready").status, 200, "{name} {text}");
    }
    bridge.stop();
}

#[apply(test)]
fn a_handshake_that_does_not_come_takes_no_place() {
    let bridge = Guarded::start_with(TLS, &["--web.max-connections=2"]);
    let client = bridge.client();
    let mut silent = TcpStream::connect(bridge.web).expect("connected");
    let mut second = client.connect(bridge.web).expect("a connection");
    let mut third = client.connect(bridge.web).expect("a connection beside the silent one");
    for connection in [&mut second, &mut third] {
        assert_eq!(connection.get("/-/ready").expect("an answer").status, 200);
    }
    let page = bridge.page(&client, &[]);
    assert_eq!(page.sum_where("statsd_bridge_http_connections_cut_total", "reason", "crowded"), 1.0, "one went for this page");
    assert_eq!(page.value("statsd_bridge_http_connections_open"), Some(2.0));
    silent.set_nonblocking(true).expect("set");
    assert!(silent.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it is still there");
    bridge.stop();
}

/// A file that requires a password.
fn users() -> String {
    format!("basic_auth_users: {{ann: \"{RIGHT}\"}}\n")
}
