//! `statsd-bridge doctor`: probes over every transport, the reasons why they do not arrive, and exit codes.

use std::fs::Permissions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Launch, Process, Running, bridge_command, free_port, until};
use crate::{peers, runner};

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
    let expected = format!(
        "tcp {only_udp}: closed\n  no program receives tcp at {only_udp}: the port is wrong; the bridge listens on {}",
        bridge.statsd
    );
    assert!(code == Some(0) && output.contains(&expected), "{code:?} {output}");
    let (code, output) = doctor(&bridge, &[&format!("tcp://{only_udp}")]);
    assert!(code == Some(1) && output.contains("8 of 8 probes are missing (number 0, 1, 2, 3, 4, 5, 6, 7)"), "{code:?} {output}");
    bridge.stop();
}

#[apply(test)]
fn without_tcp_its_flag_is_named() {
    let host = Ipv4Addr::LOCALHOST.into();
    let [udp, web] = [(); 2].map(|()| SocketAddr::new(host, free_port(host)));
    let mut command = bridge_command();
    command.args([format!("--statsd.listen-udp={udp}"), "--statsd.listen-tcp=".to_owned(), format!("--web.listen-address={web}")]);
    command.arg("--shutdown.linger=0s");
    let mut process = Process::start(command);
    until("the bridge is ready", || TcpStream::connect(web).ok());
    for (address, expected) in [(None, 0), (Some(udp.to_string()), 0), (Some(format!("tcp://{udp}")), 1)] {
        let output = bridge_command().arg("doctor").arg(format!("--url=http://{web}")).args(&address).output().expect("the doctor runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let why = format!(
            "the bridge receives nothing over TCP, because --statsd.listen-tcp is empty\n    statsd-bridge --statsd.listen-tcp=:{}",
            udp.port()
        );
        assert!(output.status.code() == Some(expected) && text.contains(&why) == address.is_some(), "{address:?}: {text}");
    }
    process.signal(rustix::process::Signal::TERM);
    assert!(process.wait().success(), "{}", process.log());
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

#[apply(test)]
fn without_an_address_it_probes_those_of_the_bridge_at_the_url() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("s");
    for host in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        let host = IpAddr::from(host);
        let udp = SocketAddr::new(host, free_port(host));
        let launch = Launch::new().arg(format!("--statsd.listen-udp={udp}")).arg(format!("--statsd.listen-unixgram={}", path.display()));
        let bridge = launch.start();
        let (code, output) = doctor(&bridge, &[]);
        let reached = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), udp.port());
        for way in [format!("udp {reached}"), format!("udp {}", bridge.statsd), format!("unixgram {}", path.display())] {
            assert!(output.contains(&format!("{way}: all 8 probes arrived\n")), "{way}: {output}");
        }
        // The address that is for UDP only is not probed over TCP.
        let tcp = format!("tcp {}: all 8 probes arrived\n", bridge.statsd);
        assert!(code == Some(0) && output.contains(&tcp) && !output.contains("closed"), "{code:?} {output}");
        bridge.stop();
    }
}

/// The doctor as a user without permissions: as nobody if this user is root.
fn doctor_of_nobody(bridge: &Running, path: &Path) -> (Option<i32>, String) {
    let program = bridge_command();
    let url = format!("--url=http://{}", bridge.web);
    let mut command = Command::new("bash");
    // The shell opens the program, so that its folders may be closed to nobody.
    command.args(["-c", "exec 9<\"$0\" && exec setpriv --reuid=65534 --regid=65534 --clear-groups /proc/self/fd/9 doctor \"$@\""]);
    if !rustix::process::geteuid().is_root() {
        command = Command::new("bash");
        command.args(["-c", "exec \"$0\" doctor \"$@\""]);
    }
    let output = command.arg(program.get_program()).arg(url).arg(path).output().expect("the doctor runs");
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[apply(test)]
fn a_missing_permission_is_named_for_the_socket_and_for_its_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let set = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    set(folder.path(), 0o755);
    let (path, closed) = (folder.path().join("s"), folder.path().join("closed"));
    std::fs::create_dir(&closed).expect("a folder");
    let inner = closed.join("s");
    let _socket = UnixDatagram::bind(&inner).expect("a socket");
    let launch = Launch::new().arg(format!("--statsd.listen-unixgram={}", path.display()));
    let bridge = launch.arg("--statsd.unixsocket-mode=000").start();
    set(&closed, 0o000);
    let (code, output) = doctor_of_nobody(&bridge, &path);
    assert!(code == Some(1) && output.contains("this user may not write to the socket, which has mode 0, user "), "{code:?} {output}");
    assert!(output.contains("statsd-bridge --statsd.unixsocket-mode=722"), "{output}");
    let (code, output) = doctor_of_nobody(&bridge, &inner);
    let expected = format!("this user may not enter the folder {}\n    chmod o+x {0}", closed.display());
    set(&closed, 0o755);
    assert!(code == Some(1) && output.contains(&expected), "{code:?} {output}");
    bridge.stop();
}

#[apply(test)]
fn the_other_address_family_is_named() {
    let v6 = peers::ipv6_loopback();
    let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
    for (host, other, what) in [(v4, v6, "over IPv4, not over IPv6"), (v6, v4, "over IPv6, not over IPv4")] {
        let bridge = Launch::new().host(host).start();
        let port = bridge.statsd.port();
        let (code, output) = doctor(&bridge, &[&format!("udp://{}", SocketAddr::new(other, port)), "--timeout=200ms"]);
        let expected = format!("the bridge listens on {} only, {what}\n    statsd-bridge --statsd.listen-udp=:{port}", bridge.statsd);
        assert!(code == Some(1) && output.contains(&expected), "{code:?} {output}");
        bridge.stop();
    }
    let bridge = Launch::new().start();
    let other = format!("udp://127.0.0.2:{}", bridge.statsd.port());
    let (code, output) = doctor(&bridge, &[&other, "--timeout=200ms"]);
    assert!(code == Some(1) && output.contains(&format!("listens on {} only, at another address", bridge.statsd)), "{code:?} {output}");
    bridge.stop();
}

/// The bridge of this machine is in a network namespace of its own, like a container. Another one has its ports here.
#[apply(test)]
fn a_bridge_in_another_network_namespace_is_named() {
    let unshare = peers::program("unshare");
    if !Command::new(&unshare).args(["--net", "true"]).status().is_ok_and(|status| status.success()) {
        runner::skip("the permission for a network namespace (`unshare --net`)");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A program of its own, so that its only process is the bridge of this machine.
    let program = folder.path().join("statsd-bridge");
    std::fs::copy(bridge_command().get_program(), &program).expect("a copy");
    let here = Launch::new().start();
    let gets_probes = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = gets_probes.local_addr().expect("an address").port();
    let mut command = Command::new(unshare);
    command.arg("--net").arg(&program).arg(format!("--statsd.listen-udp=0.0.0.0:{port}")).arg("--statsd.listen-tcp=");
    command.arg(format!("--web.listen-address=0.0.0.0:{}", here.web.port()));
    let there = Process::start(command);
    there.logs("ready");
    let output = Command::new(&program).args(["doctor", "--timeout=200ms"]).output().expect("the doctor runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let process = there.id();
    let expected = format!("the bridge (process {process}) is in another network namespace, and another program gets the probes");
    assert!(output.status.code() == Some(1) && text.contains(&expected), "{}: {text}", output.status);
    assert!(text.contains(&format!("nsenter --target {process} --net statsd-bridge doctor")), "{text}");
    here.stop();
}
