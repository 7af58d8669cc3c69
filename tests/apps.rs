//! The web applications of proto-examples/apps. The tests start each application, send it requests, compare the bridge's exposition
//! with the table of the application's metrics, and query Prometheus. They also run the tests of the Python modules that the
//! applications use.

/// Starts an application and sends it requests.
mod application;
/// The Emmett application.
mod emmett;
/// Prompter, a FastAPI application under Gunicorn.
mod prompter;
/// Compares an exposition with the metrics that an application's documents promise.
mod table;

use std::ffi::OsStr;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use rustix::process::Signal;

use crate::harness::{DEADLINE, Process, bridge_command, until};
use crate::peers;

#[apply(test)]
fn the_python_modules_pass_their_tests() {
    let python = peers::python_with_frameworks();
    let mut command = Command::new(python);
    command.args(["-B", "-m", "unittest"]).current_dir(peers::repository().join("proto-examples/python"));
    command.env("STATSD_BRIDGE", env!("CARGO_BIN_EXE_statsd-bridge"));
    let mut tests = Process::start(application::plain(command));
    let status = application::ended(&mut tests);
    let log = tests.log();
    assert!(status.success() && log.contains("\nOK"), "{status}\n{log}");
}

/// The traffic generators of docker-compose.yaml and of the dashboards exit with code 0 on SIGTERM. They must handle the signal,
/// because in a container they are the first process, for which the kernel has no default action.
#[apply(test)]
fn sigterm_ends_the_traffic() {
    let python = peers::program("python3");
    let examples = peers::repository().join("proto-examples");
    let web = TcpListener::bind("127.0.0.1:0").expect("a listener");
    web.set_nonblocking(true).expect("a socket");
    let statsd = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    statsd.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let requests = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(requests.path(), format!("1 GET http://{}/\n", web.local_addr().expect("an address"))).expect("written");
    let start = |arguments: &[&OsStr]| {
        let mut command = Command::new(&python);
        command.arg("-B").args(arguments);
        Process::start(command)
    };
    let end = |mut process: Process| {
        process.signal(Signal::TERM);
        let status = process.wait();
        assert!(status.success() && !process.log().contains("Traceback"), "{status}\n{}", process.log());
    };
    let to_web = start(&[examples.join("apps/traffic/traffic.py").as_os_str(), requests.path().as_os_str()]);
    drop(until("it asks", || web.accept().ok()));
    end(to_web);
    let port = format!("--port={}", statsd.local_addr().expect("an address").port());
    let to_bridge = start(&[examples.join("grafana/traffic.py").as_os_str(), OsStr::new(&port)]);
    statsd.recv(&mut [0; 65_536]).expect("it sends");
    end(to_bridge);
}

#[apply(test)]
fn the_mappings_have_no_finding() {
    for name in ["emmett", "prompter"] {
        let mut command = bridge_command();
        command.args(["check", "--strict"]).arg(application::folder(name).join("mapping.yml"));
        let mut check = Process::start(command);
        let status = check.wait();
        assert!(status.success() && check.log().contains("no remarks"), "{name}: {status}\n{}", check.log());
    }
}
