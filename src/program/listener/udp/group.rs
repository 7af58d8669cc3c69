//! The sockets of one address, and how they stop without losing a datagram.
//!
//! A socket that is closed right after it was found empty loses, without a trace, what came in between: the kernel has
//! taken it, and counts it nowhere as lost. So the kernel is told first to queue nothing more, and only then is the queue
//! emptied:
//!
//! ```text
//! connect  each socket to its own address: the kernel now gives it only what comes from there, and nobody else can send
//!          from there. All else is refused at the door: ICMP tells the sender, and the kernel counts it (NoPorts).
//! wait     until deliveries that found a socket just before have put their datagram into its queue
//! drain    each thread its own socket; what is queued can only become less
//! close    when all threads of the address are through
//! ```
//! Any thread does the first two steps for all sockets of the address, once. Were they connected one by one, the kernel
//! would steer the datagrams of one that has stopped to another one, which may have been drained already.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{io, thread};

/// `MEMBARRIER_CMD_GLOBAL`.
const GLOBAL_BARRIER: libc::c_int = 1;
/// In place of the barrier where the kernel has none. Deliveries take microseconds.
const INSTEAD_OF_BARRIER: Duration = Duration::from_millis(20);

/// All sockets of one address; closed with the last owner.
pub(super) struct Group {
    address: SocketAddr,
    sockets: Vec<Arc<UdpSocket>>,
    shut: OnceLock<bool>,
}

impl Group {
    /// Of sockets that are bound to `address`.
    pub(super) fn new(address: SocketAddr, sockets: Vec<UdpSocket>) -> Self {
        Self { address, sockets: sockets.into_iter().map(Arc::new).collect(), shut: OnceLock::new() }
    }

    /// The address that all are bound to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// One for each worker.
    pub(super) fn sockets(&self) -> &[Arc<UdpSocket>] {
        &self.sockets
    }

    /// Lets the kernel queue nothing more on any of the sockets; returns when nothing more can come. False where the kernel
    /// did not do it, so that datagrams may go on to come.
    pub(super) fn shut(&self) -> bool {
        *self.shut.get_or_init(|| {
            let connected = self.sockets.iter().try_for_each(|socket| connect_to_itself(socket, self.address));
            if let Err(error) = &connected {
                tracing::debug!(address = %self.address, %error, "cannot keep the kernel from receiving while the socket is drained");
            }
            wait_for_deliveries();
            connected.is_ok()
        })
    }
}

/// Connects a socket to the address that it is bound to itself.
fn connect_to_itself(socket: &UdpSocket, bound: SocketAddr) -> io::Result<()> {
    let connect = |ip: IpAddr| socket.connect(SocketAddr::new(ip, bound.port()));
    match bound.ip() {
        // With it the kernel binds the socket to 127.0.0.1, so that it is found at no other address.
        IpAddr::V4(ip) if ip.is_unspecified() => connect(Ipv4Addr::LOCALHOST.into()),
        // A socket for both families is out of reach for IPv4 too once it is connected in IPv6. Where the machine has no
        // address of IPv6, it can be connected in IPv4.
        IpAddr::V6(ip) if ip.is_unspecified() => {
            connect(Ipv6Addr::LOCALHOST.into()).or_else(|_| connect(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()))
        }
        // With the scope of a link-local address.
        _ => socket.connect(bound),
    }
}

/// Returns when deliveries that had begun before have ended.
///
/// The kernel looks for a datagram's socket and queues the datagram within one read section of RCU, and this system call
/// waits until all such sections that have begun are over: some milliseconds, once.
fn wait_for_deliveries() {
    // SAFETY: the call takes three numbers and touches no memory.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL_BARRIER, 0, 0) };
    if result != 0 {
        thread::sleep(INSTEAD_OF_BARRIER);
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

    /// A connected sender that learns of each of its datagrams that the kernel refused.
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

        /// Sends until the kernel refuses one; how many it took.
        fn send_until_refused(&self) -> u64 {
            (0..).find(|_| self.0.send(b"a:1|c").is_err()).unwrap()
        }

        /// Refusals told and not yet asked for.
        fn refused(&self) -> u64 {
            let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 16];
            let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
            (0..).find(|_| socket2::SockRef::from(&self.0).recv_with_flags(&mut buffer, flags).is_err()).unwrap()
        }
    }

    fn own(bridge: &Bridge, name: &str) -> u64 {
        bridge.telemetry().sum(name.strip_prefix("statsd_bridge_").expect("a full name"))
    }

    /// Stops a listener with two workers on `bind` while senders to the hosts go on, and looks where each datagram went.
    fn stop_under_load(bind: &str, hosts: &[&str]) {
        let options = UdpOptions { workers: 2, read_buffer_bytes: 0, datagram_bytes: 100, coalescing_delay: Some(Duration::ZERO) };
        let bound = BoundUdp::bind(&Address::parse(bind).unwrap(), &options).unwrap();
        let port = bound.address().port();
        let (bridge, stop) = (Bridge::new(BridgeOptions::default()), Stop::new(Duration::from_secs(60)));
        let threads = bound.start(bridge.telemetry(), &stop, &Arc::default(), || Ok(Intake::new(bridge.worker(), None))).unwrap();
        let (senders, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let sending: Vec<JoinHandle<Sender>> = (0..4)
            .map(|number| {
                let sender = Sender::to(SocketAddr::new(hosts[number % hosts.len()].parse().unwrap(), port));
                let (senders, sent) = (senders.clone(), sent.clone());
                thread::spawn(move || {
                    senders.fetch_add(1, Ordering::Relaxed);
                    sent.fetch_add(sender.send_until_refused(), Ordering::Relaxed);
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
        // The kernel may tell of a refusal a moment later.
        let (mut refused, deadline) = (0, Instant::now() + Duration::from_secs(120));
        while recorded + dropped + refused < sent && Instant::now() < deadline {
            refused += senders.iter().map(Sender::refused).sum::<u64>();
        }
        assert_eq!(recorded + dropped + refused, sent, "{bind}: {recorded} recorded, {dropped} dropped, {refused} refused");
        assert!(recorded > 0 && refused > 0, "{bind}: senders went on during the stop");
    }

    #[test]
    fn a_stop_under_load_leaves_no_datagram_unaccounted_for() {
        for _ in 0..5 {
            stop_under_load("127.0.0.1:0", &["127.0.0.1"]);
            stop_under_load("0.0.0.0:0", &["127.0.0.1", "127.0.0.2"]);
        }
    }

    #[test]
    #[ignore = "needs IPv6's loopback address, which containers often lack; --include-ignored runs it"]
    fn a_stop_under_load_over_ipv6_leaves_no_datagram_unaccounted_for() {
        for _ in 0..5 {
            stop_under_load("[::1]:0", &["::1"]);
            stop_under_load("[::]:0", &["::1", "127.0.0.1"]);
        }
    }

    #[test]
    fn a_socket_that_is_shut_gives_what_it_holds_and_takes_nothing_more() {
        shut_with_a_datagram(&["127.0.0.1:0", "0.0.0.0:0"]);
    }

    #[test]
    #[ignore = "needs IPv6's loopback address, which containers often lack; --include-ignored runs it"]
    fn a_socket_of_ipv6_that_is_shut_gives_what_it_holds_and_takes_nothing_more() {
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
            let is_refused = |sender: &&Sender| loop {
                match sender.0.send(b"after") {
                    Err(_) => break true,
                    Ok(_) if Instant::now() >= deadline => break false,
                    Ok(_) => {}
                }
            };
            let refused = senders.iter().filter(is_refused).count();
            let mut buffer = [0; 16];
            let received = (0..).find(|_| group.sockets()[0].recv(&mut buffer).is_err()).unwrap();
            assert_eq!((received, refused), (senders.len(), senders.len()), "{bind}");
            assert_eq!(&buffer[..6], b"before");
        }
    }
}
