//! The whole program within this process, on ports that the kernel picks.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};

use tokio::sync::oneshot;

use super::*;
use crate::program::cli::{self, Invocation};

fn settings(arguments: &[&str]) -> Settings {
    let local = ["statsd-bridge", "--web.listen-address=127.0.0.1:0", "--shutdown.linger=0", "--udp.workers=1"];
    match cli::parse(local.iter().chain(arguments).map(OsString::from)) {
        Ok(Invocation::Run(settings)) => *settings,
        other => panic!("{other:?}"),
    }
}

fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_on_port_0_until_shutdown() {
    let relayed_to = UdpSocket::bind("127.0.0.1:0").unwrap();
    relayed_to.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let settings = settings(&[
        "--statsd.listen-udp=127.0.0.1:0",
        "--statsd.listen-tcp=127.0.0.1:0",
        &format!("--statsd.relay.address={}", relayed_to.local_addr().unwrap()),
    ]);
    let sockets = Sockets::bind(&settings).unwrap();
    let (udp, tcp, web) = (sockets.udp_address().unwrap(), sockets.tcp_address().unwrap(), sockets.web.address().unwrap());
    assert_eq!(sockets.example_command(), Some(format!("echo 'hello:1|c' > /dev/udp/127.0.0.1/{}", udp.port())));
    let bridge = Bridge::of_program(settings.bridge.clone());
    let (end, ended) = oneshot::channel::<()>();
    let reloader = Reloader::start(&bridge, &settings.mapping).unwrap();
    let signals = Signals { end: async { ended.await.unwrap_or_default() }, reload: Arc::default() };
    let running = tokio::spawn(async move { run(sockets, reloader, &settings, signals).await });
    let client = tokio::task::spawn_blocking(move || {
        while !get(web, "/-/ready").starts_with("HTTP/1.1 200") {}
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"a:1|c", udp).unwrap();
        TcpStream::connect(tcp).unwrap().write_all(b"b:1|c\n").unwrap();
    });
    client.await.unwrap();
    end.send(()).unwrap();
    running.await.unwrap().unwrap();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for _ in 0..2 {
        let mut buffer = [0; 100];
        let n = relayed_to.recv(&mut buffer).unwrap();
        lines.push(buffer[..n].to_vec());
    }
    lines.sort();
    assert_eq!(lines, [b"a:1|c\n", b"b:1|c\n"]);
    assert!(TcpStream::connect(web).is_err(), "the socket is closed");
}

#[test]
fn without_an_http_address_there_is_nothing_to_scrape() {
    let arguments = ["statsd-bridge", "--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--web.listen-address="];
    let Ok(Invocation::Run(settings)) = cli::parse(arguments.map(OsString::from)) else { panic!("valid flags") };
    assert_eq!(Sockets::bind(&settings).unwrap().scrape_url("/metrics"), None);
}

#[test]
fn errors_have_their_exit_codes() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = format!("--statsd.listen-udp={}", taken.local_addr().unwrap());
    for (arguments, expected) in [
        (&["--statsd.listen-udp=", "--statsd.listen-tcp="][..], 1),
        (&[&taken, "--statsd.listen-tcp="], 1),
        (&["--statsd.listen-udp=no-such-host.invalid:0", "--statsd.listen-tcp="], 2),
    ] {
        let error = Sockets::bind(&settings(arguments)).err().expect("an error");
        assert_eq!(error.exit_code(), expected, "{error}");
    }
}

#[test]
fn a_relay_to_the_bridge_itself_is_an_error() {
    let settings = settings(&["--statsd.listen-udp=:0", "--statsd.listen-tcp=127.0.0.1:0"]);
    let sockets = Sockets::bind(&settings).unwrap();
    let (udp, tcp) = (sockets.udp_address().unwrap(), sockets.tcp_address().unwrap());
    for target in [udp.to_string(), format!("udp://{udp}"), format!("tcp://{tcp}")] {
        let targets = vec![RelayTarget::parse(&target).unwrap()];
        let relay = RelayOptions { targets, ..settings.relay.clone() };
        assert!(matches!(check_relay(&relay, &sockets), Err(StartError::RelayLoop(own)) if own == target));
    }
}
