//! Passes lines on to another StatsD server over UDP, before anything is known about them.
//!
//! Each receiver has a relay of its own. Sending never blocks: what the kernel does not take at once is lost and counted. That nobody
//! took a datagram is told a moment after it was sent, so its lines are counted only then: as relayed, or as lost.
//! Must not parse a line.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::program::net::{Address, AddressError};
use crate::telemetry::{RelayCounters, Telemetry};

/// A line waits no longer than this for others to fill its datagram.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How long the target's machine has to say that nobody takes a datagram, unless the next one is sent before.
const SETTLE: Duration = Duration::from_millis(200);

/// Where to, and in datagrams of what size.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// The other server.
    pub target: Address,
    /// Bytes of a datagram, at least 1; 1400 fits an Ethernet frame with room for tunnels.
    pub packet_bytes: usize,
}

/// One receiver's relay.
pub(crate) struct Relay {
    socket: UdpSocket,
    counters: RelayCounters,
    packet: Vec<u8>,
    packet_bytes: usize,
    /// When the first line of `packet` came.
    since: Option<Instant>,
    /// Lines in `packet`.
    lines: u64,
    /// Lines in the datagram sent last, not counted yet, and when it was sent.
    unsettled: Option<(u64, Instant)>,
    /// Counted already while one datagram was looked at; flushed with it.
    long_lines: u64,
}

impl RelayOptions {
    /// The address of the target, looked up now.
    pub fn resolve(&self) -> Result<SocketAddr, AddressError> {
        let candidates = self.target.candidates()?;
        let form = || AddressError::Form(self.target.to_string());
        candidates.first().copied().filter(|a| !a.ip().is_unspecified() && a.port() != 0).ok_or_else(form)
    }
}

impl Relay {
    /// Opens a socket towards `target`; nothing is sent yet.
    pub(crate) fn open(target: SocketAddr, packet_bytes: usize, telemetry: &Telemetry) -> io::Result<Self> {
        let any: SocketAddr = if target.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        socket.connect(target)?;
        let packet = Vec::with_capacity(packet_bytes);
        Ok(Self {
            socket,
            counters: telemetry.relay(&target.to_string()),
            packet,
            packet_bytes,
            since: None,
            lines: 0,
            unsettled: None,
            long_lines: 0,
        })
    }

    /// Packs every line of a datagram that is not empty.
    pub(crate) fn lines(&mut self, datagram: &[u8], now: Instant) {
        datagram.split(|b| *b == b'\n').filter(|line| !line.is_empty()).for_each(|line| self.line(line, now));
        if self.long_lines > 0 {
            self.counters.long_lines.increment(std::mem::take(&mut self.long_lines));
        }
        self.tick(now);
    }

    /// Sends the packed lines if the first of them has waited long enough; counts those that were sent long enough ago.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.unsettled.is_some_and(|(_, sent)| now.saturating_duration_since(sent) >= SETTLE) {
            self.settle();
        }
        if self.since.is_some_and(|since| now.saturating_duration_since(since) >= MAX_WAIT) {
            self.flush(now);
        }
    }

    /// Sends the packed lines now, and counts all.
    pub(crate) fn finish(&mut self) {
        self.flush(Instant::now());
        self.settle();
    }

    fn flush(&mut self, now: Instant) {
        if self.lines == 0 {
            return;
        }
        self.settle();
        let mut sent = self.socket.send(&self.packet);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            // This tells of one before, which was counted already; the present one was not tried yet.
            sent = self.socket.send(&self.packet);
        }
        match sent {
            Ok(_) => {
                self.counters.packets.increment(1);
                self.unsettled = Some((self.lines, now));
            }
            Err(_) => self.counters.lost_lines.increment(self.lines),
        }
        self.packet.clear();
        self.lines = 0;
        self.since = None;
    }

    /// Counts the lines of the datagram sent last, by what is known of it now.
    fn settle(&mut self) {
        let Some((lines, _)) = self.unsettled.take() else { return };
        match self.socket.take_error() {
            Ok(None) => self.counters.lines.increment(lines),
            Ok(Some(_)) | Err(_) => self.counters.lost_lines.increment(lines),
        }
    }

    fn line(&mut self, line: &[u8], now: Instant) {
        let needed = line.len().saturating_add(1);
        if needed > self.packet_bytes {
            self.long_lines += 1;
            return;
        }
        if self.packet.len() + needed > self.packet_bytes {
            self.flush(now);
        }
        self.packet.extend_from_slice(line);
        self.packet.push(b'\n');
        self.lines += 1;
        self.since.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Prefix;

    fn value(telemetry: &Telemetry, name: &str) -> String {
        let full = format!("statsd_bridge_{name}{{");
        let families = telemetry.families();
        let line = families.iter().flat_map(|f| &f.lines).find_map(|l| l.strip_prefix(&full)?.rsplit_once(' '));
        line.unwrap_or_else(|| panic!("no {name}")).1.to_owned()
    }

    fn received(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let n = socket.recv(&mut buffer).expect("a datagram");
        buffer[..n].to_vec()
    }

    #[test]
    fn lines_are_packed_as_they_came_and_sent_when_full_or_late() {
        let target = UdpSocket::bind("127.0.0.1:0").unwrap();
        target.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let telemetry = Telemetry::new(Prefix::Bridge);
        let mut relay = Relay::open(target.local_addr().unwrap(), 20, &telemetry).unwrap();
        let start = Instant::now();
        relay.lines(b"a:1|c\n\nnot a sample\n", start);
        assert_eq!(value(&telemetry, "relay_packets_total"), "0", "19 of 20 bytes wait for more");
        relay.lines(b"b:2|c\n123456789012345678901", start);
        assert_eq!(received(&target), b"a:1|c\nnot a sample\n");
        relay.tick(start + Duration::from_millis(999));
        assert_eq!(value(&telemetry, "relay_packets_total"), "1");
        relay.tick(start + MAX_WAIT);
        assert_eq!(received(&target), b"b:2|c\n");
        assert_eq!(value(&telemetry, "relay_lines_relayed_total"), "2", "of the last one nothing is known yet");
        relay.tick(start + MAX_WAIT + SETTLE);
        assert_eq!(value(&telemetry, "relay_lines_relayed_total"), "3");
        assert_eq!(value(&telemetry, "relay_long_lines_total"), "1");
        assert_eq!(value(&telemetry, "relay_lines_lost_total"), "0");
    }

    #[test]
    fn a_target_that_is_gone_costs_its_lines_and_nothing_else() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let telemetry = Telemetry::new(Prefix::Bridge);
        let mut relay = Relay::open(gone, 1400, &telemetry).unwrap();
        for _ in 0..3 {
            relay.lines(b"a:1|c\nb:1|c", Instant::now());
            relay.flush(Instant::now());
        }
        assert_eq!(value(&telemetry, "relay_lines_lost_total"), "4", "of the last one nothing is known yet");
        relay.finish();
        assert_eq!(value(&telemetry, "relay_lines_lost_total"), "6");
        assert_eq!(value(&telemetry, "relay_lines_relayed_total"), "0", "no line is both");
    }

    #[test]
    fn a_target_needs_host_and_port() {
        let resolve = |text| RelayOptions { target: Address::parse(text).unwrap(), packet_bytes: 1400 }.resolve();
        assert!(resolve("127.0.0.1:0").is_err());
        assert!(resolve(":8125").is_err());
        assert_eq!(resolve("[::1]:8125"), Ok("[::1]:8125".parse().unwrap()));
    }
}
