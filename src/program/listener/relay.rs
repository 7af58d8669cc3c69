//! Relays received lines to another StatsD server over UDP.
//!
//! Each receiver has its own relay. Sending never blocks: lines that the kernel does not accept at once are lost and counted. The kernel
//! reports an unreachable target shortly after a datagram is sent, so its lines are counted then, as relayed or as lost.
//! Must not parse a line.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::program::net::{Address, AddressError};
use crate::telemetry::{RelayCounters, Telemetry};

/// The longest time that a line waits for other lines to fill its datagram.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Time for the report of an unreachable target, unless the next datagram is sent earlier.
const REPORT_WAIT: Duration = Duration::from_millis(200);

/// Options of the relay.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// The address of the other server.
    pub target: Address,
    /// Length of a datagram in bytes, at least 1; 1400 fits an Ethernet frame with room for tunnels.
    pub packet_bytes: usize,
}

/// The resolved target of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelayTarget {
    /// The socket address of the other server.
    pub address: SocketAddr,
    /// Length of a datagram in bytes.
    pub packet_bytes: usize,
}

/// The relay of one receiver.
pub(crate) struct Relay {
    socket: UdpSocket,
    counters: RelayCounters,
    packet: Vec<u8>,
    packet_bytes: usize,
    /// When the first line of `packet` was added.
    since: Option<Instant>,
    /// Lines in `packet`.
    lines: u64,
    /// The last datagram, until its lines are counted.
    uncounted: Option<SentDatagram>,
    /// Lines too long for a datagram, until they are added to the counter.
    long_lines: u64,
}

#[derive(Clone, Copy)]
struct SentDatagram {
    lines: u64,
    at: Instant,
}

impl RelayOptions {
    /// Resolves the address of the target.
    pub(crate) fn resolve(&self) -> Result<RelayTarget, AddressError> {
        let address = self.target.candidates()?.best;
        if address.ip().is_unspecified() || address.port() == 0 {
            return Err(AddressError::Form(self.target.to_string()));
        }
        Ok(RelayTarget { address, packet_bytes: self.packet_bytes })
    }
}

impl Relay {
    /// Opens a socket to `target`. Nothing is sent yet.
    pub(crate) fn open(target: RelayTarget, telemetry: &Telemetry) -> io::Result<Self> {
        let RelayTarget { address, packet_bytes } = target;
        let any: SocketAddr = if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        socket.connect(address)?;
        let packet = Vec::with_capacity(packet_bytes);
        Ok(Self {
            socket,
            counters: telemetry.relay(&address.to_string()),
            packet,
            packet_bytes,
            since: None,
            lines: 0,
            uncounted: None,
            long_lines: 0,
        })
    }

    /// Packs all non-empty lines of a datagram.
    pub(crate) fn lines(&mut self, datagram: &[u8], now: Instant) {
        datagram.split(|b| *b == b'\n').filter(|line| !line.is_empty()).for_each(|line| self.line(line, now));
        if self.long_lines > 0 {
            self.counters.long_lines.increment(std::mem::take(&mut self.long_lines));
        }
        self.tick(now);
    }

    /// Sends the packed lines if the first of them has waited long enough, and counts the lines of the last datagram if it was sent long
    /// enough ago.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.uncounted.is_some_and(|sent| now.saturating_duration_since(sent.at) >= REPORT_WAIT) {
            self.count_sent();
        }
        if self.since.is_some_and(|since| now.saturating_duration_since(since) >= MAX_WAIT) {
            self.flush(now);
        }
    }

    /// Sends the packed lines, and counts all lines.
    pub(crate) fn finish(&mut self) {
        self.flush(Instant::now());
        self.count_sent();
    }

    fn flush(&mut self, now: Instant) {
        if self.lines == 0 {
            return;
        }
        self.count_sent();
        let mut sent = self.socket.send(&self.packet);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            // The error belongs to an earlier datagram, which is counted. This one has not been sent.
            sent = self.socket.send(&self.packet);
        }
        match sent {
            Ok(_) => {
                self.counters.packets.increment(1);
                self.uncounted = Some(SentDatagram { lines: self.lines, at: now });
            }
            Err(_) => self.counters.lost_lines.increment(self.lines),
        }
        self.packet.clear();
        self.lines = 0;
        self.since = None;
    }

    /// Counts the lines of the last datagram, as lost if the kernel has reported an error.
    fn count_sent(&mut self) {
        let Some(SentDatagram { lines, .. }) = self.uncounted.take() else { return };
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
        telemetry.sum(name).to_string()
    }

    fn received(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let n = socket.recv(&mut buffer).expect("a datagram");
        buffer[..n].to_vec()
    }

    #[test]
    fn lines_are_packed_unchanged_and_sent_when_full_or_late() {
        let target = UdpSocket::bind("127.0.0.1:0").unwrap();
        target.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let telemetry = Telemetry::new(Prefix::Bridge, crate::telemetry::Owner::Program);
        let mut relay = Relay::open(RelayTarget { address: target.local_addr().unwrap(), packet_bytes: 20 }, &telemetry).unwrap();
        let start = Instant::now();
        relay.lines(b"a:1|c\n\nnot a sample\n", start);
        assert_eq!(value(&telemetry, "relay_packets_total"), "0", "19 of 20 bytes are used");
        relay.lines(b"b:2|c\n123456789012345678901", start);
        assert_eq!(received(&target), b"a:1|c\nnot a sample\n");
        relay.tick(start + Duration::from_millis(999));
        assert_eq!(value(&telemetry, "relay_packets_total"), "1");
        relay.tick(start + MAX_WAIT);
        assert_eq!(received(&target), b"b:2|c\n");
        assert_eq!(value(&telemetry, "relay_lines_relayed_total"), "2", "the last datagram is not counted yet");
        relay.tick(start + MAX_WAIT + REPORT_WAIT);
        assert_eq!(value(&telemetry, "relay_lines_relayed_total"), "3");
        assert_eq!(value(&telemetry, "relay_long_lines_total"), "1");
        assert_eq!(value(&telemetry, "relay_lines_lost_total"), "0");
    }

    #[test]
    fn lines_to_an_absent_target_are_counted_as_lost() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let telemetry = Telemetry::new(Prefix::Bridge, crate::telemetry::Owner::Program);
        let mut relay = Relay::open(RelayTarget { address: gone, packet_bytes: 1400 }, &telemetry).unwrap();
        for _ in 0..3 {
            relay.lines(b"a:1|c\nb:1|c", Instant::now());
            relay.flush(Instant::now());
        }
        assert_eq!(value(&telemetry, "relay_lines_lost_total"), "4", "the last datagram is not counted yet");
        relay.finish();
        assert_eq!(value(&telemetry, "relay_lines_lost_total"), "6");
        assert_eq!(value(&telemetry, "relay_lines_relayed_total"), "0", "no line is both");
    }

    #[test]
    fn a_target_needs_host_and_port() {
        let resolve =
            |text| RelayOptions { target: Address::parse(text).unwrap(), packet_bytes: 1400 }.resolve().map(|target| target.address);
        assert!(resolve("127.0.0.1:0").is_err());
        assert!(resolve(":8125").is_err());
        assert_eq!(resolve("[::1]:8125"), Ok("[::1]:8125".parse().unwrap()));
    }
}
