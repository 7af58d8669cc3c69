//! `statsd-bridge doctor`: probes over every transport, the reasons why they do not arrive, and exit codes.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use serde_json::Value;

use crate::harness::{Launch, Running, bridge_command, free_port};

/// Runs the doctor on these addresses. Returns the exit code and the output.
fn doctor(bridge: &Running, args: &[&str]) -> (Option<i32>, String) {
    let url = format!("--url=http://{}", bridge.web);
    let output = bridge_command().arg("doctor").arg(url).args(args).output().expect("the doctor runs");
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[apply(test)]
fn probes_arrive_over_every_transport() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("s");
    let stream = folder.path().join("stream");
    let launch = Launch::new().arg(format!("--statsd.listen-unix={}", stream.display()));
    let bridge = launch.arg(format!("--statsd.listen-unixgram={}", path.display())).start();
    let statsd = bridge.statsd.to_string();
    for _ in 0..2 {
        let (code, output) = doctor(&bridge, &[&statsd, shown(&path), shown(&stream)]);
        let expected = format!(
            "udp {statsd}: all 8 probes arrived\ntcp {statsd}: all 8 probes arrived\nunixgram {}: all 8 probes arrived\nunixstream {}: all 8 probes arrived\n",
            path.display(),
            stream.display()
        );
        assert_eq!((code, output), (Some(0), expected));
    }
    assert_eq!(bridge.page().value("statsd_doctor_probes"), Some(255.0 * 8.0));
    let (code, output) = doctor(&bridge, &["--format=json", &format!("udp://{statsd}")]);
    let json: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!((code, &json["routes"][0]["state"], json["routes"].as_array().map(Vec::len)), (Some(0), &"arrived".into(), Some(1)));
    bridge.stop();
}

#[apply(test)]
fn probes_are_counted_under_the_flags_that_change_names_and_formats() {
    for args in [&["--compat=statsd_exporter"][..], &["--counters.total-suffix"], &["--counters.start-at-zero"], &["--label=env=prod"]] {
        let bridge = args.iter().fold(Launch::new(), |launch, arg| launch.arg(*arg)).start();
        let (code, output) = doctor(&bridge, &[&bridge.statsd.to_string(), "--timeout=30s"]);
        assert_eq!(code, Some(0), "{args:?}: {output}");
        bridge.stop();
    }
}

#[apply(test)]
fn each_reason_is_named_with_its_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let bridge = Launch::new().start();
    let closed = {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.local_addr().expect("an address").to_string()
    };
    let own = bridge.statsd.to_string();
    // Another program gets the probes.
    let other = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let other_address = format!("udp://{}", other.local_addr().expect("an address"));
    drop(UnixDatagram::bind(path("left")).expect("a socket"));
    std::fs::write(path("file"), "").expect("a file");
    let full = UnixDatagram::bind(path("full")).expect("a socket");
    let filler = UnixDatagram::unbound().expect("a socket");
    filler.set_nonblocking(true).expect("a mode");
    while filler.send_to(b"x", path("full")).is_ok() {}
    let _listener = UnixListener::bind(path("closing")).expect("a socket");
    let (missing, nowhere) = (path("missing"), path("no/folder"));
    for (address, why, fix) in [
        (&*closed, &*format!("no program receives udp at {closed}: the port is wrong; the bridge listens on {own}"), "ss -lunp"),
        (&other_address, "another program gets the probes", "ss -lunp 'sport = :"),
        (&other_address, "a NAT entry of the kernel still leads to a bridge that is gone", "conntrack -D -p udp --orig-port-dst "),
        (
            shown(&path("left")),
            "no program listens: the one that made the socket has ended; the bridge has no such socket",
            "--statsd.listen-unixgram=",
        ),
        (shown(&path("file")), "the path is a file or folder, not a socket", "ls -l "),
        (shown(&path("full")), "the queue of the socket is full", "sysctl -w net.unix.max_dgram_qlen=512"),
        (shown(&path("closing")), "another program gets the probes", "ss -lxp"),
        (shown(&missing), "there is no socket at this path", "--statsd.listen-unixgram="),
        (shown(&nowhere), "does not exist here; in a container, mount it", "mkdir "),
        ("@no-such-name-here", "no program in this network namespace has this abstract name", "--statsd.listen-unixgram=@"),
    ] {
        let (code, output) = doctor(&bridge, &[address, "--timeout=200ms"]);
        assert!(code == Some(1) && output.contains(why) && output.contains(fix), "{address}: {code:?} {output}");
    }
    drop(full);
    bridge.stop();
}

#[apply(test)]
fn a_way_that_is_off_is_no_loss_while_another_works() {
    let host = Ipv4Addr::LOCALHOST.into();
    let only_udp = SocketAddr::new(host, free_port(host));
    let bridge = Launch::new().arg(format!("--statsd.listen-udp={only_udp}")).start();
    let (code, output) = doctor(&bridge, &[&only_udp.to_string()]);
    let expected = format!("tcp {only_udp}: closed\n  no program receives tcp at");
    assert!(code == Some(0) && output.contains(&expected) && output.contains("or --statsd.listen-tcp is off"), "{code:?} {output}");
    let (code, output) = doctor(&bridge, &[&format!("tcp://{only_udp}")]);
    assert!(code == Some(1) && output.contains("8 of 8 probes are missing (number 0, 1, 2, 3, 4, 5, 6, 7)"), "{code:?} {output}");
    bridge.stop();
}

#[apply(test)]
fn a_rule_that_drops_the_probes_is_told_from_a_loss() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rules = folder.path().join("rules.yml");
    let regex = "mappings:\n- match: 'statsd_doctor_.*'\n  match_type: regex\n  action: drop\n  name: dropped\n";
    std::fs::write(&rules, regex).expect("written");
    let bridge = Launch::new().arg(format!("--statsd.mapping-config={}", rules.display())).start();
    let (code, output) = doctor(&bridge, &[&format!("udp://{}", bridge.statsd), "--timeout=1s"]);
    assert!(code == Some(1) && output.contains("a rule renames or drops the probes"), "{code:?} {output}");
    assert!(output.contains("statsd-bridge explain 'statsd_doctor_probes:1|c'"), "{output}");
    bridge.stop();
}

#[apply(test)]
fn without_a_bridge_and_with_wrong_usage_the_exit_codes_differ() {
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address");
    for (args, code, expected) in [
        (&[&*format!("--url=http://{nobody}"), "127.0.0.1:9"][..], 1, "Connection refused"),
        (&["localhost"], 2, "doctor: \"localhost\" is not an address: the port is missing"),
        (&["--url=x"], 2, "does not start with http://"),
    ] {
        let output = bridge_command().arg("doctor").args(args).output().expect("the doctor runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && text.contains(expected), "{args:?}: {:?} {text}", output.status);
    }
}
