//! A Python application as a process of its own, and the client that asks it for what a test says.

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

/// A command without what the machine sets for the clients, servers and applications that it is about.
pub fn plain(mut command: Command) -> Command {
    let ours =
        ["DD_", "DATADOG_", "STATSD_BRIDGE_", "STATSD_ADDRESS", "STATSD_ENABLED", "PROMETHEUS_", "GUNICORN_", "GRANIAN_", "METRICS_"];
    for (key, _) in std::env::vars_os().filter(|(key, _)| ours.iter().any(|prefix| key.to_string_lossy().starts_with(prefix))) {
        command.env_remove(key);
    }
    command
}

/// Waits for the end of a program that starts others, and so takes longer than most.
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

/// An application that listens; ended by SIGTERM, so that its workers end too.
pub struct Application {
    process: Process,
    pub address: SocketAddr,
}

impl Application {
    /// Runs Python in the folder of an application with these arguments, `{port}` being a free port of 127.0.0.1.
    pub fn start(python: &Path, name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(Ipv4Addr::LOCALHOST.into()));
        let mut command = plain(Command::new(python));
        command.arg("-B").args(args.iter().map(|arg| arg.replace("{port}", &address.port().to_string())));
        command.current_dir(folder(name)).envs(env.iter().copied());
        let mut application = Self { process: Process::start(command), address };
        // Whoever listens also answers, if late: connections wait until the workers have begun. A request here would be counted.
        until("the application listens", || {
            assert_eq!(application.process.try_wait(), None, "{name} ended:\n{}", application.process.log());
            TcpStream::connect(address).ok()
        });
        application
    }

    /// Asks for all of these requests and WebSockets, in any order; gives how many answers there were of each status.
    pub fn ask(&self, python: &Path, requests: &[Ask], websockets: Value) -> BTreeMap<u16, u64> {
        let requests: Vec<Value> = requests.iter().map(Ask::plan).collect();
        let plan = json!({"base": self.address.to_string(), "requests": requests, "websockets": websockets});
        let script = peers::repository().join("tests/python/drive.py");
        let (code, output) = filter(plain(Command::new(python)).arg("-B").arg(script), plan.to_string().as_bytes());
        assert_eq!(code, Some(0), "{output}\n---- the application ----\n{}", self.process.log());
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
    }

    /// Ends it by SIGTERM, which must exit with 0.
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

/// Requests of one kind: how often, and what the page must say of them.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    /// The route template under which it is counted.
    pub route: &'static str,
    /// The status that must be answered; none for any.
    pub status: Option<u16>,
    pub times: u64,
    /// Of JSON.
    pub body: String,
}

impl Ask {
    /// GET of a path that is its own template.
    pub fn get(path: &'static str, status: u16, times: u64) -> Self {
        Self { method: "GET", path: path.to_owned(), route: path, status: Some(status), times, body: String::new() }
    }

    /// The same of another path: one that this route answers, or none.
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

/// How many requests there are of each (method, route, status), as the page must have them. Every one must have a status.
pub fn totals(asks: &[Ask]) -> BTreeMap<(&'static str, &'static str, u16), u64> {
    let mut totals = BTreeMap::new();
    for ask in asks {
        let status = ask.status.expect("a request whose status is known");
        *totals.entry((ask.method, ask.route, status)).or_default() += ask.times;
    }
    totals
}
