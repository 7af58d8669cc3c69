//! Who may read: TLS, certificates of clients, users, limits, sockets, seen by rustls, curl, OpenSSL, Python and Prometheus.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{DEADLINE, Process, Response, bridge_command, free_port, parse_response, request, until};
use crate::page::Page;
use crate::peers;

mod authority;
mod client;

use authority::Authority;
use client::Client;

/// The password `right` at a low cost, so that tests are quick.
const RIGHT: &str = "$2y$04$Nmu6lGqkW2WdUd0rgqyqNu3k2kxEWe8j0Mt9Vfh7Ik.k3gK6N9vF6";

/// A folder with certificates and `web.yml`, and a bridge that reads it.
struct Guarded {
    folder: TempDir,
    authority: Authority,
    process: Process,
    web: SocketAddr,
}

/// The part that all files with TLS share.
const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// What is appended to demand certificates.
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

    /// Replaces a file of the folder and waits until the log says that all was read again `times` times.
    fn replace(&self, name: &str, text: &str) {
        let lines = |log: &str| log.lines().filter(|line| line.contains("web configuration was read again")).count();
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

/// The program with no StatsD port that another test might want.
fn plain_command() -> Command {
    let mut command = bridge_command();
    command.args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--shutdown.linger=0s", "--udp.workers=1"]);
    command
}

/// Waits until the program is ready; the TCP addresses that it serves HTTP on, in the order of its flags.
fn ready(process: &mut Process) -> Vec<SocketAddr> {
    until("the bridge is ready", || {
        let ended = process.try_wait();
        assert!(ended.is_none(), "the bridge ended: {ended:?}\n{}", process.log());
        process.log().lines().any(|line| line.ends_with("msg=ready") || line.contains("message=ready")).then_some(())
    });
    let log = process.log();
    let listening = log.lines().filter(|line| line.contains("listening on http"));
    listening.filter_map(|line| line.split("address=").nth(1)?.split_whitespace().next()?.trim_matches('"').parse().ok()).collect()
}

/// Exit code and all that it printed, of a run that ends by itself.
fn run(mut command: Command) -> (Option<i32>, String) {
    let output = command.stdin(std::process::Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn tls_is_served_and_nothing_else() {
    let bridge = Guarded::start(TLS);
    let client = bridge.client();
    assert!(bridge.process.log().contains(&format!("https://{}/metrics", bridge.web)), "{}", bridge.process.log());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert_eq!(bridge.get(&bridge.client().only(version), "/-/ready").status, 200, "{version:?}");
    }
    // Plain HTTP gets an answer in plain words.
    let mut plain = TcpStream::connect(bridge.web).expect("connected");
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 400 Bad Request\r\n") && answer.ends_with("an HTTP request to an HTTPS server.\n"), "{answer}");
    // A client that does not know the authority.
    let other = Authority::new("another");
    assert!(Client::trusting(other.pem()).get(bridge.web, "/", &[]).is_err());
    drop(TcpStream::connect(bridge.web).expect("connected"));
    for reason in ["not_tls", "alert", "closed"] {
        bridge.counts(&client, &format!("tls_handshake_errors_total{{reason=\"{reason}\"}}"), 1.0);
    }
    bridge.stop();
}

#[test]
fn openssl_is_refused_what_is_not_offered() {
    let Some(openssl) = peers::program("openssl") else { return };
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

#[test]
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

#[test]
fn each_way_of_asking_for_certificates_does_what_it_says() {
    // Who connects: nobody in particular, somebody unknown, somebody known.
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

#[test]
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

#[test]
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
    // A user who is taken out may not read any more; an empty file lets nobody in.
    bridge.replace("web.yml", "");
    assert_eq!(get("/metrics", &[]).status, 401);
    bridge.replace("web.yml", &format!("basic_auth_users: {{bob: \"{RIGHT}\"}}\n"));
    assert_eq!(get("/metrics", &[("Authorization", &right)]).status, 401);
    assert_eq!(get("/metrics", &[("Authorization", &basic("bob", "right"))]).status, 200);
    bridge.stop();
}

#[test]
fn a_rate_is_kept() {
    let bridge = Guarded::start("rate_limit: {interval: 1h, burst: 3}\n");
    let statuses = [0; 5].map(|_| request(bridge.web, "GET", "/-/healthy", &[]).expect("an answer").status);
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    bridge.replace("web.yml", "{}\n");
    let page = request(bridge.web, "GET", "/metrics", &[]).expect("an answer").text();
    assert_eq!(Page::parse(&page).expect("a good page").value("statsd_bridge_http_rate_limited_total"), Some(2.0));
    bridge.stop();
}

#[test]
fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let bridge = Guarded::start(TLS);
    let client = bridge.client();
    let mut kept = client.connect(bridge.web).expect("a connection");
    assert_eq!(kept.get("/-/ready").expect("an answer").status, 200);
    let first = kept.server_certificate();
    // Half of a pair, as while it is being replaced.
    let new = bridge.authority.issue("server", &["localhost", "127.0.0.1"]);
    bridge.replace("server.crt", &new.certificate);
    bridge.counts(&client, "web_config_reloads_total{outcome=\"failure\"}", 1.0);
    assert!(bridge.process.log().contains("this key does not belong to the certificate"), "{}", bridge.process.log());
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

#[test]
fn curl_speaks_http2_and_is_refused_like_anybody() {
    let Some(curl) = peers::program("curl") else { return };
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
    // A header beyond the limit ends its request and not the server.
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

#[test]
fn python_reads_with_a_certificate_and_a_password() {
    let Some(python) = peers::python_with_clients() else { return };
    let bridge = Guarded::start(&format!("{TLS}{CLIENTS}basic_auth_users: {{ann: \"{RIGHT}\"}}\n"));
    bridge.authority.issue("client", &["a"]).write(&bridge.path("client.crt"), &bridge.path("client.key"));
    let mut command = Command::new(python);
    command.arg(peers::repository().join("tests/python/read_guarded.py")).arg(format!("https://{}", bridge.web)).arg(bridge.folder.path());
    let (code, output) = run(command);
    assert_eq!((code, output.trim()), (Some(0), "all as expected"), "{output}");
    bridge.stop();
}

#[test]
fn prometheus_scrapes_with_a_certificate_and_a_password() {
    let Some(program) = peers::prometheus() else { return };
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
        (targets.len() == 3 && targets.iter().all(|target| target["health"] != "unknown")).then_some(targets)
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

#[test]
fn a_bad_file_ends_the_start_and_the_check() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("web.yml");
    let check = |text: &str, args: &[&str]| {
        fs::write(&path, text).expect("written");
        let mut command = plain_command();
        command.arg("--web.listen-address=127.0.0.1:0").arg(format!("--web.config.file={}", path.display())).args(args);
        run(command)
    };
    for args in [&[][..], &["--check-config"]] {
        let (code, output) = check("tls_server_config:\n  cert_filse: x\n", args);
        assert_eq!(code, Some(1), "{output}");
        let expected = format!("{}:2:3: `tls_server_config` has no key `cert_filse`; did you mean `cert_file`?", path.display());
        assert!(output.contains(&expected), "{output}");
    }
    let (code, output) = check("rate_limit: {interval: 1s}\n", &["--check-config"]);
    assert!(code == Some(0) && output.contains("web.yml:1:24: `burst` is 0"), "{output}");
    let mut command = plain_command();
    command.args(["--web.listen-address=127.0.0.1:0", "--web.config.file=no/such/file"]);
    let (code, output) = run(command);
    assert!(code == Some(1) && output.contains("cannot read no/such/file: No such file or directory"), "{output}");
}

#[test]
fn several_addresses_a_unix_socket_and_an_admin_of_its_own() {
    let folder = TempDir::new().expect("a temporary folder");
    let socket = folder.path().join("web.sock");
    let mut command = plain_command();
    command.args(["--web.listen-address=127.0.0.1:0", "--web.listen-address=127.0.0.1:0", "--web.admin-listen-address=127.0.0.1:0"]);
    command.arg(format!("--web.listen-address=unix:{}", socket.display())).args(["--web.enable-lifecycle", "--web.enable-admin-api"]);
    let mut process = Process::start(command);
    let addresses = ready(&mut process);
    let &[first, second, admin] = addresses.as_slice() else { panic!("{addresses:?}\n{}", process.log()) };
    let status = |to: SocketAddr, method: &str, path: &str| request(to, method, path, &[]).expect("an answer").status;
    for address in [first, second, admin] {
        assert_eq!(status(address, "GET", "/metrics"), 200);
    }
    let mut stream = UnixStream::connect(&socket).expect("connected");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream.write_all(b"GET /-/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert_eq!(parse_response(&answer).expect("HTTP").status, 200);
    for path in ["/-/reload", "/-/quit", "/api/v1/series/delete?match[]=x"] {
        assert_eq!(status(first, "POST", path), 404, "{path}");
    }
    assert_eq!(status(admin, "POST", "/-/reload"), 200);
    assert_eq!(status(admin, "POST", "/api/v1/series/delete?match[]=x"), 200);
    assert_eq!(status(admin, "POST", "/-/quit"), 200);
    assert!(process.wait().success());
    assert!(!socket.exists(), "its path is removed");
}

#[test]
fn other_networks_are_not_let_in() {
    let allowed = |networks: &[&str]| {
        let mut command = plain_command();
        command.arg("--web.listen-address=127.0.0.1:0").arg("--web.admin-listen-address=[::1]:0");
        command.args(networks.iter().map(|network| format!("--web.allow-from={network}")));
        let mut process = Process::start(command);
        let addresses = ready(&mut process);
        (process, addresses)
    };
    let (process, addresses) = allowed(&["10.0.0.0/8", "::1"]);
    assert!(request(addresses[0], "GET", "/metrics", &[]).is_err(), "closed at once");
    let page = request(addresses[1], "GET", "/metrics", &[]).expect("an answer").text();
    assert_eq!(Page::parse(&page).expect("a good page").value("statsd_bridge_http_connections_denied_total"), Some(1.0));
    drop(process);
    let (_process, addresses) = allowed(&["127.0.0.0/8"]);
    assert_eq!(request(addresses[0], "GET", "/metrics", &[]).expect("an answer").status, 200);
}

#[test]
fn sockets_of_systemd_are_taken() {
    let Some(python) = peers::program("python3") else { return };
    // What systemd does: the sockets are open from number 3 on, and the environment says how many and whose.
    let script = "import os, socket, sys\n\
        def open(family, address):\n\
        \x20   made = socket.socket(family, socket.SOCK_STREAM)\n\
        \x20   made.bind(address)\n\
        \x20   made.listen()\n\
        \x20   return made\n\
        tcp, unix = open(socket.AF_INET, ('127.0.0.1', 0)), open(socket.AF_UNIX, sys.argv[1])\n\
        high = [os.dup2(s.fileno(), n + 20, False) for n, s in enumerate([tcp, unix])]\n\
        for n, number in enumerate(high): os.dup2(number, n + 3, True)\n\
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2')\n\
        os.execv(sys.argv[2], sys.argv[2:])\n";
    let folder = TempDir::new().expect("a temporary folder");
    let socket = folder.path().join("web.sock");
    let bridge = plain_command();
    let mut command = Command::new(python);
    command.args(["-c", script]).arg(&socket).arg(bridge.get_program()).args(bridge.get_args()).arg("--web.systemd-socket");
    let mut process = Process::start(command);
    let addresses = ready(&mut process);
    assert_eq!(addresses.len(), 1, "{}", process.log());
    assert_eq!(request(addresses[0], "GET", "/-/ready", &[]).expect("an answer").status, 200);
    assert!(UnixStream::connect(&socket).is_ok());
    process.signal(Signal::TERM);
    assert!(process.wait().success());
    let mut alone = plain_command();
    alone.arg("--web.systemd-socket");
    let (code, output) = run(alone);
    assert!(code == Some(1) && output.contains("systemd has given no stream socket"), "{output}");
}

#[test]
fn a_handshake_that_does_not_come_takes_a_place_among_the_connections() {
    let bridge = Guarded::start_with(TLS, &["--web.max-connections=2"]);
    let client = bridge.client();
    let kept = client.connect(bridge.web).expect("a connection");
    let silent = TcpStream::connect(bridge.web).expect("connected");
    until("the third is refused", || client.connect(bridge.web).is_err().then_some(()));
    drop((silent, kept));
    until("there is room again", || client.get(bridge.web, "/-/ready", &[]).ok());
    bridge.stop();
}

#[test]
fn the_health_check_needs_neither_password_nor_certificate() {
    let check = |bridge: &Guarded, args: &[&str]| {
        let mut command = bridge_command();
        command.arg("healthcheck").arg(format!("--web.listen-address={}", bridge.web)).args(args);
        run(command)
    };
    for config in [TLS.to_owned(), format!("{TLS}{CLIENTS}"), format!("{TLS}  max_version: TLS12\n{CLIENTS}"), format!("{TLS}{}", users())]
    {
        let bridge = Guarded::start(&config);
        let file = format!("--web.config.file={}", bridge.path("web.yml").display());
        let (code, output) = check(&bridge, &[&file]);
        assert_eq!((code, output.trim()), (Some(0), "ready"), "{config}: {output}");
        let (code, output) = check(&bridge, &[]);
        assert_eq!(code, Some(1), "over plain HTTP: {output}");
        bridge.stop();
    }
    let bridge = Guarded::start(&users());
    let file = format!("--web.config.file={}", bridge.path("web.yml").display());
    assert_eq!(check(&bridge, &[&file]).0, Some(0));
    assert_eq!(check(&bridge, &[]).0, Some(1), "a password that nobody spoke of");
    let web = bridge.web;
    bridge.stop();
    let mut command = bridge_command();
    command.arg("healthcheck").arg(format!("--web.listen-address={web}"));
    assert_eq!(run(command).0, Some(1), "nobody listens");
}

/// A file that asks for a password.
fn users() -> String {
    format!("basic_auth_users: {{ann: \"{RIGHT}\"}}\n")
}
