//! Flags, environment variables, the first lines of output, signals, and exit codes of the program.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Command;

use rustix::process::Signal;

use crate::harness::{Launch, Process, bridge_command, request, until};
use crate::page::Page;
use crate::peers;

#[apply(test)]
fn flags_override_environment_variables() {
    let bridge = Launch::new()
        .env("STATSD_BRIDGE_UDP_WORKERS", "1")
        .env("STATSD_BRIDGE_LIMITS_LINE_BYTES", "10")
        .env("STATSD_BRIDGE_STATSD_PARSE_LIBRATO_TAGS", "false")
        .arg("--limits.line-bytes=30")
        .start();
    bridge.send("twenty.bytes.long:1|c\nlibrato#k=v:1|c\nmore.than.thirty.bytes.long:1|c|#a:b");
    let page = bridge.page_at(2);
    assert_eq!((page.value("twenty_bytes_long"), page.value("librato_k_v")), (Some(1.0), Some(1.0)));
    assert_eq!(page.sum_where("statsd_bridge_sample_errors_total", "reason", "line_too_long"), 1.0);
    let sockets = page.family("statsd_bridge_udp_receive_buffer_bytes").expect("the granted buffers are shown");
    assert_eq!(sockets.lines.len(), 1);
    bridge.stop();
}

#[apply(test)]
fn the_path_of_the_exposition_can_be_changed() {
    let bridge = Launch::new().arg("--web.telemetry-path=/other").start();
    let page = bridge.get("/other");
    assert_eq!((page.status, bridge.get("/metrics").status), (200, 404));
    let page = Page::parse(&page.text()).expect("a good page");
    assert_eq!(page.value("statsd_bridge_lines_total"), Some(0.0));
}

#[apply(test)]
fn the_first_lines_show_where_to_send_and_where_to_scrape() {
    let bridge = Launch::new().start();
    let log = bridge.process.log();
    let after = |word: &str| log.lines().take(5).find_map(|l| l.strip_prefix(word)).map(str::trim);
    assert_eq!(after("scrape "), Some(&*format!("http://{}/metrics", bridge.web)), "{log}");
    let paste = after("send ").unwrap_or_else(|| panic!("no line to paste:\n{log}"));
    assert!(paste.contains(&format!("/dev/udp/{}/{}", bridge.statsd.ip(), bridge.statsd.port())), "{log}");
    // The line works when it is pasted into a shell.
    let mut command = Command::new(peers::program("bash"));
    command.args(["-c", paste]);
    assert!(Process::start(command).wait().success(), "{paste}");
    assert_eq!(bridge.page_at(1).value("hello"), Some(1.0));
    bridge.stop();
}

#[apply(test)]
fn sigterm_drains_what_the_kernel_holds_and_lingers() {
    let mut bridge = Launch::new().arg("--shutdown.linger=4s").start();
    let socket = bridge.udp();
    // A stopped process does not read: the datagrams are in the kernel when SIGTERM arrives.
    bridge.process.signal(Signal::STOP);
    for _ in 0..100 {
        socket.send(b"drained:1|c").expect("a datagram is sent");
    }
    bridge.process.signal(Signal::TERM);
    bridge.process.signal(Signal::CONT);
    until("the bridge is not ready", || (bridge.get("/-/ready").status == 503).then_some(()));
    assert_eq!(bridge.page_at(100).value("drained"), Some(100.0));
    let status = bridge.process.wait();
    assert_eq!(status.code(), Some(0), "{}", bridge.process.log());
    for sum in [" lines=100 ", " samples=100 ", " samples_recorded=100 "] {
        assert!(bridge.process.log().contains(sum), "{sum}is not in the log:\n{}", bridge.process.log());
    }
}

#[apply(test)]
fn sigint_and_sigquit_end_the_bridge_too() {
    for signal in [Signal::INT, Signal::QUIT] {
        let mut bridge = Launch::new().arg("--shutdown.linger=0s").start();
        bridge.process.signal(signal);
        assert_eq!(bridge.process.wait().code(), Some(0), "{signal:?}");
    }
}

#[apply(test)]
fn other_signals_do_not_end_the_bridge() {
    let bridge = Launch::new().start();
    for signal in [Signal::USR1, Signal::USR2] {
        bridge.process.signal(signal);
        assert_eq!(bridge.get("/-/healthy").status, 200, "{signal:?}");
    }
    bridge.send("a:1|c");
    bridge.page_at(1);
    bridge.stop();
}

/// As in a container: the health check runs without flags beside a bridge with flags. It uses a copy of the program, because other
/// tests run bridges at the same time.
#[apply(test)]
fn the_health_check_without_flags_finds_the_running_bridge() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = folder.path().join("statsd-bridge");
    std::fs::copy(env!("CARGO_BIN_EXE_statsd-bridge"), &program).expect("copied");
    let web = format!("127.0.0.1:{}", crate::harness::free_port(std::net::Ipv4Addr::LOCALHOST.into()));
    // The path of the web configuration is relative to the bridge's working directory. The file requires a password.
    std::fs::write(
        folder.path().join("web.yml"),
        "basic_auth_users: {ann: \"$2y$04$Nmu6lGqkW2WdUd0rgqyqNu3k2kxEWe8j0Mt9Vfh7Ik.k3gK6N9vF6\"}\n",
    )
    .expect("written");
    let mut command = std::process::Command::new(&program);
    command.current_dir(folder.path()).args(["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--web.config.file=web.yml"]);
    let mut bridge = Process::start({
        command.arg(format!("--web.listen-address={web}")).arg("--web.no-auth-paths=/-/healthy");
        command
    });
    let web: std::net::SocketAddr = web.parse().expect("an address");
    let ask = |path: &str| request(web, "GET", path, &[]).ok().map(|answer| answer.status);
    until("the bridge is healthy", || (ask("/-/healthy") == Some(200)).then_some(()));
    assert_eq!([ask("//-/healthy"), ask("/-/ready"), ask("/metrics"), ask("/-/healthy/")], [Some(200), Some(401), Some(401), Some(401)]);
    let checked = until("the health check ends", || {
        let output = std::process::Command::new(&program).arg("healthcheck").output().expect("it runs");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    assert_eq!(checked, "ready\n");
    bridge.signal(Signal::TERM);
    assert!(bridge.wait().success());
}

/// The exit code and the non-empty lines of output of a run that ends by itself.
fn run(args: &[&str]) -> (Option<i32>, Vec<String>) {
    run_with(&[], args)
}

/// As [`run`], with environment variables.
fn run_with(variables: &[(&str, &str)], args: &[&str]) -> (Option<i32>, Vec<String>) {
    let mut command = bridge_command();
    command.args(args).envs(variables.iter().copied());
    let mut process = Process::start(command);
    let code = process.wait().code();
    (code, process.log().lines().filter(|l| !l.trim().is_empty()).map(str::to_owned).collect())
}

#[apply(test)]
fn a_bad_flag_gives_one_line_and_exit_code_2() {
    let cases = [
        ("--no-such-flag", "no-such-flag"),
        ("--statsd.listen-udp=nonsense", "nonsense"),
        ("--web.listen-address=127.0.0.1:99999", "99999"),
        ("--udp.workers=many", "many"),
        ("--udp.workers=1025", "udp.workers"),
        ("--limits.series=-1", "limits.series"),
        ("--tcp.idle-timeout=soon", "soon"),
        ("--log.level=loud", "loud"),
        ("--compat=other", "other"),
        ("stray", "stray"),
    ];
    for (arg, named) in cases {
        // The second flag keeps the program from opening a port if it accepts the first one.
        let (code, lines) = run(&[arg, "--check-config"]);
        assert_eq!(code, Some(2), "{arg}: {lines:?}");
        assert_eq!(lines.len(), 1, "{arg}: {lines:?}");
        assert!(lines[0].contains(named), "{arg}: {lines:?}");
    }
}

#[apply(test)]
fn without_a_listener_the_error_is_one_line() {
    let (code, lines) = run(&["--statsd.listen-udp=", "--statsd.listen-tcp=", "--web.listen-address=127.0.0.1:0"]);
    assert_eq!((code, lines.len()), (Some(1), 1), "{lines:?}");
    assert!(lines[0].contains("listener"), "{lines:?}");
}

#[apply(test)]
fn a_port_in_use_gives_its_address_and_exit_code_1() {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
    let (tcp_taken, udp_taken) = (tcp.local_addr().expect("an address"), udp.local_addr().expect("an address"));
    let taken = [("web.listen-address", tcp_taken), ("statsd.listen-tcp", tcp_taken), ("statsd.listen-udp", udp_taken)];
    for (flag, address) in taken {
        let args: Vec<_> = ["statsd.listen-udp", "statsd.listen-tcp", "web.listen-address"]
            .map(|f| if f == flag { format!("--{f}={address}") } else { format!("--{f}=127.0.0.1:0") })
            .into();
        let (code, lines) = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(code, Some(1), "{flag}: {lines:?}");
        let expected = format!("{address}: Address already in use; --{flag} chooses another address");
        assert!(lines.iter().any(|l| l.ends_with(&expected)), "{flag}: {lines:?}");
        // The error names the variable if that set the address.
        let others: Vec<_> = args.iter().filter(|arg| !arg.contains(flag)).map(String::as_str).collect();
        let variable = format!("STATSD_BRIDGE_{}", flag.to_uppercase().replace(['.', '-'], "_"));
        let (code, lines) = run_with(&[(&variable, &address.to_string())], &others);
        assert_eq!(code, Some(1), "{variable}: {lines:?}");
        let expected = format!("{address}: Address already in use; {variable} chooses another address");
        assert!(lines.iter().any(|l| l.ends_with(&expected)), "{variable}: {lines:?}");
    }
}

#[apply(test)]
fn an_error_names_the_variable_that_was_set() {
    let taken = tempfile::tempdir().expect("a temporary folder");
    let folder = taken.path().to_str().expect("UTF-8");
    let listen = ["--statsd.listen-udp=127.0.0.1:0", "--statsd.listen-tcp=", "--web.listen-address=127.0.0.1:0"];
    for (variable, value, code, expected) in [
        ("LOG_LEVEL", "loud", 2, "invalid value 'loud' for STATSD_BRIDGE_LOG_LEVEL; [possible values: debug, info, warn, error]"),
        ("LIMITS_SERIES", "0", 2, "invalid value '0' for STATSD_BRIDGE_LIMITS_SERIES: expected a whole number of at least 1"),
        ("WEB_PROCESS_METRICS", "maybe", 2, "invalid value 'maybe' for STATSD_BRIDGE_WEB_PROCESS_METRICS: value was not a boolean"),
        ("LABEL", "a=b,c", 2, r"invalid value 'c' for STATSD_BRIDGE_LABEL: expected NAME=VALUE; a comma in a value is written \,"),
        ("WEB_TELEMETRY_PATH", "m", 2, "STATSD_BRIDGE_WEB_TELEMETRY_PATH: expected a path that begins with /, got \"m\""),
        ("STATSD_LISTEN_UNIXGRAM", "@", 2, "STATSD_BRIDGE_STATSD_LISTEN_UNIXGRAM: \"@\" is not a path of a Unix socket"),
        (
            "STATSD_RELAY_ADDRESS",
            "localhost",
            2,
            "STATSD_BRIDGE_STATSD_RELAY_ADDRESS: \"localhost\" is not an address: the port is missing",
        ),
        ("STATSD_RELAY_ADDRESS", "no.such.host.invalid:1", 2, "STATSD_BRIDGE_STATSD_RELAY_ADDRESS: cannot resolve the host of"),
        ("STATE_FILE", folder, 1, "STATSD_BRIDGE_STATE_FILE: cannot write "),
        ("PRESET", "gunicron", 1, "the mapping files have errors (set by STATSD_BRIDGE_PRESET):"),
        ("WEB_CONFIG_FILE", "/no/such/file", 1, "the web configuration has errors (set by STATSD_BRIDGE_WEB_CONFIG_FILE):"),
        ("WEB_SYSTEMD_SOCKET", "true", 1, "STATSD_BRIDGE_WEB_SYSTEMD_SOCKET: systemd passed no stream socket"),
        ("STATSD_SYSTEMD_SOCKET", "true", 1, "STATSD_BRIDGE_STATSD_SYSTEMD_SOCKET: systemd passed no socket for lines"),
    ] {
        let (found, lines) = run_with(&[(&format!("STATSD_BRIDGE_{variable}"), value)], &listen);
        assert_eq!(found, Some(code), "{variable}: {lines:?}");
        assert!(lines.iter().any(|line| line.starts_with(&format!("statsd-bridge: {expected}"))), "{variable}: {lines:?}");
    }
    // The flag overrides the variable, so the error names the flag.
    let (_, lines) = run_with(&[("STATSD_BRIDGE_LOG_LEVEL", "info")], &["--log.level=loud"]);
    assert!(lines[0].contains("for '--log.level <LEVEL>'"), "{lines:?}");
    let (_, lines) = run_with(&[("STATSD_BRIDGE_WEB_TELEMETRY_PATH", "/m")], &["--web.telemetry-path=m"]);
    assert!(lines[0].contains("--web.telemetry-path: expected"), "{lines:?}");
}

#[apply(test)]
fn an_unknown_variable_gives_a_warning_with_the_nearest_name() {
    let told = "STATSD_BRIDGE_LOG_LEVLE belongs to no flag and has no effect; did you mean STATSD_BRIDGE_LOG_LEVEL?";
    let variables = [("STATSD_BRIDGE_LOG_LEVLE", "debug"), ("STATSD_BRIDGE_PORT_9125_UDP", "udp://10.0.0.1:9125")];
    let (code, lines) = run_with(&variables, &["--check-config"]);
    assert_eq!(
        (code, &lines[..]),
        (Some(0), &[format!("statsd-bridge: warning: {told}"), "Configuration check successful, exiting".to_owned()][..])
    );
    let (code, lines) = run_with(&variables, &["explain", "a:1|c"]);
    assert!(code == Some(0) && lines.contains(&format!("statsd-bridge: warning: {told}")), "{lines:?}");
    let bridge = Launch::new().env(variables[0].0, variables[0].1).env("statsd_bridge_log_format", "json").start();
    let log = bridge.process.log();
    for told in [told, "statsd_bridge_log_format belongs to no flag and has no effect; did you mean STATSD_BRIDGE_LOG_FORMAT?"] {
        assert!(log.lines().any(|line| line.contains("level=warn") && line.contains(told)), "{log}");
    }
    bridge.stop();
}

#[apply(test)]
fn lists_in_flags_and_in_variables_have_the_same_syntax() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, from: &str, to: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("mappings: [{{match: {from}, name: {to}}}]\n")).expect("a temporary file");
        path.display().to_string().replace(',', r"\,")
    };
    let files = format!("{},{}", file("one.yml", "first", "first_total"), file("two, or three.yml", "second", "second_total"));
    for by_variable in [true, false] {
        let lists = [("label", r"zone=a\,b, env=test"), ("statsd.mapping-config", &*files), ("preset", "gunicorn,kong")];
        let launch = lists.into_iter().fold(Launch::new(), |launch, (flag, value)| {
            let variable = format!("STATSD_BRIDGE_{}", flag.to_uppercase().replace(['.', '-'], "_"));
            if by_variable { launch.env(&variable, value) } else { launch.arg(format!("--{flag}={value}")) }
        });
        let bridge = launch.start();
        bridge.send("first:1|c\nsecond:1|c");
        let page = bridge.page_at(2);
        for name in ["first_total", "second_total"] {
            assert_eq!(page.value(&format!("{name}{{env=\"test\",zone=\"a,b\"}}")), Some(1.0), "{}", bridge.page_text());
        }
        bridge.stop();
    }
    // An empty flag overrides the list in the variable.
    let (code, lines) = run_with(&[("STATSD_BRIDGE_PRESET", "none-such")], &["--preset=", "--statsd.mapping-config=", "--check-config"]);
    assert_eq!((code, lines.len()), (Some(0), 1), "{lines:?}");
}

#[apply(test)]
fn version_help_and_check_config_end_at_once() {
    let (code, lines) = run(&["--version"]);
    assert_eq!(code, Some(0));
    assert!(lines[0].contains(env!("CARGO_PKG_VERSION")), "{lines:?}");
    let (code, lines) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for flag in ["--statsd.listen-udp", "--limits.series", "--shutdown.linger"] {
        assert!(lines.iter().any(|l| l.contains(flag)), "{flag} is not in the help");
    }
    assert_eq!(run(&["--check-config"]).0, Some(0));
}
