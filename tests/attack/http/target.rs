//! A bridge under attack and its good clients: a scraper on new connections, a scraper with a persistent connection, and the health
//! check.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::SCRAPE_TIMEOUT;
use crate::harness::{Process, Response, bridge_command, free_port, parse_response, until};
use crate::page::Page;
use crate::web_config::authority::Authority;
use crate::web_config::client::{Client, Connection};

/// A running bridge and its addresses.
pub struct Target {
    process: Process,
    pub web: SocketAddr,
    statsd: SocketAddr,
    /// The folder of the web configuration.
    folder: Option<TempDir>,
    /// With TLS, a client that trusts the certificate.
    client: Option<Client>,
}

impl Target {
    pub fn plain(args: &[&str]) -> Self {
        Self::start(None, None, args)
    }

    /// Starts a bridge with TLS.
    pub fn tls() -> Self {
        let (folder, authority) = (TempDir::new().expect("a temporary folder"), Authority::new("the authority"));
        let path = |name: &str| folder.path().join(name);
        authority.issue("server", &["127.0.0.1"]).write(&path("server.crt"), &path("server.key"));
        fs::write(path("web.yml"), "tls_server_config: {cert_file: server.crt, key_file: server.key}\n").expect("written");
        Self::start(Some(folder), Some(Client::trusting(authority.pem())), &[])
    }

    /// Starts a bridge with this web configuration.
    pub fn guarded(config: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("web.yml"), config).expect("written");
        Self::start(Some(folder), None, &[])
    }

    fn start(folder: Option<TempDir>, client: Option<Client>, args: &[&str]) -> Self {
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())));
        let (web, statsd) = (address(), address());
        let mut command = bridge_command();
        command.env("STATSD_BRIDGE_SHUTDOWN_LINGER", "0s").args(args);
        command.arg(format!("--statsd.listen-udp={statsd}")).arg(format!("--statsd.listen-tcp={statsd}"));
        command.arg(format!("--web.listen-address={web}"));
        if let Some(folder) = &folder {
            command.arg(format!("--web.config.file={}", folder.path().join("web.yml").display()));
        }
        let target = Self { process: Process::start(command), web, statsd, folder, client };
        until("the bridge is ready", || target.is_ready().then_some(()));
        target
    }

    /// Sends this many counters with three labels.
    pub fn with_series(self, count: usize) -> Self {
        let lines: String = (0..count).map(|n| format!("family{}:1|c|#number:{n},host:a,route:/some\n", n % 100)).collect();
        TcpStream::connect(self.statsd).expect("the bridge accepts").write_all(lines.as_bytes()).expect("taken");
        until("all series are there", || (self.page().sum("statsd_bridge_series") >= count as f64).then_some(()));
        self
    }

    pub fn page(&self) -> Page {
        Page::parse(&self.get("/metrics").expect("a page").text()).expect("a good page")
    }

    fn get(&self, path: &str) -> Result<Response, String> {
        match &self.client {
            Some(client) => client.get(self.web, path, &[]),
            None => connect(self.web).and_then(|mut stream| ask(&mut stream, self.web, path)),
        }
    }

    /// Scrapes on a new connection. Returns the duration.
    pub fn scrape(&self) -> Duration {
        let start = Instant::now();
        let response = self.get("/metrics").unwrap_or_else(|why| {
            let time = start.elapsed();
            let page = self.get("/metrics").map(|page| page.text()).unwrap_or_default();
            let counted = page.lines().filter(|line| line.contains("http_") || line.contains("scrapes") || line.contains("tls_"));
            panic!("a scrape, after {time:?}: {why}\n{}", counted.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"))
        });
        taken(start, &response)
    }

    /// Requests /-/ready on a new connection. Returns the duration.
    pub fn probe(&self) -> Duration {
        let start = Instant::now();
        let response = self.get("/-/ready").unwrap_or_else(|why| panic!("a probe, after {:?}: {why}", start.elapsed()));
        taken(start, &response)
    }

    /// Runs the health check. Returns the duration.
    pub fn check_health(&self) -> Duration {
        let start = Instant::now();
        assert!(self.is_ready(), "the health check, after {:?}", start.elapsed());
        start.elapsed()
    }

    fn is_ready(&self) -> bool {
        let mut command = bridge_command();
        command.arg("healthcheck").arg(format!("--web.listen-address={}", self.web));
        if let Some(folder) = &self.folder {
            command.arg(format!("--web.config.file={}", folder.path().join("web.yml").display()));
        }
        let output = command.output().expect("it runs");
        output.status.success()
    }

    /// A scraper with a persistent connection.
    pub fn keep(&self) -> Kept<'_> {
        Kept { target: self, connection: None, reconnects: 0 }
    }

    /// Ends the bridge by SIGTERM. Its exit code must be 0.
    pub fn stop(mut self) {
        self.process.signal(rustix::process::Signal::TERM);
        let status = self.process.wait();
        assert!(status.success(), "after SIGTERM: {status}");
    }
}

/// A scraper with a persistent connection. If the bridge closes it, the scraper connects again, as Prometheus does.
pub struct Kept<'a> {
    target: &'a Target,
    connection: Option<KeptConnection>,
    pub reconnects: usize,
}

enum KeptConnection {
    Plain(TcpStream),
    Tls(Box<Connection>),
}

impl Kept<'_> {
    pub fn scrape(&mut self) -> Duration {
        let start = Instant::now();
        if let Some(connection) = &mut self.connection {
            match connection.scrape(self.target.web) {
                Ok(response) => {
                    if response.header("connection") == "close" {
                        eprintln!("the persistent connection is closed after its response");
                        (self.connection, self.reconnects) = (None, self.reconnects + 1);
                    }
                    return taken(start, &response);
                }
                Err(why) => eprintln!("the persistent connection was closed: {why}"),
            }
            self.reconnects += 1;
        }
        let mut connection = match &self.target.client {
            None => KeptConnection::Plain(connect(self.target.web).expect("a connection")),
            Some(client) => KeptConnection::Tls(Box::new(client.connect(self.target.web).expect("a connection"))),
        };
        let response = connection.scrape(self.target.web).unwrap_or_else(|why| panic!("a scrape, after {:?}: {why}", start.elapsed()));
        self.connection = Some(connection);
        taken(start, &response)
    }
}

impl KeptConnection {
    fn scrape(&mut self, host: SocketAddr) -> Result<Response, String> {
        match self {
            Self::Plain(stream) => ask(stream, host, "/metrics"),
            Self::Tls(connection) => connection.get("/metrics"),
        }
    }
}

fn taken(start: Instant, response: &Response) -> Duration {
    let time = start.elapsed();
    assert_eq!(response.status, 200, "after {time:?}: {}", response.text());
    assert!(time < SCRAPE_TIMEOUT, "{time:?}");
    time
}

fn connect(to: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&to, SCRAPE_TIMEOUT).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(SCRAPE_TIMEOUT)).expect("a timeout");
    Ok(stream)
}

/// Sends a request on a connection that stays open.
fn ask(stream: &mut TcpStream, host: SocketAddr, path: &str) -> Result<Response, String> {
    let words = |error: std::io::Error| error.to_string();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).map_err(words)?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 << 10]);
    loop {
        let length = stream.read(&mut piece).map_err(words)?;
        bytes.extend_from_slice(&piece[..length]);
        match parse_response(&bytes).filter(|response| !response.body.is_empty()) {
            Some(response) => return Ok(response),
            None if length == 0 => {
                return Err(format!(
                    "{} bytes, no whole answer: {:?}",
                    bytes.len(),
                    String::from_utf8_lossy(&bytes[..bytes.len().min(300)])
                ));
            }
            None => {}
        }
    }
}
