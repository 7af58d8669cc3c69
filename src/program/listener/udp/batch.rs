//! Receives a batch of datagrams in one system call, and owns all memory that the kernel writes to.
//!
//! Must not know what a datagram holds, except that lines end with a newline.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::RawFd;
use std::{io, mem, ptr};

use crate::ingest::pipeline::Datagram;
use crate::program::net::canonical;
use crate::source::Source;

/// Whether a receive call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// For the first datagram, as long as the socket's receive timeout.
    ForOne,
    /// Not at all.
    Not,
}

/// A sender's address as the kernel writes it: a `sockaddr_in` or a `sockaddr_in6`, of which the latter is the longer one.
type Name = [u8; mem::size_of::<libc::sockaddr_in6>()];

/// Buffers for 64 datagrams. Of their 4 MiB only what datagrams have really filled is ever touched, and so resident.
pub(super) struct UdpBatch {
    /// Datagram `i` begins at `i * stride`. Never resized: `slices` points into it.
    memory: Vec<u8>,
    stride: usize,
    /// Where the kernel writes; `headers` points into it. Never resized.
    #[expect(dead_code, reason = "read by the kernel, through `headers`")]
    slices: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    /// Where the kernel writes the senders' addresses; `headers` points into it. Never resized.
    names: Vec<Name>,
    /// The same, read.
    sources: Vec<Source>,
    received: usize,
}

impl UdpBatch {
    /// Datagrams in one call. Larger batches gain nothing and fall out of the cache.
    pub(super) const DATAGRAMS: usize = 64;

    /// For datagrams of up to `datagram_bytes`; longer ones are cut there.
    pub(super) fn new(datagram_bytes: usize) -> Self {
        let datagram_bytes = datagram_bytes.max(1);
        let stride = datagram_bytes.next_multiple_of(64);
        // Zeroed memory of this size comes from the kernel untouched.
        let mut memory = vec![0_u8; stride * Self::DATAGRAMS];
        let mut slices: Vec<libc::iovec> = memory
            .chunks_exact_mut(stride)
            .map(|chunk| libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: datagram_bytes })
            .collect();
        let mut names = vec![Name::default(); Self::DATAGRAMS];
        let headers = slices.iter_mut().zip(&mut names).map(|(slice, name)| header(slice, name)).collect();
        Self { memory, stride, slices, headers, names, sources: vec![Source::Unknown; Self::DATAGRAMS], received: 0 }
    }

    /// Receives up to 64 datagrams and says how many; they replace those of the call before.
    ///
    /// # Errors
    /// `WouldBlock` when none came in time; else the kernel's. The batch is empty then.
    pub(super) fn receive(&mut self, socket: RawFd, wait: Wait) -> io::Result<usize> {
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::Not => libc::MSG_DONTWAIT,
        };
        // The kernel has put the length that it wrote in the place of the length that there is.
        for header in self.headers.iter_mut().take(self.received) {
            header.msg_hdr.msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
        }
        self.received = 0;
        // SAFETY: `headers` holds `DATAGRAMS` valid headers; each points to one iovec of `slices`, which points to a part of
        // `memory` of its own that is at least `iov_len` long, and to an element of `names` of its own, which has the
        // `msg_namelen` bytes that `header` and the loop above state. None of the four is ever resized or dropped before
        // `self`, and `&mut self` keeps everybody else away from `memory` and `names` during the call. A null timeout is
        // allowed.
        let received =
            unsafe { libc::recvmmsg(socket, self.headers.as_mut_ptr(), Self::DATAGRAMS as libc::c_uint, flags as _, ptr::null_mut()) };
        self.received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        self.read_names();
        Ok(self.received)
    }

    /// All of them at once: some nanoseconds for each datagram, next to some hundreds for receiving it.
    fn read_names(&mut self) {
        for ((header, name), source) in self.headers.iter().zip(&self.names).zip(&mut self.sources).take(self.received) {
            let name = name.get(..header.msg_hdr.msg_namelen as usize).unwrap_or_default();
            *source = address(name).map_or(Source::Unknown, Source::Udp);
        }
    }

    /// How many datagrams it holds.
    pub(super) fn len(&self) -> usize {
        self.received
    }

    /// The lines of those that were cut, without the end that was lost.
    pub(super) fn truncated(&self) -> impl Iterator<Item = Datagram<'_>> {
        let received = self.headers.iter().zip(self.memory.chunks_exact(self.stride)).zip(&self.sources).take(self.received);
        received.filter(|((header, _), _)| was_cut(header)).map(|((header, chunk), source)| {
            let whole = chunk.get(..header.msg_len as usize).unwrap_or_default();
            let start = memchr::memrchr(b'\n', whole).map_or(0, |end| end + 1);
            Datagram { bytes: whole.get(start..).unwrap_or_default(), source }
        })
    }

    /// The datagrams; of a cut one the whole lines only, and nothing if it has none.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> + Clone {
        let received = self.headers.iter().zip(self.memory.chunks_exact(self.stride)).zip(&self.sources).take(self.received);
        received.filter_map(|((header, chunk), source)| {
            let whole = chunk.get(..header.msg_len as usize)?;
            let bytes = if was_cut(header) { whole.get(..memchr::memrchr(b'\n', whole)?)? } else { whole };
            Some(Datagram { bytes, source })
        })
    }
}

fn was_cut(header: &libc::mmsghdr) -> bool {
    header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0
}

/// The address in a `sockaddr_in` or `sockaddr_in6`. IPv4 that came to a socket for both families is shown as IPv4.
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

/// A header that receives into one slice, and the sender's address into one name; it asks for no control messages.
fn header(slice: &mut libc::iovec, name: &mut Name) -> libc::mmsghdr {
    // SAFETY: `mmsghdr` is plain C data (pointers and integers); all zeroes is a valid value of it.
    let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
    header.msg_hdr.msg_iov = slice;
    header.msg_hdr.msg_iovlen = 1;
    header.msg_hdr.msg_name = name.as_mut_ptr().cast();
    header.msg_hdr.msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
    header
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::*;

    fn bytes(batch: &UdpBatch) -> Vec<&[u8]> {
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
        let mut batch = UdpBatch::new(65_535);
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
        let mut batch = UdpBatch::new(12);
        for datagram in [&b"a:1|c\nb:1|c\nc:1|c"[..], b"long_name:1|c", b"exactly_12_b", b"a:1|c\nlong_name:1|c"] {
            sender.send(datagram).unwrap();
        }
        assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 4);
        assert_eq!(batch.truncated().map(|cut| cut.bytes).collect::<Vec<_>>(), [&b""[..], b"long_name:1|", b"long_n"]);
        assert_eq!(bytes(&batch), [&b"a:1|c\nb:1|c"[..], b"exactly_12_b", b"a:1|c"]);
    }

    #[test]
    fn each_datagram_tells_its_sender_in_every_batch() {
        senders_are_told(&[("127.0.0.1:0", "127.0.0.1", "127.0.0.1:0")]);
    }

    #[test]
    #[ignore = "needs IPv6's loopback address, which containers often lack; --include-ignored runs it"]
    fn each_datagram_over_ipv6_tells_its_sender_in_every_batch() {
        // IPv4 to a socket of both families comes as ::ffff:127.0.0.1.
        senders_are_told(&[("[::1]:0", "::1", "[::1]:0"), ("[::]:0", "127.0.0.1", "127.0.0.1:0"), ("[::]:0", "::1", "[::1]:0")]);
    }

    /// Binds the first address, sends to the second from sockets bound to the third.
    fn senders_are_told(cases: &[(&str, &str, &str)]) {
        for (bind, to, from) in cases {
            let receiver = UdpSocket::bind(bind).unwrap();
            let to = (to.parse::<std::net::IpAddr>().unwrap(), receiver.local_addr().unwrap().port());
            let mut batch = UdpBatch::new(100);
            // The second batch is of the other senders, so that nothing of the first may be left.
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
