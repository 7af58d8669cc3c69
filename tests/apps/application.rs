//! A Python application in a child process, and the client that sends it the requests of a test.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{DEADLINE, Process, free_port, until};
use crate::peers;
use crate::prometheus::filter;

/// The folder of an application.
pub fn folder(name: &str) -> PathBuf {
    peers::repository().join("proto-examples/apps").join(name)
}

/// Removes environment variables that would configure the clients, servers and applications under test.
pub fn plain(mut command: Command) -> Command {
    let ours =
        ["DD_", "DATADOG_", "STATSD_BRIDGE_", "STATSD_ADDRESS", "STATSD_ENABLED", "PROMETHEUS_", "GUNICORN_", "GRANIAN_", "METRICS_"];
    for (key, _) in std::env::vars_os().filter(|(key, _)| ours.iter().any(|prefix| key.to_string_lossy().starts_with(prefix))) {
        command.env_remove(key);
    }
    command
}

/// Waits until a process ends. The process starts other programs, so the deadline is five times the usual one.
pub fn ended(process: &mut Process) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = process.try_wait() {
            return status;
        }
        assert!(start.elapsed() < 5 * DEADLINE, "it does not end:\n{}", process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running application. Dropping it sends SIGTERM, so that its workers end too.
pub struct Application {
    process: Process,
    pub address: SocketAddr,
}

impl Application {
    /// Runs Python in the folder of an application with these arguments. `{port}` is replaced by a free port of 127.0.0.1.
    pub fn start(python: &Path, name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
        let mut command = plain(Command::new(python));
        command.arg("-B").args(args.iter().map(|arg| arg.replace("{port}", &address.port().to_string())));
        command.current_dir(folder(name)).envs(env.iter().copied());
        let mut application = Self { process: Process::start(command), address };
        // A connection is enough: it waits in the backlog until the workers have started. The application would count a request.
        until("the application listens", || {
            assert_eq!(application.process.try_wait(), None, "{name} ended:\n{}", application.process.log());
            TcpStream::connect(address).ok()
        });
        application
    }

    /// Sends all of these requests and opens the WebSockets, in any order. Returns the number of responses by status.
    pub fn ask(&self, python: &Path, requests: &[Ask], websockets: Value) -> BTreeMap<u16, u64> {
        let requests: Vec<Value> = requests.iter().map(Ask::plan).collect();
        let plan = json!({"base": self.address.to_string(), "requests": requests, "websockets": websockets});
        let script = peers::repository().join("tests/python/drive.py");
        let (code, output) = filter(plain(Command::new(python)).arg("-B").arg(script), plan.to_string().as_bytes());
        assert_eq!(code, Some(0), "{output}\n---- the application ----\n{}", self.process.log());
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
    }

    /// Ends the application by SIGTERM. Its exit code must be 0.
    pub fn stop(mut self) {
        self.process.signal(rustix::process::Signal::TERM);
        let status = self.process.wait();
        assert!(status.success(), "{status}\n{}", self.process.log());
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        if self.process.try_wait().is_none() {
            self.process.signal(rustix::process::Signal::TERM);
            let start = Instant::now();
            while self.process.try_wait().is_none() && start.elapsed() < DEADLINE {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// A request, how often it is sent, and the labels that it must have in the exposition.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    /// The route template that the application counts it under.
    pub route: &'static str,
    /// The expected status of the response. Without it, any status is accepted.
    pub status: Option<u16>,
    pub times: u64,
    /// JSON.
    pub body: String,
}

impl Ask {
    /// A GET of a path that equals its route template.
    pub fn get(path: &'static str, status: u16, times: u64) -> Self {
        Self { method: "GET", path: path.to_owned(), route: path, status: Some(status), times, body: String::new() }
    }

    /// The same request, counted under another route template.
    pub fn of_route(self, route: &'static str) -> Self {
        Self { route, ..self }
    }

    pub fn path(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    pub fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub fn body(self, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self }
    }

    fn plan(&self) -> Value {
        let Self { method, path, status, times, body, .. } = self;
        json!({"method": method, "path": path, "status": status, "times": times, "body": body, "type": "application/json"})
    }
}

/// The number of requests by method, route and status, as the exposition must have them. Panics if an expected status is missing.
pub fn totals(asks: &[Ask]) -> BTreeMap<(&'static str, &'static str, u16), u64> {
    let mut totals = BTreeMap::new();
    for ask in asks {
        let status = ask.status.expect("a request whose status is known");
        *totals.entry((ask.method, ask.route, status)).or_default() += ask.times;
    }
    totals
}
