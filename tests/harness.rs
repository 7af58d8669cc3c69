//! Starts the program under test on free ports, waits until it is ready, reads its expositions and ends it by SIGTERM. A failed
//! test kills the program by its handle.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod accounts;
mod http;

use self::accounts::own_prefix;
pub use self::accounts::{accounts, own, own_sum};
pub use self::http::{Response, parse_response, request};
use crate::page::Page;

/// How long a test waits for a condition before it fails. Far more than a busy machine needs.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// The whole number in an environment variable, if it is set. Panics if it is not a number.
pub fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no whole number")))
}

/// Polls until there is a value. Panics after [`DEADLINE`] with the name of the condition.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "waited {} s in vain: {what}", DEADLINE.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ports below the kernel's ephemeral range, so that no connection takes a port between the choice and the use of the port.
const PORTS: Range<u16> = 10_000..32_768;

/// A port that is free for UDP and TCP at this address, and that no other test of this run gets.
pub fn free_port(host: IpAddr) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    until("a free port", || {
        // Test runs at the same time start far from each other in the range.
        let number = std::process::id().wrapping_mul(7919).wrapping_add(NEXT.fetch_add(1, Relaxed));
        let port = PORTS.start + u16::try_from(number % u32::from(PORTS.end - PORTS.start)).expect("a small remainder");
        let _tcp = TcpListener::bind((host, port)).ok()?;
        let _udp = UdpSocket::bind((host, port)).ok()?;
        Some(port)
    })
}

/// A command line of the program, before the start.
pub struct Launch {
    host: IpAddr,
    args: Vec<String>,
    env: Vec<(String, String)>,
    stderr: Option<OwnedFd>,
    shell: Option<String>,
}

impl Launch {
    /// Listens on 127.0.0.1, with the defaults otherwise.
    pub fn new() -> Self {
        Self { host: Ipv4Addr::LOCALHOST.into(), args: Vec::new(), env: Vec::new(), stderr: None, shell: None }
    }

    /// Listens on this address instead of 127.0.0.1.
    pub fn host(mut self, host: IpAddr) -> Self {
        self.host = host;
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds an environment variable.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Sends stderr here instead of to the log.
    pub fn stderr(mut self, to: OwnedFd) -> Self {
        self.stderr = Some(to);
        self
    }

    /// Runs this shell command first, in the same process, such as `ulimit`.
    pub fn after(mut self, shell: &str) -> Self {
        self.shell = Some(shell.to_owned());
        self
    }

    /// Starts the program and waits until it is ready. If a port was taken in the meantime, starts it again on other ports.
    pub fn start(self) -> Running {
        for _ in 0..5 {
            if let Some(running) = self.try_start() {
                return running;
            }
        }
        panic!("five times a port was taken between being chosen and being bound");
    }

    fn try_start(&self) -> Option<Running> {
        let address = || SocketAddr::new(self.host, free_port(self.host));
        let (statsd, web) = (address(), address());
        let mut command = match &self.shell {
            Some(shell) => without_settings(shell_command(shell)),
            None => bridge_command(),
        };
        command.arg(format!("--statsd.listen-udp={statsd}")).arg(format!("--statsd.listen-tcp={statsd}"));
        // No linger by default. A test can set one with the flag, which overrides the variable.
        command.env("STATSD_BRIDGE_SHUTDOWN_LINGER", "0s");
        command.arg(format!("--web.listen-address={web}")).args(&self.args).envs(self.env.iter().cloned());
        let stderr = self.stderr.as_ref().map(|fd| fd.try_clone().expect("a second handle of a pipe"));
        let mut running = Running { process: Process::start_with(command, stderr), statsd, web };
        let ready = until("the bridge is ready", || match running.process.try_wait() {
            Some(status) => Some(Err(status)),
            None => running.try_get("/-/ready").filter(|r| r.status == 200).map(|_| Ok(())),
        });
        match ready {
            Ok(()) => {
                // A separate thread writes the log in order: when this message is there, earlier ones are too.
                if self.stderr.is_none() && !self.args.iter().any(|arg| arg.starts_with("--log.level")) {
                    until("the log says that it is ready", || running.process.log().contains("ready").then_some(()));
                }
                Some(running)
            }
            Err(status) => {
                let log = running.process.log();
                assert!(log.contains("in use"), "the bridge ended at once ({status}):\n{log}");
                None
            }
        }
    }
}

/// The program under test without arguments, and without environment variables that configure it.
pub fn bridge_command() -> Command {
    without_settings(Command::new(env!("CARGO_BIN_EXE_statsd-bridge")))
}

/// The program under test, started by a shell that runs this command first. Other shells cannot copy descriptors above 9.
fn shell_command(first: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{first} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_statsd-bridge")]);
    command
}

fn without_settings(mut command: Command) -> Command {
    for (key, _) in std::env::vars_os().filter(|(k, _)| k.to_string_lossy().starts_with("STATSD_BRIDGE_")) {
        command.env_remove(key);
    }
    command
}

/// A child process whose output goes to a file. Dropping it kills the process and, in a failed test, prints the output.
pub struct Process {
    child: Child,
    output: TempDir,
}

impl Process {
    /// Starts a command with closed stdin.
    pub fn start(command: Command) -> Self {
        Self::start_with(command, None)
    }

    /// Starts a command with another stderr.
    fn start_with(mut command: Command, stderr: Option<OwnedFd>) -> Self {
        let output = TempDir::new().expect("a temporary directory");
        let file = File::create(output.path().join("log")).expect("a temporary file");
        let twin = file.try_clone().expect("a second handle of a file");
        let stderr = stderr.map_or_else(|| Stdio::from(file), Stdio::from);
        let child = command.stdin(Stdio::null()).stdout(twin).stderr(stderr).spawn();
        Self { child: child.unwrap_or_else(|e| panic!("{command:?}: {e}")), output }
    }

    /// The output so far, stdout and stderr together.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.output.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the output contains a text. A separate thread writes the log, so messages appear later than counters change.
    pub fn logs(&self, text: &str) {
        until(&format!("{text:?} is logged"), || self.log().contains(text).then_some(()));
    }

    /// The exit status, if the process has ended.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("a child that was not waited for can be signalled");
    }

    /// Waits until the process ends.
    pub fn wait(&mut self) -> ExitStatus {
        until("a process ends", || self.try_wait())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- output of the process ----\n{}", self.log());
        }
    }
}

/// The running program under test.
pub struct Running {
    pub process: Process,
    /// The address of its UDP and TCP listeners.
    pub statsd: SocketAddr,
    /// The address of its HTTP server.
    pub web: SocketAddr,
}

impl Running {
    /// A UDP socket connected to the bridge.
    pub fn udp(&self) -> UdpSocket {
        let socket = UdpSocket::bind((self.statsd.ip(), 0)).expect("a UDP socket");
        socket.connect(self.statsd).expect("a connected UDP socket");
        socket
    }

    /// Sends one datagram from a new socket.
    pub fn send(&self, datagram: impl AsRef<[u8]>) {
        let datagram = datagram.as_ref();
        assert_eq!(self.udp().send(datagram).expect("a datagram is sent"), datagram.len());
    }

    /// A TCP connection to the bridge.
    pub fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.statsd).expect("the bridge accepts");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        stream
    }

    /// GET of a path.
    pub fn get(&self, path: &str) -> Response {
        self.try_get(path).unwrap_or_else(|| panic!("no response to GET {path}"))
    }

    fn try_get(&self, path: &str) -> Option<Response> {
        request(self.web, "GET", path, &[]).ok()
    }

    /// The exposition as text.
    pub fn page_text(&self) -> String {
        let response = self.get("/metrics");
        assert_eq!(response.status, 200, "{}", response.text());
        assert!(response.header("content-type").starts_with("text/plain; version=0.0.4"), "{}", response.header("content-type"));
        response.text()
    }

    /// The exposition, checked by the strict parser.
    pub fn page(&self) -> Page {
        let text = self.page_text();
        Page::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    /// Polls until the condition holds for an exposition, and then until the counters of a later one add up, which it returns. An exposition
    /// is not made at one moment: of two counters, the one may be newer than the other. Panics with the last one after [`DEADLINE`].
    pub fn page_when(&self, what: &str, mut holds: impl FnMut(&Page) -> bool) -> Page {
        let (start, mut is_met) = (Instant::now(), false);
        loop {
            let page = self.page();
            let was_met = is_met;
            is_met = is_met || holds(&page);
            if was_met && accounts(&page).is_ok() {
                return page;
            }
            assert!(start.elapsed() < DEADLINE, "waited in vain: {what}\n{}", self.page_text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Polls until this many samples have arrived, valid or not, and the counters add up. Fails if more samples have arrived.
    pub fn page_at(&self, samples: u64) -> Page {
        let total = |page: &Page| page.sum(&format!("{}samples_total", own_prefix(page)));
        let what = format!("{samples} samples, adding up");
        let page = self.page_when(&what, |page| total(page) >= samples as f64 && accounts(page).is_ok());
        assert_eq!(total(&page), samples as f64, "more samples than were sent");
        page
    }

    /// Waits until the counters add up, then ends the bridge by SIGTERM, with exit code 0. Returns the complete log.
    pub fn stop(mut self) -> String {
        // A scrape may see one counter of a flush and not yet the other, so a wrong sum is read again.
        let mut last = Ok(());
        self.page_when("the counters add up", |page| {
            let sums = accounts(page);
            if sums != last {
                eprintln!("accounts: {sums:?}");
            }
            last = sums;
            last.is_ok()
        });
        self.process.signal(rustix::process::Signal::TERM);
        let status = self.process.wait();
        let log = self.process.log();
        assert!(status.success(), "after SIGTERM: {status}\n{log}");
        log
    }
}
