//! A batch of datagrams in one system call. All memory that the kernel writes to is owned here.

use std::os::fd::RawFd;
use std::{io, mem, ptr};

/// Whether a receive call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// For the first datagram, as long as the socket's receive timeout.
    ForOne,
    /// Not at all.
    Not,
}

/// Buffers for 64 datagrams. Of their 4 MiB only what datagrams have really filled is ever touched, and so resident.
pub(super) struct Batch {
    /// Datagram `i` begins at `i * stride`. Never resized: `slices` points into it.
    memory: Vec<u8>,
    stride: usize,
    /// Where the kernel writes; `headers` points into it. Never resized.
    #[expect(dead_code, reason = "read by the kernel, through `headers`")]
    slices: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    received: usize,
}

impl Batch {
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
        let headers = slices.iter_mut().map(header).collect();
        Self { memory, stride, slices, headers, received: 0 }
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
        self.received = 0;
        // SAFETY: `headers` holds `DATAGRAMS` valid headers; each points to one iovec of `slices`, which points to a part of
        // `memory` of its own that is at least `iov_len` long. None of the three is ever resized or dropped before `self`,
        // and `&mut self` keeps everybody else away from `memory` during the call. A null timeout is allowed.
        let received =
            unsafe { libc::recvmmsg(socket, self.headers.as_mut_ptr(), Self::DATAGRAMS as libc::c_uint, flags as _, ptr::null_mut()) };
        self.received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        Ok(self.received)
    }

    /// How many datagrams it holds.
    pub(super) fn len(&self) -> usize {
        self.received
    }

    /// How many of them were cut.
    pub(super) fn truncated(&self) -> usize {
        self.headers.iter().take(self.received).filter(|h| was_cut(h)).count()
    }

    /// The datagrams; of a cut one the whole lines only, and nothing if it has none.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let received = self.headers.iter().zip(self.memory.chunks_exact(self.stride)).take(self.received);
        received.filter_map(|(header, chunk)| {
            let datagram = chunk.get(..header.msg_len as usize)?;
            if was_cut(header) { memchr::memrchr(b'\n', datagram).and_then(|end| datagram.get(..end)) } else { Some(datagram) }
        })
    }
}

fn was_cut(header: &libc::mmsghdr) -> bool {
    header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0
}

/// A header that receives into one slice and asks for neither the sender's address nor control messages.
fn header(slice: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: `mmsghdr` is plain C data (pointers and integers); all zeroes is a valid value of it.
    let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
    header.msg_hdr.msg_iov = slice;
    header.msg_hdr.msg_iovlen = 1;
    header
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (receiver, sender)
    }

    #[test]
    fn datagrams_come_whole_and_in_order() {
        let (receiver, sender) = pair();
        let mut batch = Batch::new(65_535);
        let none = batch.receive(receiver.as_raw_fd(), Wait::Not).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        let largest = vec![b'x'; 65_507];
        for datagram in [&b"first"[..], b"", &largest] {
            sender.send(datagram).unwrap();
        }
        assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 3);
        assert_eq!(batch.datagrams().collect::<Vec<_>>(), [&b"first"[..], b"", &largest]);
        assert_eq!(batch.truncated(), 0);
    }

    #[test]
    fn a_cut_datagram_gives_its_whole_lines() {
        let (receiver, sender) = pair();
        let mut batch = Batch::new(12);
        for datagram in [&b"a:1|c\nb:1|c\nc:1|c"[..], b"long_name:1|c", b"exactly_12_b", b"a:1|c\nlong_name:1|c"] {
            sender.send(datagram).unwrap();
        }
        assert_eq!(batch.receive(receiver.as_raw_fd(), Wait::ForOne).unwrap(), 4);
        assert_eq!(batch.truncated(), 3);
        assert_eq!(batch.datagrams().collect::<Vec<_>>(), [&b"a:1|c\nb:1|c"[..], b"exactly_12_b", b"a:1|c"]);
    }
}
