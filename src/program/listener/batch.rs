//! Receives a batch of datagrams in one system call, and owns the memory that the kernel writes to. For UDP and Unix datagrams.
//!
//! Must not know the content of a datagram, except that lines end with a newline.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::RawFd;
use std::{io, mem, ptr};

use crate::ingest::pipeline::Datagram;
use crate::program::net::canonical;
use crate::source::{ContainerId, Source, UnixPeer};

/// Whether a receive call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Waits for the first datagram, up to the socket's receive timeout.
    ForOne,
    /// Does not wait.
    Not,
}

/// A buffer for a sender's address: the kernel writes a `sockaddr_in`, or a `sockaddr_in6`, which is longer.
type Name = [u8; mem::size_of::<libc::sockaddr_in6>()];

/// Bytes of a control message with credentials.
// SAFETY: the macro only computes a size.
const CREDENTIALS: usize = unsafe { libc::CMSG_SPACE(mem::size_of::<libc::ucred>() as u32) } as usize;

/// A buffer for the credentials of a sender. It has no room for anything else, so that the kernel does not open files that a sender passes.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CREDENTIALS]);

/// Buffers for 64 datagrams, 4 MiB in all. Only the pages that a datagram has filled become resident.
pub(super) struct DatagramBatch {
    /// Datagram `i` begins at `i * stride`.
    memory: Vec<u8>,
    stride: usize,
    /// The length of each buffer, at most `stride`.
    datagram_bytes: usize,
    /// The buffers for the senders' addresses; none for Unix sockets, so that the kernel does not copy paths.
    names: Vec<Name>,
    /// The buffers for the senders' credentials; none if the kernel is not asked for them.
    controls: Vec<Control>,
    /// The source of a datagram without an Internet address.
    nameless: Source,
    received: Vec<Received>,
}

/// The kernel's report about one datagram.
struct Received {
    /// Bytes in the buffer.
    len: usize,
    /// Whether the datagram was longer than the buffer.
    was_cut: bool,
    source: Source,
}

impl DatagramBatch {
    /// Datagrams in one call. Larger batches gain nothing and do not fit the cache.
    pub(super) const DATAGRAMS: usize = 64;

    /// Makes buffers for datagrams of up to `datagram_bytes`; longer datagrams are cut. `nameless` is the source of a datagram
    /// whose sender has no Internet address.
    pub(super) fn new(datagram_bytes: usize, nameless: Source) -> Self {
        let stride = datagram_bytes.max(1).next_multiple_of(64);
        // The kernel provides zeroed memory of this size without touching it.
        let memory = vec![0_u8; stride * Self::DATAGRAMS];
        let names = if nameless == Source::Unixgram { Vec::new() } else { vec![Name::default(); Self::DATAGRAMS] };
        let received = Vec::with_capacity(Self::DATAGRAMS);
        Self { memory, stride, datagram_bytes: datagram_bytes.max(1), names, controls: Vec::new(), nameless, received }
    }

    /// Also reads the credentials of the senders, which the kernel provides for a Unix socket with the option SO_PASSCRED.
    pub(super) fn with_credentials(mut self) -> Self {
        self.controls = vec![Control([0; CREDENTIALS]); Self::DATAGRAMS];
        self
    }

    /// Receives up to 64 datagrams and returns their number; they replace those of the previous call.
    ///
    /// # Errors
    /// `WouldBlock` if no datagram arrived in time, otherwise the kernel's error. The batch is empty then.
    pub(super) fn receive(&mut self, socket: RawFd, wait: Wait) -> io::Result<usize> {
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::Not => libc::MSG_DONTWAIT,
        };
        self.received.clear();
        let mut slices = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; Self::DATAGRAMS];
        // SAFETY: `mmsghdr` is plain C data (pointers and integers), for which all zeroes are a valid value.
        let mut headers: [libc::mmsghdr; Self::DATAGRAMS] = unsafe { mem::zeroed() };
        let (buffers, mut names) = (self.memory.chunks_exact_mut(self.stride), self.names.iter_mut());
        let mut controls = self.controls.iter_mut();
        let mut ready = 0;
        for ((header, slice), buffer) in headers.iter_mut().zip(&mut slices).zip(buffers) {
            let buffer = buffer.get_mut(..self.datagram_bytes).unwrap_or_default();
            *slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            if let Some(name) = names.next() {
                header.msg_hdr.msg_name = name.as_mut_ptr().cast();
                header.msg_hdr.msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
            }
            if let Some(Control(control)) = controls.next() {
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = control.len() as _;
            }
            ready += 1;
        }
        // SAFETY: the first `ready` headers are valid: each points to one iovec of `slices`, to one element of `names` and of `controls`
        // or to none, and that iovec to its own part of `memory`, all with their true lengths. The pointers were made just now from exclusive borrows
        // of locals and of `self`, none of which is moved, resized or used before the call returns; the kernel keeps none of
        // them. A null timeout is allowed.
        let received = unsafe { libc::recvmmsg(socket, headers.as_mut_ptr(), ready, flags as _, ptr::null_mut()) };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        let nameless = self.nameless;
        let name_of = |at: usize| self.names.get(at).map_or(&[][..], |name| name);
        self.received.extend(headers.iter().take(received).enumerate().map(|(at, header)| Received::of(header, name_of(at), nameless)));
        for ((received, header), Control(control)) in self.received.iter_mut().zip(&headers).zip(&self.controls) {
            // Its type depends on the C library.
            let len = header.msg_hdr.msg_controllen as _;
            let control = control.get(..len).unwrap_or(control);
            received.source = credentials(control).map_or(nameless, Source::UnixgramOf);
        }
        Ok(self.received.len())
    }

    /// Adds the containers of the senders.
    pub(super) fn name_containers(&mut self, mut container: impl FnMut(UnixPeer) -> Option<ContainerId>) {
        for received in &mut self.received {
            if let Source::UnixgramOf(peer) = &mut received.source {
                peer.container = container(*peer);
            }
        }
    }

    /// The number of datagrams in the batch.
    pub(super) fn len(&self) -> usize {
        self.received.len()
    }

    /// Empties the datagrams of the senders that are not allowed. They are neither in [`truncated`](Self::truncated) nor in
    /// [`datagrams`](Self::datagrams).
    pub(super) fn reject(&mut self, is_allowed: impl Fn(&Source) -> bool) {
        for received in self.received.iter_mut().filter(|received| !is_allowed(&received.source)) {
            (received.len, received.was_cut) = (0, true);
        }
    }

    /// The last, incomplete line of each datagram that was cut, and whether the datagram has no other line.
    pub(super) fn truncated(&self) -> impl Iterator<Item = (Datagram<'_>, bool)> {
        self.whole().filter(|(received, _)| received.was_cut && received.len > 0).map(|(received, whole)| {
            let end = memchr::memrchr(b'\n', whole);
            let start = end.map_or(0, |end| end + 1);
            (Datagram { bytes: whole.get(start..).unwrap_or_default(), source: &received.source }, end.is_none())
        })
    }

    /// The datagrams. A datagram that was cut has its complete lines only, and is left out if it has none.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> + Clone {
        self.whole().filter_map(|(received, whole)| {
            let bytes = if received.was_cut { whole.get(..memchr::memrchr(b'\n', whole)?)? } else { whole };
            Some(Datagram { bytes, source: &received.source })
        })
    }

    /// The kernel's report on each datagram, with the bytes in its buffer.
    fn whole(&self) -> impl Iterator<Item = (&Received, &[u8])> + Clone {
        let buffers = self.received.iter().zip(self.memory.chunks_exact(self.stride));
        buffers.map(|(received, buffer)| (received, buffer.get(..received.len).unwrap_or(buffer)))
    }
}

impl Received {
    /// Reads a header after the call. `name` is the buffer of the sender's address.
    fn of(header: &libc::mmsghdr, name: &[u8], nameless: Source) -> Self {
        // The kernel reports the true length of an address that it has cut.
        let name = name.get(..header.msg_hdr.msg_namelen as usize).unwrap_or(name);
        Self {
            len: header.msg_len as usize,
            was_cut: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            source: address(name).map_or(nameless, Source::Udp),
        }
    }
}

/// The process in a control message with credentials. `None` for a datagram that came before the kernel was asked for them: it has no
/// process, and the user that stands for an unknown one.
fn credentials(control: &[u8]) -> Option<UnixPeer> {
    const NOBODY: u32 = 65_534;
    // SAFETY: the macro only computes a size.
    let start = unsafe { libc::CMSG_LEN(0) } as usize;
    let number = |at: usize| control.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
    let is = |at: usize, expected: libc::c_int| number(at) == u32::try_from(expected).ok();
    if !is(mem::offset_of!(libc::cmsghdr, cmsg_level), libc::SOL_SOCKET)
        || !is(mem::offset_of!(libc::cmsghdr, cmsg_type), libc::SCM_CREDENTIALS)
    {
        return None;
    }
    let pid = number(start + mem::offset_of!(libc::ucred, pid))?;
    let uid = number(start + mem::offset_of!(libc::ucred, uid))?;
    (pid > 0 || uid != NOBODY).then(|| UnixPeer::new(pid, uid))
}

/// The address in a `sockaddr_in` or `sockaddr_in6`. An IPv4-mapped address, which dual-stack sockets report, is converted to IPv4.
fn address(name: &[u8]) -> Option<SocketAddr> {
    const IPV4: i32 = libc::AF_INET;
    const IPV6: i32 = libc::AF_INET6;
    let (family, rest) = name.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        IPV4 => Some(SocketAddr::new(Ipv4Addr::from(*rest.first_chunk::<4>()?).into(), port)),
        IPV6 => {
            let (flow, rest) = rest.split_first_chunk::<4>()?;
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
            Some(canonical(SocketAddrV6::new(Ipv6Addr::from(*ip), port, u32::from_be_bytes(*flow), scope).into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn bytes(batch: &DatagramBatch) -> Vec<&[u8]> {
        batch.datagrams().map(|datagram| datagram.bytes).collect()
    }

    fn pair() -> (UdpSocket, UdpSocket) {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (receiver, sender)
    }

    #[test]
    fn datagrams_come_whole_and_in_order() {
        let (receiver, sender) = pair();
        let mut batch = DatagramBatch::new(65_535, Source::Unknown);
        let none = batch.receive(receiver.as_raw_fd(), Wait::Not).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        let largest = vec![b'x'; 65_507];
        for datagram in [&b"first"[..], b"", &largest] {
            sender.send(datagram).unwrap();
        }
        assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 3);
        assert_eq!(bytes(&batch), [&b"first"[..], b"", &largest]);
        assert_eq!(batch.truncated().count(), 0);
    }

    #[test]
    fn a_cut_datagram_gives_its_whole_lines() {
        let (receiver, sender) = pair();
        let mut batch = DatagramBatch::new(12, Source::Unknown);
        for datagram in [&b"a:1|c\nb:1|c\nc:1|c"[..], b"long_name:1|c", b"exactly_12_b", b"a:1|c\nlong_name:1|c"] {
            sender.send(datagram).unwrap();
        }
        assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 4);
        assert_eq!(batch.truncated().map(|(cut, _)| cut.bytes).collect::<Vec<_>>(), [&b""[..], b"long_name:1|", b"long_n"]);
        assert_eq!(batch.truncated().map(|(_, is_whole)| is_whole).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(bytes(&batch), [&b"a:1|c\nb:1|c"[..], b"exactly_12_b", b"a:1|c"]);
    }

    #[test]
    fn each_datagram_tells_its_sender_in_every_batch() {
        senders_are_told(&[("127.0.0.1:0", "127.0.0.1", "127.0.0.1:0")]);
    }

    #[test]
    #[ignore = "needs IPv6's loopback address, which containers often lack; --include-ignored runs it"]
    fn each_datagram_over_ipv6_tells_its_sender_in_every_batch() {
        // A dual-stack socket reports IPv4 addresses as ::ffff:127.0.0.1.
        senders_are_told(&[("[::1]:0", "::1", "[::1]:0"), ("[::]:0", "127.0.0.1", "127.0.0.1:0"), ("[::]:0", "::1", "[::1]:0")]);
    }

    /// Binds the first address, sends to the second from sockets bound to the third.
    fn senders_are_told(cases: &[(&str, &str, &str)]) {
        for (bind, to, from) in cases {
            let receiver = UdpSocket::bind(bind).unwrap();
            let to = (to.parse::<std::net::IpAddr>().unwrap(), receiver.local_addr().unwrap().port());
            let mut batch = DatagramBatch::new(100, Source::Unknown);
            // The second batch comes from other senders, and must contain nothing of the first one.
            for senders in [3, 2] {
                let senders: Vec<UdpSocket> = (0..senders).map(|_| UdpSocket::bind(from).unwrap()).collect();
                senders.iter().for_each(|sender| assert_eq!(sender.send_to(b"a:1|c", to).unwrap(), 5));
                assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), senders.len());
                let expected: Vec<Source> = senders.iter().map(|sender| Source::Udp(sender.local_addr().unwrap())).collect();
                let told: Vec<Source> = batch.datagrams().map(|datagram| *datagram.source).collect();
                assert_eq!(told, expected, "{bind}");
            }
        }
    }

    #[test]
    fn rejected_senders_are_in_no_list() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        let senders = ["127.0.0.1:0", "127.0.0.2:0"].map(|from| UdpSocket::bind(from).unwrap());
        let mut batch = DatagramBatch::new(12, Source::Unknown);
        for sender in &senders {
            sender.send_to(b"a:1|c", to).unwrap();
            sender.send_to(b"a:1|c\nthis_is_cut:1|c", to).unwrap();
        }
        assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 4);
        batch.reject(|source| matches!(source, Source::Udp(address) if *address == senders[1].local_addr().unwrap()));
        assert_eq!((batch.len(), batch.truncated().count(), batch.datagrams().count()), (4, 1, 2));
        assert!(batch.datagrams().all(|datagram| datagram.bytes == b"a:1|c"));
    }

    #[test]
    fn unix_datagrams_come_whole_and_have_the_source_of_nameless_ones() {
        let folder = tempfile::tempdir().unwrap();
        let [to, from] = ["to", "from"].map(|name| folder.path().join(name));
        let receiver = UnixDatagram::bind(&to).unwrap();
        let senders = [UnixDatagram::unbound().unwrap(), UnixDatagram::bind(from).unwrap()];
        let mut batch = DatagramBatch::new(12, Source::Unixgram);
        for sender in &senders {
            sender.send_to(b"a:1|c\nlong_name:1|c", &to).unwrap();
        }
        assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 2);
        assert!(batch.datagrams().all(|datagram| *datagram.source == Source::Unixgram && datagram.bytes == b"a:1|c"));
        assert_eq!(batch.truncated().map(|(cut, _)| cut.bytes).collect::<Vec<_>>(), [b"long_n"; 2]);
    }

    #[test]
    fn unix_datagrams_tell_their_processes() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("to");
        let receiver = UnixDatagram::bind(&to).unwrap();
        let senders = [UnixDatagram::unbound().unwrap(), UnixDatagram::bind(folder.path().join("from")).unwrap()];
        let mut batch = DatagramBatch::new(100, Source::Unixgram).with_credentials();
        // The kernel was not asked when this one came.
        senders[0].send_to(b"early:1|c", &to).unwrap();
        socket2::SockRef::from(&receiver).set_passcred(true).unwrap();
        senders.iter().for_each(|sender| assert_eq!(sender.send_to(b"a:1|c", &to).unwrap(), 5));
        assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 3);
        let peer = UnixPeer::new(std::process::id(), nix::unistd::Uid::current().as_raw());
        let told: Vec<Source> = batch.datagrams().map(|datagram| *datagram.source).collect();
        assert_eq!(told, [Source::Unixgram, Source::UnixgramOf(peer), Source::UnixgramOf(peer)]);
        let container = ContainerId::new("01234567-89ab-cdef-0123-4567");
        let counted = allocation_counter::measure(|| {
            senders.iter().for_each(|sender| assert_eq!(sender.send_to(b"a:1|c", &to).unwrap(), 5));
            assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 2);
            batch.name_containers(|_| container);
            assert!(batch.datagrams().all(|datagram| *datagram.source == Source::UnixgramOf(UnixPeer { container, ..peer })));
        });
        assert_eq!(counted.count_total, 0);
        // Without the option, a batch that could read credentials has none.
        socket2::SockRef::from(&receiver).set_passcred(false).unwrap();
        senders[0].send_to(b"late:1|c", &to).unwrap();
        assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 1);
        assert!(batch.datagrams().all(|datagram| *datagram.source == Source::Unixgram));
    }

    #[test]
    fn only_credentials_of_a_known_process_or_user_are_read() {
        let message = |level: i32, kind: i32, pid: i32, uid: u32| {
            let mut control = vec![0_u8; CREDENTIALS];
            let mut put = |at: usize, bytes: [u8; 4]| control[at..at + 4].copy_from_slice(&bytes);
            put(mem::offset_of!(libc::cmsghdr, cmsg_level), level.to_ne_bytes());
            put(mem::offset_of!(libc::cmsghdr, cmsg_type), kind.to_ne_bytes());
            put(mem::size_of::<libc::cmsghdr>(), pid.to_ne_bytes());
            put(mem::size_of::<libc::cmsghdr>() + 4, uid.to_ne_bytes());
            control
        };
        let (level, kind) = (libc::SOL_SOCKET, libc::SCM_CREDENTIALS);
        let whole = message(level, kind, 7, 1000);
        assert_eq!(credentials(&whole), Some(UnixPeer::new(7, 1000)));
        assert_eq!(credentials(&message(level, kind, 0, 1000)), Some(UnixPeer::new(0, 1000)), "a process that is not visible");
        assert_eq!(credentials(&message(level, kind, 7, 65_534)), Some(UnixPeer::new(7, 65_534)), "a user that is not visible");
        assert_eq!(credentials(&message(level, kind, 0, 65_534)), None);
        assert_eq!([credentials(&message(level, 1, 7, 1)), credentials(&message(0, kind, 7, 1))], [None, None]);
        (0..mem::size_of::<libc::cmsghdr>() + 8).for_each(|len| assert_eq!(credentials(&whole[..len]), None, "{len}"));
    }

    #[test]
    fn a_name_that_is_short_or_of_another_family_is_none() {
        let mut v4 = vec![0_u8; 16];
        v4[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        v4[2..8].copy_from_slice(&[0x14, 0xe9, 127, 0, 0, 1]);
        assert_eq!(address(&v4), Some("127.0.0.1:5353".parse().unwrap()));
        let mut v6 = vec![0_u8; 28];
        v6[..4].copy_from_slice(&[0, 0, 0, 9]);
        v6[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        v6[8..10].copy_from_slice(&[0xfe, 0x80]);
        v6[24..].copy_from_slice(&7_u32.to_ne_bytes());
        assert_eq!(address(&v6), Some("[fe80::%7]:9".parse().unwrap()));
        (0..8).for_each(|length| assert_eq!(address(&v4[..length]), None));
        (0..28).for_each(|length| assert_eq!(address(&v6[..length]), None));
        v4[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
        assert_eq!(address(&v4), None);
    }
}
