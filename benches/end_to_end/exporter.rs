//! Starts prometheus/statsd_exporter for comparison, and scrapes it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::bridge::{Page, scrape};
use crate::process::{Process, udp_drops};
use crate::rounds::{Arrived, Receiver};

/// Deadline of the start.
const DEADLINE: Duration = Duration::from_secs(30);

/// A ready statsd_exporter.
pub(crate) struct Exporter {
    process: Process,
    statsd: SocketAddr,
    web: SocketAddr,
}

impl Exporter {
    /// Starts the program with default settings, except for its ports and the receive buffer, which is that of the bridge.
    pub(crate) fn start(program: &Path) -> Result<Self, String> {
        let cannot = |e: std::io::Error| format!("cannot start {}: {e}", program.display());
        let statsd = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).map_err(cannot)?;
        let web = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).map_err(cannot)?;
        let mut command = Command::new(program);
        command.arg(format!("--statsd.listen-udp={statsd}")).arg("--statsd.listen-tcp=").arg(format!("--web.listen-address={web}"));
        command.arg("--statsd.read-buffer=16777216").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let exporter = Self { process: Process(command.spawn().map_err(cannot)?), statsd, web };
        let start = Instant::now();
        while let Err(why) = exporter.page() {
            if start.elapsed() > DEADLINE {
                return Err(format!("statsd_exporter does not start: {why}"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(exporter)
    }

    /// Scrapes it.
    pub(crate) fn page(&self) -> Result<Page, String> {
        scrape(self.web)
    }
}

impl Receiver for Exporter {
    const NAME: &'static str = "statsd_exporter";

    fn address(&self) -> SocketAddr {
        self.statsd
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn arrived(&mut self) -> Result<Arrived, String> {
        let page = self.page()?;
        Ok(Arrived {
            datagrams: page.sum("statsd_exporter_udp_packets_total "),
            // Each line of the load is a sample. It has no sets, so it does not count their lines as samples.
            samples: page.sum("statsd_exporter_lines_total "),
            counters: Some(page.sum("shop_c_")),
            dropped: udp_drops(self.statsd.port())?,
        })
    }
}
