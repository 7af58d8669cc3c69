//! TLS over TCP for lines (`--statsd.tls-config-file`): real clients with and without certificates, reloads, clients of the wrong protocol,
//! stalled handshakes, vanishing senders, limits.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use socket2::{Domain, SockRef, Socket, Type};
use tempfile::TempDir;

use crate::harness::{DEADLINE, Launch, Running, bridge_command, own, until};
use crate::page::Page;
use crate::peers;
use crate::systemd::pass;
use crate::web_config::authority::{Authority, Issued};
use crate::web_config::client::Client;

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
/// The lines that require client certificates.
const CLIENTS: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n";

/// A folder with certificates and `tls.yml`.
struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    fn new(config: &str) -> Self {
        let files = Self { folder: TempDir::new().expect("a temporary folder"), authority: Authority::new("the authority") };
        files.write("ca.crt", &files.authority.pem());
        files.renew();
        files.write("tls.yml", config);
        files
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// Writes a new certificate of the server. Returns it.
    fn renew(&self) -> Issued {
        let issued = self.authority.issue("server", &["localhost", "127.0.0.1"]);
        self.write("server.crt", &issued.certificate);
        self.write("server.key", &issued.key);
        issued
    }

    /// Writes a certificate of a client, and its key. Returns both.
    fn client_files(&self) -> Issued {
        let issued = self.authority.issue("client", &["client.example"]);
        self.write("client.crt", &issued.certificate);
        self.write("client.key", &issued.key);
        issued
    }

    fn launch(&self) -> Launch {
        Launch::new().arg(format!("--statsd.tls-config-file={}", self.path("tls.yml")))
    }

    fn client(&self) -> Client {
        Client::trusting(self.authority.pem())
    }
}

fn errors(page: &Page, reason: &str) -> f64 {
    page.sum_where("statsd_bridge_tcp_tls_errors_total", "reason", reason)
}

fn all_errors(page: &Page) -> f64 {
    page.sum("statsd_bridge_tcp_tls_errors_total")
}

fn truncated(page: &Page) -> f64 {
    page.sum_where("statsd_bridge_sample_errors_total", "reason", "truncated_line")
}

/// Waits until all of this many connections are closed.
fn closed(bridge: &Running, connections: usize) -> Page {
    bridge.page_when("all connections are closed", |page| {
        own(page, "tcp_connections_total") == connections as f64 && own(page, "tcp_connections_open") == 0.0
    })
}

/// Whether the bridge closed a connection of plain TCP, after an alert if it sent one.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.read_to_end(&mut Vec::new()).map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true)
}

#[apply(test)]
fn ten_thousand_samples_over_eight_connections_are_exact() {
    let files = Files::new(TLS);
    let bridge = files.launch().start();
    bridge.process.logs("listening on tcp with tls");
    let to = bridge.statsd;
    let senders: Vec<_> = (0..8)
        .map(|number| {
            let version = if number % 2 == 0 { &rustls::version::TLS12 } else { &rustls::version::TLS13 };
            let client = files.client().only(version);
            thread::spawn(move || {
                let mut connection = client.connect(to).expect("a handshake");
                // Pieces of 7 bytes cut lines at every place.
                for piece in "tls:1|c\ntls:2|c\n".repeat(625).as_bytes().chunks(if number < 4 { 7 } else { 10_000 }) {
                    connection.send(piece).expect("it is taken");
                }
                // Without the closing message of TLS, complete lines are recorded too.
                if number % 4 < 2 { connection.close() } else { drop(connection) }
            })
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().expect("it sends"));
    let page = bridge.page_at(10_000);
    assert_eq!(page.value("tls"), Some(15_000.0));
    let sources = bridge.get("/api/v1/sources").text();
    assert!(sources.contains("\"source\":\"tcp 127.0.0.1\"") && sources.contains("\"samples\":10000"), "{sources}");
    let page = closed(&bridge, 8);
    assert_eq!((all_errors(&page), own(&page, "tcp_connection_errors_total"), truncated(&page)), (0.0, 0.0, 0.0));
    bridge.stop();
}

/// Sends 10,000 lines and closes the socket at once, with nothing read and without the closing message of TLS.
const PYTHON: &str = "
import socket, ssl, sys
host, port, folder, version = sys.argv[1:]
context = ssl.create_default_context(cafile=folder + '/ca.crt')
context.load_cert_chain(folder + '/client.crt', folder + '/client.key')
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
stream = context.wrap_socket(socket.create_connection((host, int(port))), server_hostname='localhost')
stream.sendall(b''.join(b'python:1|c|#tag:%d\\n' % (n % 10) for n in range(10000)))
stream.close()
";

#[apply(test)]
fn python_and_openssl_send_everything_with_and_without_a_client_certificate() {
    let (python, openssl) = (peers::program("python3"), peers::program("openssl"));
    for config in [TLS.to_owned(), format!("{TLS}{CLIENTS}")] {
        let files = Files::new(&config);
        files.client_files();
        let bridge = files.launch().start();
        for version in ["TLSv1_2", "TLSv1_3"] {
            let mut command = Command::new(&python);
            command.args(["-c", PYTHON, &bridge.statsd.ip().to_string(), &bridge.statsd.port().to_string()]);
            let output = command.arg(files.folder.path()).arg(version).output().expect("Python runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let mut command = Command::new(&openssl);
        command.args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-connect", &bridge.statsd.to_string()]);
        command.args(["-CAfile", &files.path("ca.crt"), "-cert", &files.path("client.crt"), "-key", &files.path("client.key")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("OpenSSL runs");
        child.stdin.take().expect("a pipe").write_all("openssl:1|c\n".repeat(1000).as_bytes()).expect("it is taken");
        assert!(child.wait().expect("it ends").success());
        let page = closed(&bridge, 3);
        assert_eq!((page.sum("python"), page.value("openssl")), (20_000.0, Some(1000.0)));
        assert_eq!(all_errors(&page), 0.0);
        bridge.stop();
    }
}

#[apply(test)]
fn a_sender_proves_who_it_is() {
    let files = Files::new(&format!("{TLS}{CLIENTS}  client_allowed_sans: [client.example]\n"));
    let bridge = files.launch().start();
    let send = |client: Client| {
        // With TLS 1.3 the server rejects a client after the client's part of the handshake, so that a first write may succeed.
        client.connect(bridge.statsd).is_ok_and(|mut connection| {
            drop(connection.send(b"sent:1|c\n"));
            connection.tcp().shutdown(std::net::Shutdown::Write).is_ok() && connection.is_ended()
        })
    };
    let foreign = Authority::new("another authority");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = || files.client().only(version);
        send(client());
        send(client().with(foreign.issue("client", &["client.example"])));
        send(client().with(files.authority.issue_expired("client", &["client.example"])));
        send(client().with(files.authority.issue("client", &["other.example"])));
        // This client does not trust the bridge.
        send(Client::trusting(foreign.pem()).only(version));
        assert!(send(client().with(files.client_files())));
    }
    let page = closed(&bridge, 12);
    let reasons = ["no_certificate", "bad_certificate", "san_not_allowed", "alert"];
    assert_eq!(reasons.map(|reason| errors(&page, reason)), [2.0, 4.0, 2.0, 2.0]);
    assert_eq!((all_errors(&page), page.value("sent")), (10.0, Some(2.0)));
    assert_eq!(own(&page, "lines_total"), 2.0);
    bridge.process.logs("connection closed: the TLS handshake failed");
    bridge.process.logs("reason=san_not_allowed");
    bridge.stop();
}

#[apply(test)]
fn versions_and_curves_are_those_of_the_file() {
    let files = Files::new(&format!("{TLS}  min_version: TLS13\n  curve_preferences: [CurveP384]\n"));
    let bridge = files.launch().start();
    assert!(files.client().only(&rustls::version::TLS12).connect(bridge.statsd).is_err());
    let mut connection = files.client().only(&rustls::version::TLS13).connect(bridge.statsd).expect("a handshake");
    connection.send(b"new:1|c\n").expect("it is taken");
    connection.close();
    let page = closed(&bridge, 2);
    assert_eq!((errors(&page, "incompatible"), all_errors(&page), page.value("new")), (1.0, 1.0, Some(1.0)));
    bridge.stop();
}

#[apply(test)]
fn a_new_certificate_is_for_new_connections_and_a_broken_one_for_none() {
    let files = Files::new(TLS);
    let bridge = files.launch().start();
    let reloads = |outcome| bridge.page().sum_where("statsd_bridge_tcp_tls_config_reloads_total", "outcome", outcome);
    let is_good = || own(&bridge.page(), "tcp_tls_config_last_reload_successful") == 1.0;
    assert!(is_good());
    let mut first = files.client().connect(bridge.statsd).expect("a handshake");
    let old = first.server_certificate();
    files.renew();
    until("the new certificate is in force", || (reloads("success") >= 1.0 && is_good()).then_some(()));
    bridge.process.logs("TLS configuration of listeners reloaded");
    let mut second = files.client().connect(bridge.statsd).expect("a handshake");
    let new = second.server_certificate();
    assert_ne!(new, old);
    let failed = reloads("failure");
    files.write("server.crt", "-----BEGIN CERTIFICATE-----\n");
    bridge.process.signal(Signal::HUP);
    until("the broken file is rejected", || (reloads("failure") > failed).then_some(()));
    assert!(!is_good());
    bridge.process.logs("tls.yml:2:14: `cert_file` is not valid PEM");
    bridge.process.logs("failed to reload the TLS configuration of listeners");
    let mut third = files.client().connect(bridge.statsd).expect("a handshake");
    assert_eq!(third.server_certificate(), new);
    for connection in [&mut first, &mut second, &mut third] {
        connection.send(b"still:1|c\n").expect("it is open");
    }
    bridge.page_when("all connections are open", |page| page.value("still") == Some(3.0) && own(page, "tcp_connections_open") == 3.0);
    files.renew();
    until("the certificate is good again", || is_good().then_some(()));
    bridge.stop();
}

#[apply(test)]
fn plain_text_to_a_port_with_tls_is_counted_and_named() {
    let files = Files::new(TLS);
    let bridge = files.launch().start();
    for text in ["plain:1|c\n", "GET / HTTP/1.1\r\n\r\n", "\n", "\u{80}"] {
        let mut stream = bridge.tcp();
        stream.write_all(text.as_bytes()).expect("it is taken");
        assert!(is_closed(&mut stream), "{text:?}");
    }
    // What begins like TLS and is none.
    let mut stream = bridge.tcp();
    stream.write_all(b"\x16nothing that a record may contain\n").expect("it is taken");
    assert!(is_closed(&mut stream));
    // A probe that connects and leaves is no error.
    drop(bridge.tcp());
    let page = closed(&bridge, 6);
    assert_eq!((errors(&page, "not_tls"), all_errors(&page)), (5.0, 5.0));
    assert_eq!((own(&page, "lines_total"), own(&page, "tcp_connection_errors_total")), (0.0, 0.0));
    bridge.process.logs("connection closed: the client sends plain text, and --statsd.tls-config-file requires TLS");
    bridge.process.logs("source=\"tcp 127.0.0.1:");
    let log = bridge.stop();
    assert_eq!(log.matches("sends plain text").count(), 1, "a second message comes a minute later\n{log}");
}

#[apply(test)]
fn tls_to_a_port_without_tls_is_counted_and_named() {
    let files = Files::new(TLS);
    let bridge = Launch::new().start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert!(files.client().only(version).connect(bridge.statsd).is_err());
    }
    // The first bytes one by one, and more that would be lines.
    let mut stream = bridge.tcp();
    for piece in [&b"\x16"[..], b"\x03", b"\x01\x02\n\x01\0garbage:1|c\n"] {
        stream.set_nodelay(true).expect("an option");
        drop(stream.write_all(piece));
        thread::sleep(Duration::from_millis(20));
    }
    assert!(is_closed(&mut stream));
    let page = closed(&bridge, 3);
    assert_eq!((errors(&page, "unexpected_tls"), all_errors(&page)), (3.0, 3.0));
    assert_eq!((own(&page, "lines_total"), own(&page, "samples_total"), page.value("garbage")), (0.0, 0.0, None));
    bridge.process.logs("connection closed: the client uses TLS, and this listener has none; set --statsd.tls-config-file");
    // Bytes that only begin like a handshake are a line.
    bridge.tcp().write_all(b"\x16\x03\x09:1|c\n").expect("it is taken");
    let page = closed(&bridge, 4);
    assert_eq!((all_errors(&page), own(&page, "lines_total")), (3.0, 1.0));
    bridge.stop();
}

#[apply(test)]
fn hundreds_of_stalled_handshakes_hold_up_nobody() {
    const STALLED: usize = 300;
    let files = Files::new(TLS);
    let bridge = files.launch().start();
    let stalled: Vec<TcpStream> = (0..STALLED)
        .map(|number| {
            let mut stream = bridge.tcp();
            // Silent, a byte, or the beginning of a record of 512 bytes.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc][..[0, 1, 9][number % 3]]).expect("it is taken");
            stream
        })
        .collect();
    let start = Instant::now();
    bridge
        .page_when("all are open", |page| own(page, "tcp_connections_open") == STALLED as f64 || start.elapsed() > Duration::from_secs(8));
    let mut connection = files.client().connect(bridge.statsd).expect("a handshake");
    for _ in 0..1000 {
        connection.send(b"good:1|c\n").expect("it is taken");
    }
    connection.close();
    bridge.page_when("the good samples are recorded", |page| page.value("good") == Some(1000.0));
    let page = closed(&bridge, STALLED + 1);
    assert_eq!((errors(&page, "timeout"), all_errors(&page)), (STALLED as f64, STALLED as f64));
    assert!(start.elapsed() >= Duration::from_secs(9), "the deadline of a handshake is 10 s");
    bridge.process.logs("the TLS handshake took too long");
    drop(stalled);
    bridge.stop();
}

#[apply(test)]
fn senders_vanish_and_the_accounting_closes() {
    let files = Files::new(TLS);
    let bridge = files.launch().start();
    let connect = || files.client().connect(bridge.statsd).expect("a handshake");
    // Closed properly: the last line needs no newline.
    let mut whole = connect();
    whole.send(b"whole:1|c\nwhole:1|c").expect("it is taken");
    whole.close();
    // Without the closing message, the end may be another one than the sender's: the last line may be incomplete.
    let mut cut = connect();
    cut.send(b"cut:1|c\ncut:1|c").expect("it is taken");
    drop(cut);
    // In the middle of a record.
    let mut record = connect();
    record.send(b"record:1|c\n").expect("it is taken");
    bridge.page_when("the line is recorded", |page| page.value("record") == Some(1.0));
    record.tcp().write_all(&[0x17, 3, 3, 0, 100, 1, 2, 3]).expect("it is taken");
    drop(record);
    // Bytes that are no record.
    let mut garbage = connect();
    garbage.send(b"garbage:1|c\ngarb").expect("it is taken");
    bridge.page_when("the line is recorded", |page| page.value("garbage") == Some(1.0));
    garbage.tcp().write_all(b"plain:1|c\nplain:1|c\n").expect("it is taken");
    assert!(garbage.is_ended());
    // A reset, after the lines were received.
    let mut reset = connect();
    reset.send(b"reset:1|c\nres").expect("it is taken");
    bridge.page_when("the line is recorded", |page| page.value("reset") == Some(1.0));
    SockRef::from(reset.tcp()).set_linger(Some(Duration::ZERO)).expect("an option");
    drop(reset);
    let page = closed(&bridge, 5);
    assert_eq!(["whole", "cut", "record", "garbage", "reset"].map(|name| page.value(name)), [2.0, 1.0, 1.0, 1.0, 1.0].map(Some));
    assert_eq!((truncated(&page), own(&page, "tcp_connection_errors_total"), all_errors(&page)), (3.0, 2.0, 0.0));
    bridge.stop();
}

#[apply(test)]
fn limits_and_networks_apply_as_without_tls() {
    let files = Files::new(TLS);
    let launch = files.launch().arg("--tcp.max-connections=2").arg("--tcp.idle-timeout=2s").arg("--limits.line-bytes=100");
    let bridge = launch.arg("--statsd.allow-from=127.0.0.1").start();
    // A connection of another network is closed before its handshake.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("bound");
    socket.connect(&bridge.statsd.into()).expect("the bridge listens");
    let mut other = TcpStream::from(socket);
    other.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    assert!(is_closed(&mut other));
    // A stalled handshake is evicted, with all that a connection keeps.
    let _stalled = bridge.tcp();
    let mut connection = files.client().connect(bridge.statsd).expect("a handshake");
    connection.send(&[&b"x".repeat(5000)[..], b"\nkept:1|c\n"].concat()).expect("it is taken");
    let third = until("a place is free", || files.client().connect(bridge.statsd).ok());
    let page =
        bridge.page_when("one was evicted", |page| own(page, "tcp_connections_evicted_total") >= 1.0 && page.value("kept") == Some(1.0));
    assert_eq!(
        (own(&page, "tcp_too_long_lines_total"), page.sum_where("statsd_bridge_allow_from_rejected_total", "transport", "tcp")),
        (1.0, 1.0)
    );
    assert!(connection.is_ended(), "it is idle");
    drop(third);
    let page = bridge.page_when("all are closed", |page| own(page, "tcp_connections_open") == 0.0);
    assert!(own(&page, "tcp_idle_closed_total") >= 1.0);
    assert_eq!(all_errors(&page), 0.0);
    bridge.stop();
}

#[apply(test)]
fn what_was_sent_before_the_end_is_recorded_and_a_stalled_handshake_delays_it_little() {
    let files = Files::new(TLS);
    let mut bridge = files.launch().arg("--shutdown.drain=60s").start();
    let _stalled = [bridge.tcp(), bridge.tcp()];
    let mut connection = files.client().connect(bridge.statsd).expect("a handshake");
    connection.send(b"first:1|c\n").expect("it is taken");
    bridge.page_when("the connection is in use", |page| page.value("first") == Some(1.0));
    connection.send("last:1|c\n".repeat(5000).as_bytes()).expect("it is taken");
    let start = Instant::now();
    bridge.process.signal(Signal::TERM);
    assert!(bridge.process.wait().success());
    assert!(start.elapsed() < Duration::from_secs(50));
    let log = bridge.process.log();
    assert!(log.contains("samples=5001 samples_recorded=5001"), "{log}");
    assert!(connection.is_ended());
}

#[apply(test)]
fn sockets_of_systemd_use_tls_too() {
    let files = Files::new(TLS);
    let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let to = socket.local_addr().expect("bound");
    let passed = pass(&[(socket.as_fd(), "statsd")]);
    let bridge = files.launch().after(passed.shell()).arg("--statsd.systemd-socket=true").start();
    bridge.process.logs("listening on tcp with tls");
    let mut connection = files.client().connect(to).expect("a handshake");
    connection.send(b"systemd:1|c\n").expect("it is taken");
    connection.close();
    bridge.page_when("it is recorded", |page| page.value("systemd") == Some(1.0));
    bridge.stop();
}

#[apply(test)]
fn doctor_says_that_the_address_takes_only_tls() {
    let files = Files::new(TLS);
    let bridge = files.launch().start();
    let output = bridge_command().args(["doctor", &format!("--url=http://{}", bridge.web), &bridge.statsd.to_string()]).output();
    let output = output.expect("the doctor runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = [
        format!("udp {}: all 8 probes arrived\ntcp {0}: TLS only\n", bridge.statsd),
        format!("openssl s_client -quiet -no_ign_eof -connect {}", bridge.statsd),
    ];
    assert!(expected.iter().all(|expected| text.contains(expected)), "{text}");
    assert_eq!(output.status.code(), Some(0), "UDP works");
    bridge.stop();
}

#[apply(test)]
fn more_stalled_handshakes_than_places_let_a_sender_in() {
    let files = Files::new(TLS);
    let bridge = files.launch().arg("--tcp.max-connections=20").start();
    let stalled: Vec<TcpStream> = (0..40).map(|_| bridge.tcp()).collect();
    // All are of one address, so that the sender gets a place when one has been idle for a second.
    let mut connection = until("a sender has a place", || files.client().connect(bridge.statsd).ok());
    connection.send(b"good:1|c\n").expect("it is taken");
    bridge.page_when("its line is recorded", |page| page.value("good") == Some(1.0) && own(page, "tcp_connections_evicted_total") >= 1.0);
    drop(stalled);
    bridge.stop();
}

#[apply(test)]
fn a_wrong_file_is_named_with_its_place() {
    let files = Files::new(&format!("{TLS}basic_auth_users: {{ann: x}}\n"));
    for more in ["--check-config=true", "--web.listen-address=127.0.0.1:0"] {
        let mut command = bridge_command();
        command.args([&*format!("--statsd.tls-config-file={}", files.path("tls.yml")), more]);
        let output =
            command.args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=127.0.0.1:0"]).output().expect("the bridge runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = format!("{}:4:1: `basic_auth_users` does not apply to lines: they carry no password", files.path("tls.yml"));
        assert!(error.contains("the TLS configuration of listeners has errors") && error.contains(&expected), "{error}");
        assert_eq!(output.status.code(), Some(1));
    }
}
