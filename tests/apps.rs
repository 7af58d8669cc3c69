//! The web applications of proto-examples/apps, started for real, asked for real, and read through the bridge: on the page, against
//! the table of their metrics, and in the real Prometheus. And the Python modules that they stand on.

/// Starting an application, asking it.
mod application;
/// Emmett.
mod emmett;
/// FastAPI under Gunicorn.
mod prompter;
/// What an application's documents promise of its metrics, compared with a page.
mod table;

use std::process::Command;

use crate::harness::{Process, bridge_command};
use crate::peers;

#[test]
fn the_python_modules_pass_their_tests() {
    let Some(python) = peers::python_with_frameworks() else { return };
    let mut command = Command::new(python);
    command.args(["-B", "-m", "unittest"]).current_dir(peers::repository().join("proto-examples/python"));
    command.env("STATSD_BRIDGE", env!("CARGO_BIN_EXE_statsd-bridge"));
    let mut tests = Process::start(application::plain(command));
    let status = application::ended(&mut tests);
    let log = tests.log();
    assert!(status.success() && log.contains("\nOK"), "{status}\n{log}");
}

#[test]
fn the_mappings_have_no_finding() {
    for name in ["emmett", "prompter"] {
        let mut command = bridge_command();
        command.args(["check", "--strict"]).arg(application::folder(name).join("mapping.yml"));
        let mut check = Process::start(command);
        let status = check.wait();
        assert!(status.success() && check.log().contains("nothing to remark"), "{name}: {status}\n{}", check.log());
    }
}
