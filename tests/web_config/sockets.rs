//! Sockets, networks, the start, and the probe.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{CLIENTS, Guarded, TLS, plain_command, ready, run, users};
use crate::harness::{DEADLINE, Process, bridge_command, parse_response, request};
use crate::page::Page;
use crate::peers;

#[apply(test)]
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

#[apply(test)]
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

#[apply(test)]
fn other_networks_are_not_let_in() {
    peers::ipv6_loopback();
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

#[apply(test)]
fn sockets_of_systemd_are_taken() {
    let python = peers::program("python3");
    // Like systemd: the sockets are open from descriptor 3 on, and the environment has their number and the PID.
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
    assert!(code == Some(1) && output.contains("systemd passed no stream socket"), "{output}");
}

#[apply(test)]
fn the_health_check_needs_neither_password_nor_certificate_nor_a_turn() {
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
    bridge.stop();
    // The rate limit does not apply to the check.
    let bridge = Guarded::start("rate_limit: {interval: 1h, burst: 0}");
    assert_eq!([check(&bridge, &[]).0, check(&bridge, &[]).0], [Some(0); 2]);
    let web = bridge.web;
    bridge.stop();
    let mut command = bridge_command();
    command.arg("healthcheck").arg(format!("--web.listen-address={web}"));
    assert_eq!(run(command).0, Some(1), "nobody listens");
}
