//! The sockets of one address, and their shutdown without the loss of a datagram.
//!
//! A socket that is closed right after it was found empty can lose datagrams that arrive in between, and the kernel does not count them.
//! Therefore the kernel is first made to queue nothing more, and then the queue is drained:
//!
//! ```text
//! connect  Each socket is connected to its own address. The kernel then delivers only datagrams from this address, and no other socket
//!          can send from it. The kernel rejects all others: it counts them (NoPorts), and ICMP reports them to the sender.
//! wait     until deliveries that have found a socket before have queued their datagrams
//! drain    Each thread drains its own socket. The queue can only shrink.
//! close    when all threads of the address have finished
//! ```
//! The first thread does the first two steps for all sockets of the address. If each thread connected its own socket, the kernel would
//! deliver datagrams for a connected socket to another one, which may be drained already.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{io, thread};

/// `MEMBARRIER_CMD_GLOBAL`.
const GLOBAL_BARRIER: libc::c_int = 1;
/// The wait in kernels without the barrier. Deliveries take microseconds.
const BARRIER_FALLBACK: Duration = Duration::from_millis(20);

/// All sockets of one address. The last owner closes them.
pub(super) struct Group {
    address: SocketAddr,
    sockets: Vec<Arc<UdpSocket>>,
    /// Whether the sockets outlive this process, because systemd holds them too.
    is_inherited: bool,
    shut: OnceLock<bool>,
}

impl Group {
    /// A group of sockets that are bound to `address`.
    pub(super) fn new(address: SocketAddr, sockets: Vec<UdpSocket>) -> Self {
        Self { address, sockets: sockets.into_iter().map(Arc::new).collect(), is_inherited: false, shut: OnceLock::new() }
    }

    /// A group of sockets that outlive this process. They are never shut.
    pub(super) fn inherited(address: SocketAddr, sockets: Vec<UdpSocket>) -> Self {
        Self { is_inherited: true, ..Self::new(address, sockets) }
    }

    /// Whether the sockets outlive this process.
    pub(super) fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// The address of all sockets.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sockets, one per worker.
    pub(super) fn sockets(&self) -> &[Arc<UdpSocket>] {
        &self.sockets
    }

    /// Makes the kernel queue nothing more on all sockets, and waits until that is effective. Returns false if it failed, so that datagrams may
    /// still arrive.
    pub(super) fn shut(&self) -> bool {
        *self.shut.get_or_init(|| {
            let connected = self.sockets.iter().try_for_each(|socket| connect_to_itself(socket, self.address));
            if let Err(error) = &connected {
                tracing::debug!(address = %self.address, %error, "the kernel may receive datagrams while the socket is drained");
            }
            wait_for_deliveries();
            connected.is_ok()
        })
    }
}

/// Connects a socket to its own address.
fn connect_to_itself(socket: &UdpSocket, bound: SocketAddr) -> io::Result<()> {
    let connect = |ip: IpAddr| socket.connect(SocketAddr::new(ip, bound.port()));
    match bound.ip() {
        // The kernel then binds the socket to 127.0.0.1, so that it receives at no other address.
        IpAddr::V4(ip) if ip.is_unspecified() => connect(Ipv4Addr::LOCALHOST.into()),
        // A socket for both families that is connected over IPv6 does not receive IPv4. On a machine without an IPv6 address, it can
        // be connected over IPv4.
        IpAddr::V6(ip) if ip.is_unspecified() => {
            connect(Ipv6Addr::LOCALHOST.into()).or_else(|_| connect(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()))
        }
        // `bound` includes the scope of a link-local address.
        _ => socket.connect(bound),
    }
}

/// Waits until all deliveries that have started are finished.
///
/// The kernel finds the socket of a datagram and queues the datagram within one RCU read-side critical section. This system call waits for
/// all sections that have started. It takes a few milliseconds.
fn wait_for_deliveries() {
    // SAFETY: the call takes three numbers and touches no memory.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL_BARRIER, 0, 0) };
    if result != 0 {
        thread::sleep(BARRIER_FALLBACK);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread::JoinHandle;
    use std::time::Instant;

    use super::*;
    use crate::bridge::Bridge;
    use crate::options::Options as BridgeOptions;
    use crate::program::listener::intake::Intake;
    use crate::program::listener::stop::Stop;
    use crate::program::listener::udp::{BoundUdp, UdpOptions};
    use crate::program::net::Address;

    /// A connected sender that gets a report of each datagram that the kernel rejects.
    struct Sender(UdpSocket);

    impl Sender {
        fn to(at: SocketAddr) -> Self {
            let (any, level, option) = match at {
                SocketAddr::V4(_) => ("127.0.0.1:0", libc::IPPROTO_IP, libc::IP_RECVERR),
                SocketAddr::V6(_) => ("[::1]:0", libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
            };
            let socket = UdpSocket::bind(any).unwrap();
            let on: libc::c_int = 1;
            let size = size_of::<libc::c_int>() as libc::socklen_t;
            // SAFETY: the option takes a `c_int`; the pointer is to one that lives until the call returns.
            let set = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), size) };
            assert_eq!(set, 0);
            socket.connect(at).unwrap();
            Self(socket)
        }

        /// Sends until the kernel rejects a datagram. Returns the number of accepted ones.
        fn send_until_rejected(&self) -> u64 {
            (0..).find(|_| self.0.send(b"a:1|c").is_err()).unwrap()
        }

        /// The number of new reports of rejected datagrams.
        fn rejected(&self) -> u64 {
            let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 16];
            let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
            (0..).find(|_| socket2::SockRef::from(&self.0).recv_with_flags(&mut buffer, flags).is_err()).unwrap()
        }
    }

    fn own(bridge: &Bridge, name: &str) -> u64 {
        bridge.telemetry().sum(name.strip_prefix("statsd_bridge_").expect("a full name"))
    }

    /// Stops a listener with two workers on `bind` while senders keep sending, and accounts for each datagram.
    fn stop_under_load(bind: &str, hosts: &[&str]) {
        let options = UdpOptions { workers: 2, read_buffer_bytes: 0, datagram_bytes: 100, coalescing_delay: Some(Duration::ZERO) };
        let bound = BoundUdp::bind(&Address::parse(bind).unwrap(), &options).unwrap();
        let port = bound.address().port();
        let (bridge, stop) = (Bridge::of_program(BridgeOptions::default()), Stop::new(Duration::from_secs(60)));
        let threads = bound.start(bridge.telemetry(), &stop, &Arc::default(), || Ok(Intake::new(bridge.worker(), None))).unwrap();
        let (senders, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let sending: Vec<JoinHandle<Sender>> = (0..4)
            .map(|number| {
                let sender = Sender::to(SocketAddr::new(hosts[number % hosts.len()].parse().unwrap(), port));
                let (senders, sent) = (senders.clone(), sent.clone());
                thread::spawn(move || {
                    senders.fetch_add(1, Ordering::Relaxed);
                    sent.fetch_add(sender.send_until_rejected(), Ordering::Relaxed);
                    sender
                })
            })
            .collect();
        while senders.load(Ordering::Relaxed) < 4 || own(&bridge, "statsd_bridge_udp_packets_total") == 0 {
            thread::yield_now();
        }
        stop.set();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let senders: Vec<Sender> = sending.into_iter().map(|thread| thread.join().unwrap()).collect();
        let sent = sent.load(Ordering::Relaxed);
        let recorded = own(&bridge, "statsd_bridge_samples_total");
        let dropped = own(&bridge, "statsd_bridge_udp_kernel_drops_total");
        // The kernel may report a rejected datagram a moment later.
        let (mut rejected, deadline) = (0, Instant::now() + Duration::from_secs(120));
        while recorded + dropped + rejected < sent && Instant::now() < deadline {
            rejected += senders.iter().map(Sender::rejected).sum::<u64>();
        }
        assert_eq!(recorded + dropped + rejected, sent, "{bind}: {recorded} recorded, {dropped} dropped, {rejected} rejected");
        assert!(recorded > 0 && rejected > 0, "{bind}: senders were active during the stop");
    }

    #[test]
    fn a_stop_under_load_accounts_for_every_datagram() {
        for _ in 0..5 {
            stop_under_load("127.0.0.1:0", &["127.0.0.1"]);
            stop_under_load("0.0.0.0:0", &["127.0.0.1", "127.0.0.2"]);
        }
    }

    #[test]
    #[ignore = "needs IPv6's loopback address, which containers often lack; --include-ignored runs it"]
    fn a_stop_under_load_over_ipv6_accounts_for_every_datagram() {
        for _ in 0..5 {
            stop_under_load("[::1]:0", &["::1"]);
            stop_under_load("[::]:0", &["::1", "127.0.0.1"]);
        }
    }

    #[test]
    fn a_shut_socket_keeps_its_queue_and_receives_nothing_more() {
        shut_with_a_datagram(&["127.0.0.1:0", "0.0.0.0:0"]);
    }

    #[test]
    #[ignore = "needs IPv6's loopback address, which containers often lack; --include-ignored runs it"]
    fn a_shut_ipv6_socket_keeps_its_queue_and_receives_nothing_more() {
        shut_with_a_datagram(&["[::1]:0", "[::]:0"]);
    }

    fn shut_with_a_datagram(addresses: &[&str]) {
        for bind in addresses {
            let receiver = UdpSocket::bind(bind).unwrap();
            let bound = receiver.local_addr().unwrap();
            let hosts = match *bind {
                "[::1]:0" => &["::1"][..],
                "[::]:0" => &["::1", "127.0.0.1"],
                _ => &["127.0.0.1"],
            };
            let senders: Vec<Sender> = hosts.iter().map(|host| Sender::to(SocketAddr::new(host.parse().unwrap(), bound.port()))).collect();
            senders.iter().for_each(|sender| assert_eq!(sender.0.send(b"before").unwrap(), 6));
            receiver.set_nonblocking(true).unwrap();
            let group = Group::new(bound, vec![receiver]);
            assert!(group.shut() && group.shut(), "{bind}");
            let deadline = Instant::now() + Duration::from_secs(120);
            let is_rejected = |sender: &&Sender| loop {
                match sender.0.send(b"after") {
                    Err(_) => break true,
                    Ok(_) if Instant::now() >= deadline => break false,
                    Ok(_) => {}
                }
            };
            let rejected = senders.iter().filter(is_rejected).count();
            let mut buffer = [0; 16];
            let received = (0..).find(|_| group.sockets()[0].recv(&mut buffer).is_err()).unwrap();
            assert_eq!((received, rejected), (senders.len(), senders.len()), "{bind}");
            assert_eq!(&buffer[..6], b"before");
        }
    }
}
