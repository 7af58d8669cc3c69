//! UDP: one thread per address and worker, each with its own socket, receives batches with `recvmmsg`.
//!
//! ```text
//! bind     the sockets of an address share it by SO_REUSEPORT; the kernel distributes senders over them
//! receive  wait (up to 250 ms) -> batch of up to 64 -> Intake -> coalescing delay if the batch was not full
//! stop     make the kernel queue nothing more, drain what it holds, read its drop counters once more (`group`)
//! ```
//! Sockets of systemd outlive the process: they are not shut, and what arrives during a restart waits in them for the next process.
//! So each datagram is recorded, or the kernel counts it as dropped, or the kernel rejects it and reports that to the sender.
//! Linux only. Must not know the contents of a datagram, except that lines end with a newline.

mod drops;
mod group;
mod socket;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use self::drops::{Drops, watch_drops};
use self::group::Group;
use self::socket::{BoundSockets, DropReader, bind_workers, inherit, receive_buffer_hint};
use super::allowed::AllowedSenders;
use super::batch::{DatagramBatch, Wait};
use super::health::SocketHealth;
use super::intake::Intake;
use super::receiver::{Receiver, set_timer_slack};
use super::stop::Stop;
use crate::program::net::{Address, AllowedNetwork, BindError};
use crate::program::readiness::Readiness;
use crate::source::Source;
use crate::telemetry::Telemetry;

/// The range of the default coalescing delay. A longer delay gathers few more datagrams, and a shorter one gathers hardly any.
const MIN_COALESCING_DELAY: Duration = Duration::from_micros(200);
const MAX_COALESCING_DELAY: Duration = Duration::from_millis(1);

/// Options of the UDP listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpOptions {
    /// Threads and sockets per address. There is always at least one.
    pub workers: usize,
    /// Size of the receive buffer to request, in bytes; 0 requests 16 MiB.
    pub read_buffer_bytes: usize,
    /// Length limit of a datagram in bytes, from 1 to 65,535. Of a longer datagram, the complete lines are recorded.
    pub datagram_bytes: usize,
    /// Pause before the next receive after a batch that was not full; zero for none. `None` for 200 microseconds to 1 millisecond,
    /// depending on the size of the receive buffer.
    pub coalescing_delay: Option<Duration>,
    /// Networks that may send; none for all.
    pub allow_from: Vec<AllowedNetwork>,
}

/// The sockets of one address, ready to receive.
pub(crate) struct BoundUdp {
    group: Group,
    /// The size as the kernel reports it: twice the granted size.
    receive_buffer_bytes: usize,
    options: UdpOptions,
}

impl BoundUdp {
    /// Binds one socket per worker.
    ///
    /// # Errors
    ///
    /// A socket cannot be bound. The port is not shared with another program.
    pub(crate) fn bind(address: &Address, options: &UdpOptions) -> Result<Self, BindError> {
        let BoundSockets { address, sockets, receive_buffer_bytes } =
            address.bind_first("udp", |candidate| bind_workers(candidate, options.workers, options.read_buffer_bytes))?;
        Ok(Self { group: Group::new(address, sockets), receive_buffer_bytes, options: options.clone() })
    }

    /// Takes sockets that systemd bound. Each gets one thread, so that the datagrams of a sender keep their order. Several sockets of one
    /// address (`ReusePort=yes`) are its workers.
    ///
    /// # Errors
    ///
    /// The options of a socket cannot be set.
    pub(crate) fn inherit(sockets: Vec<UdpSocket>, options: &UdpOptions) -> io::Result<Vec<Self>> {
        let mut by_address = BTreeMap::<SocketAddr, Vec<UdpSocket>>::new();
        for socket in sockets {
            by_address.entry(socket.local_addr()?).or_default().push(socket);
        }
        let inherit = |(address, sockets)| {
            let BoundSockets { address, sockets, receive_buffer_bytes } = inherit(address, sockets, options.read_buffer_bytes)?;
            Ok(Self { group: Group::inherited(address, sockets), receive_buffer_bytes, options: options.clone() })
        };
        by_address.into_iter().map(inherit).collect()
    }

    /// The bound address, with the port that the kernel picked for port 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.group.address()
    }

    /// Starts the threads, with one intake each. They end soon after `stop` is set.
    pub(crate) fn start(
        self,
        telemetry: &Arc<Telemetry>,
        stop: &Arc<Stop>,
        readiness: &Arc<Readiness>,
        mut intake: impl FnMut() -> io::Result<Intake>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        self.announce();
        let coalescing_delay = self.coalescing_delay();
        let group = Arc::new(self.group);
        let address = group.address().to_string();
        let (mut threads, mut drops) = (Vec::new(), Vec::new());
        for (worker, socket) in group.sockets().iter().cloned().enumerate() {
            let (granted, dropped) = telemetry.udp_socket(&address, worker);
            granted.set(self.receive_buffer_bytes as f64);
            let watched = Arc::new(Drops::new(&socket, DropReader::new(&socket, dropped)));
            // The kernel's count of an inherited socket goes on over restarts, and so does the metric, from the first scrape.
            watched.read();
            drops.push(Arc::downgrade(&watched));
            let receiver = Receiver {
                intake: intake()?,
                batch: DatagramBatch::new(self.options.datagram_bytes, Source::Unknown),
                health: SocketHealth::new(address.clone(), readiness.part()),
                stop: stop.clone(),
                telemetry: telemetry.clone(),
                counters: telemetry.transport.udp.clone(),
                allowed: AllowedSenders::new(&self.options.allow_from, telemetry.transport.udp_disallowed.clone()),
                peers: None,
            };
            let thread = UdpThread { socket, group: group.clone(), drops: watched, receiver, coalescing_delay };
            threads.push(Builder::new().name(format!("udp-{worker}")).spawn(move || thread.run())?);
        }
        watch_drops(drops)?;
        Ok(threads)
    }

    fn coalescing_delay(&self) -> Duration {
        self.options.coalescing_delay.unwrap_or_else(|| default_coalescing_delay(self.receive_buffer_bytes))
    }

    fn announce(&self) {
        let (address, workers, bytes) = (self.group.address(), self.group.sockets().len(), self.receive_buffer_bytes);
        let coalescing_delay = self.coalescing_delay();
        let is_inherited = self.group.is_inherited();
        match receive_buffer_hint(self.options.read_buffer_bytes, bytes) {
            _ if is_inherited && self.options.read_buffer_bytes == 0 => {
                tracing::info!(%address, workers, receive_buffer_bytes = bytes, ?coalescing_delay, "listening on udp, on sockets of systemd")
            }
            None => tracing::info!(%address, workers, receive_buffer_bytes = bytes, ?coalescing_delay, "listening on udp"),
            Some(hint) => tracing::warn!(
                %address, workers, receive_buffer_bytes = bytes, ?coalescing_delay, raise_with = hint,
                "listening on udp with a smaller receive buffer than requested"
            ),
        }
    }
}

/// A thread and its socket.
struct UdpThread {
    socket: Arc<UdpSocket>,
    group: Arc<Group>,
    drops: Arc<Drops>,
    receiver: Receiver,
    /// Pause before the next receive call after a batch that was not full; zero for none.
    coalescing_delay: Duration,
}

impl UdpThread {
    fn run(self) {
        set_timer_slack();
        let Self { socket, group, drops, mut receiver, coalescing_delay } = self;
        let socket = socket.as_raw_fd();
        while !receiver.stop.is_set() {
            let (received, _) = receiver.step(socket, Wait::ForOne);
            coalesce(received, coalescing_delay);
        }
        if group.is_inherited() {
            receiver.read_queued(socket);
        } else {
            // After the shutdown of the group, no datagram arrives, and the drop counter is final.
            let is_shut = group.shut();
            receiver.drain(socket, is_shut);
        }
        receiver.intake.finish();
        drops.read();
    }
}

/// Waits for the coalescing delay after a batch of `received` datagrams, if that is useful.
///
/// Waking up costs more than receiving: at half a million datagrams a second, a thread without the delay wakes up for every one to four
/// datagrams. With the delay, a batch gathers. After a full batch, more datagrams wait already. The delay after a single datagram costs
/// almost nothing, and gathers the rest of a burst.
fn coalesce(received: usize, delay: Duration) {
    if received > 0 && received < DatagramBatch::DATAGRAMS && !delay.is_zero() {
        thread::sleep(delay);
    }
}

/// The default coalescing delay: the time in which two gigabytes a second fill an eighth of the receive buffer. One sender was measured to
/// send less over loopback.
fn default_coalescing_delay(receive_buffer_bytes: usize) -> Duration {
    const BYTES_PER_MICROSECOND: usize = 2000;
    let micros = receive_buffer_bytes / 8 / BYTES_PER_MICROSECOND;
    Duration::from_micros(micros as u64).clamp(MIN_COALESCING_DELAY, MAX_COALESCING_DELAY)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::bridge::Bridge;
    use crate::options::Options as BridgeOptions;
    use crate::source::Source;

    fn own(bridge: &Bridge, series: &str) -> u64 {
        bridge.telemetry().value(series).unwrap_or_else(|| panic!("no {series}")) as u64
    }

    fn options(workers: usize, datagram_bytes: usize) -> UdpOptions {
        UdpOptions {
            workers,
            read_buffer_bytes: 0,
            datagram_bytes,
            coalescing_delay: Some(Duration::from_micros(100)),
            allow_from: Vec::new(),
        }
    }

    fn start(address: &str, options: &UdpOptions) -> (SocketAddr, Bridge, Arc<Stop>, Vec<JoinHandle<()>>) {
        let bound = BoundUdp::bind(&Address::parse(address).unwrap(), options).unwrap();
        let (bridge, stop) = (Bridge::of_program(BridgeOptions::default()), Stop::new(Duration::from_secs(60)));
        let at = bound.address();
        let threads = bound.start(bridge.telemetry(), &stop, &Arc::default(), || Ok(Intake::new(bridge.worker(), None))).unwrap();
        (at, bridge, stop, threads)
    }

    fn end(stop: &Stop, threads: Vec<JoinHandle<()>>) {
        stop.set();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }

    #[test]
    fn every_datagram_of_every_sender_is_received_before_the_threads_end() {
        let (at, bridge, stop, threads) = start("127.0.0.1:0", &options(2, 65_535));
        assert_eq!(threads.len(), 2);
        for sender in 1..=16 {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            (0..50).for_each(|_| assert_eq!(socket.send_to(b"a:1|c", at).unwrap(), 5));
            // The kernel holds only the datagrams of the last senders; only those are received at the end.
            while sender < 14 && own(&bridge, "statsd_bridge_udp_packets_total") < 50 * sender {
                thread::yield_now();
            }
        }
        end(&stop, threads);
        assert_eq!(own(&bridge, "statsd_bridge_udp_packets_total"), 800);
        for worker in 0..2 {
            let labels = format!("{{address=\"{at}\",worker=\"{worker}\"}}");
            assert_eq!(own(&bridge, &format!("statsd_bridge_udp_kernel_drops_total{labels}")), 0);
            assert!(own(&bridge, &format!("statsd_bridge_udp_receive_buffer_bytes{labels}")) > 0);
        }
    }

    #[test]
    fn the_default_coalescing_delay_depends_on_the_receive_buffer() {
        for (bytes, micros) in [(0, 200), (425_984, 200), (8_000_000, 500), (16 << 20, 1000), (usize::MAX, 1000)] {
            assert_eq!(default_coalescing_delay(bytes), Duration::from_micros(micros), "{bytes}");
        }
    }

    #[test]
    fn a_datagram_over_the_limit_is_counted_as_truncated() {
        let (at, bridge, stop, threads) = start("127.0.0.1:0", &options(1, 10));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"a:1|c\nb:1|c\n", at).unwrap();
        sender.send_to(b"c:1|c", at).unwrap();
        end(&stop, threads);
        assert_eq!(own(&bridge, "statsd_bridge_udp_packets_total"), 2);
        assert_eq!(own(&bridge, "statsd_bridge_udp_truncated_packets_total"), 1);
    }

    #[test]
    fn a_conflict_names_its_senders() {
        let (at, bridge, stop, threads) = start("127.0.0.1:0", &options(1, 100));
        let senders = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        senders.iter().zip([&b"a:1|c"[..], b"a:1|g"]).for_each(|(sender, line)| assert_eq!(sender.send_to(line, at).unwrap(), 5));
        end(&stop, threads);
        let conflicts = bridge.registry().conflicts();
        let named: Vec<Source> = conflicts.iter().flat_map(|c| [c.kept.as_ref().unwrap().source, c.came.source]).collect();
        assert_eq!(named, senders.map(|sender| Source::Udp(sender.local_addr().unwrap())));
    }

    #[test]
    fn drops_are_counted_while_the_receiving_thread_sleeps() {
        // The thread sleeps for a minute after its first datagram.
        let options = UdpOptions { read_buffer_bytes: 1, coalescing_delay: Some(Duration::from_secs(60)), ..options(1, 65_535) };
        let (at, bridge, _stop, _threads) = start("127.0.0.1:0", &options);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dropped = format!("statsd_bridge_udp_kernel_drops_total{{address=\"{at}\",worker=\"0\"}}");
        let start = Instant::now();
        while own(&bridge, &dropped) == 0 {
            assert!(start.elapsed() < Duration::from_secs(120), "no drops are counted");
            (0..100).for_each(|_| assert_eq!(sender.send_to(&[b'x'; 1000], at).unwrap(), 1000));
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn lasting_errors_are_counted_and_make_the_program_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        // Nothing can be received from a file.
        let file = std::os::fd::OwnedFd::from(std::fs::File::create(folder.path().join("f")).unwrap());
        let bound = BoundUdp {
            group: Group::new("127.0.0.1:1".parse().unwrap(), vec![UdpSocket::from(file)]),
            receive_buffer_bytes: 0,
            options: options(1, 100),
        };
        let (bridge, stop, readiness) =
            (Bridge::of_program(BridgeOptions::default()), Stop::new(Duration::ZERO), Arc::<Readiness>::default());
        readiness.set_started(true);
        let threads = bound.start(bridge.telemetry(), &stop, &readiness, || Ok(Intake::new(bridge.worker(), None))).unwrap();
        let start = Instant::now();
        while readiness.is_ready() {
            assert!(start.elapsed() < Duration::from_secs(120), "it stays ready");
            thread::sleep(Duration::from_millis(10));
        }
        assert!(own(&bridge, "statsd_bridge_udp_receive_errors_total") > 0);
        end(&stop, threads);
        assert!(readiness.is_ready(), "a closed socket does not affect readiness");
    }

    #[test]
    fn a_taken_port_is_not_shared() {
        let options = options(2, 65_535);
        let first = BoundUdp::bind(&Address::parse("127.0.0.1:0").unwrap(), &options).unwrap();
        let address = first.address().to_string();
        let second = BoundUdp::bind(&Address::parse(&address).unwrap(), &options).err().map(|e| e.to_string());
        assert_eq!(second, Some(format!("cannot listen on udp {address}: Address already in use")));
    }

    #[test]
    fn an_empty_host_receives_ipv4_and_ipv6() {
        let (at, bridge, stop, threads) = start(":0", &options(1, 65_535));
        let v4 = UdpSocket::bind("127.0.0.1:0").unwrap();
        v4.send_to(b"a:1|c", ("127.0.0.1", at.port())).unwrap();
        let v6 = UdpSocket::bind("[::1]:0").and_then(|s| s.send_to(b"a:1|c", ("::1", at.port())));
        end(&stop, threads);
        assert_eq!(own(&bridge, "statsd_bridge_udp_packets_total"), 1 + u64::from(v6.is_ok()));
    }
}
