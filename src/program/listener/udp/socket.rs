//! The sockets of one UDP address: the shared port, the receive buffer, and the kernel's counter of dropped datagrams.
//!
//! Must not receive anything.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use std::{fs, io, mem};

use metrics::Counter;
use socket2::{SockRef, Socket, Type};

use crate::program::faults::Faults;
use crate::program::net::new_socket;

/// Time limit of a receive call, after which its thread checks the stop signal.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(250);
/// The default size of the receive buffer. It holds packed samples of a tenth of a second at three million samples a second, which is the
/// time that a worker needs to create 100,000 series.
const DEFAULT_READ_BUFFER_BYTES: usize = 16 << 20;

/// The bound sockets of one address.
pub(super) struct BoundSockets {
    /// The address, with the port that the kernel picked for port 0.
    pub address: SocketAddr,
    /// The sockets, at least one.
    pub sockets: Vec<UdpSocket>,
    /// The smallest receive buffer of the sockets, as the kernel reports it.
    pub receive_buffer_bytes: usize,
}

/// Binds `workers` sockets, at least one, to `address`.
pub(super) fn bind_workers(address: SocketAddr, workers: usize, read_buffer_bytes: usize) -> io::Result<BoundSockets> {
    // The first socket is bound without SO_REUSEPORT. With it, a second bridge on the same port would start without an error and receive
    // half of the datagrams.
    let first = new_socket(address, Type::DGRAM)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let bound = first.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut sockets = vec![first];
    while sockets.len() < workers {
        let socket = new_socket(bound, Type::DGRAM)?;
        socket.set_reuse_port(true)?;
        socket.bind(&bound.into())?;
        sockets.push(socket);
    }
    let mut granted = usize::MAX;
    for socket in &sockets {
        granted = granted.min(grow_receive_buffer(socket, wanted(read_buffer_bytes))?);
        socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    }
    Ok(BoundSockets { address: bound, sockets: sockets.into_iter().map(Into::into).collect(), receive_buffer_bytes: granted })
}

/// Prepares sockets that systemd bound to `address`. Their receive buffers keep the size that the unit sets, unless one is requested.
pub(super) fn inherit(address: SocketAddr, sockets: Vec<UdpSocket>, read_buffer_bytes: usize) -> io::Result<BoundSockets> {
    let mut granted = usize::MAX;
    for socket in &sockets {
        let socket = SockRef::from(socket);
        let size = if read_buffer_bytes == 0 { socket.recv_buffer_size()? } else { grow_receive_buffer(&socket, read_buffer_bytes)? };
        granted = granted.min(size);
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    }
    Ok(BoundSockets { address, sockets, receive_buffer_bytes: granted })
}

fn wanted(read_buffer_bytes: usize) -> usize {
    if read_buffer_bytes == 0 { DEFAULT_READ_BUFFER_BYTES } else { read_buffer_bytes }
}

/// Requests a receive buffer of `bytes`, above the system's limit if the program has the capability. Returns the size that the kernel reports.
fn grow_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<usize> {
    let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    if !force_receive_buffer(socket.as_raw_fd(), value) {
        socket.set_recv_buffer_size(bytes.min(libc::c_int::MAX as usize))?;
    }
    socket.recv_buffer_size()
}

/// Sets SO_RCVBUFFORCE. Returns false without CAP_NET_ADMIN.
fn force_receive_buffer(socket: RawFd, value: libc::c_int) -> bool {
    let size = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option takes a `c_int`; the pointer is to one that lives until the call returns.
    let result = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, (&raw const value).cast(), size) };
    result == 0
}

/// The command that raises the kernel's limit to the requested size; `None` if the kernel granted it.
pub(super) fn receive_buffer_hint(read_buffer_bytes: usize, granted: usize) -> Option<String> {
    let wanted = wanted(read_buffer_bytes);
    // The kernel reports twice the granted size, for its own overhead.
    (granted / 2 < wanted).then(|| format!("sysctl -w net.core.rmem_max={wanted}"))
}

/// Exports the kernel's drop counter of one socket, which wraps at 32 bits, as a metric.
pub(super) struct DropReader {
    counter: Counter,
    inode: Option<u64>,
    seen: u32,
    faults: Faults,
}

impl DropReader {
    pub(super) fn new(socket: &UdpSocket, counter: Counter) -> Self {
        Self { counter, inode: inode(socket.as_raw_fd()), seen: 0, faults: Faults::default() }
    }

    /// Adds the drops since the last call to the metric.
    pub(super) fn read(&mut self, socket: &UdpSocket) {
        let dropped = drops_by_meminfo(socket.as_raw_fd()).or_else(|_| drops_by_proc(self.inode));
        match dropped {
            Ok(dropped) => {
                self.counter.increment(u64::from(dropped.wrapping_sub(self.seen)));
                self.seen = dropped;
            }
            Err(error) => self.faults.warn(|times| tracing::warn!(%error, times, "the kernel's drop counter cannot be read")),
        }
    }
}

/// The drop counter from SO_MEMINFO. Unlike SO_RXQ_OVFL, it does not need a later datagram.
fn drops_by_meminfo(socket: RawFd) -> io::Result<u32> {
    /// The index of the drop counter in SO_MEMINFO.
    const SK_MEMINFO_DROPS: usize = 8;
    let mut info = [0_u32; SK_MEMINFO_DROPS + 1];
    let mut size = mem::size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes to `info`, which has this size, and the number of bytes to `size`. Both live until the
    // call returns.
    let result = unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_MEMINFO, (&raw mut info).cast(), &raw mut size) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if (size as usize) < mem::size_of_val(&info) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(info[SK_MEMINFO_DROPS])
}

/// The drop counter from /proc/net, for kernels before 4.12.
fn drops_by_proc(inode: Option<u64>) -> io::Result<u32> {
    let inode = inode.ok_or(io::ErrorKind::Unsupported)?;
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(fs::read_to_string);
    let found = tables.iter().flatten().find_map(|table| drops_in_table(table, inode));
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn drops_in_table(table: &str, inode: u64) -> Option<u32> {
    const INODE: usize = 9;
    const DROPS: usize = 12;
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(INODE);
        let found = columns.next()?.parse() == Ok(inode);
        if found { columns.nth(DROPS - INODE - 1)?.parse().ok() } else { None }
    })
}

fn inode(socket: RawFd) -> Option<u64> {
    fs::metadata(format!("/proc/self/fd/{socket}")).ok().map(|m| m.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sources_of_the_drop_counter_agree() {
        let BoundSockets { address, sockets, .. } = bind_workers("127.0.0.1:0".parse().unwrap(), 1, 1).unwrap();
        let receiver = &sockets[0];
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        const SENT: u32 = 500;
        for _ in 0..SENT {
            sender.send_to(&[b'x'; 1000], address).unwrap();
        }
        let by_meminfo = drops_by_meminfo(receiver.as_raw_fd()).unwrap();
        let by_proc = drops_by_proc(inode(receiver.as_raw_fd())).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let mut buffer = [0; 2000];
        let received = (0..SENT).take_while(|_| receiver.recv(&mut buffer).is_ok()).count();
        assert!(by_meminfo > 0, "the buffer is too small for all datagrams");
        assert_eq!(by_meminfo, by_proc);
        assert_eq!(by_meminfo as usize + received, SENT as usize);
    }

    #[test]
    fn the_table_is_searched_by_inode() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             123: 0100007F:23A5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 17\n\
             124: 0100007F:23A6 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 4294967295\n";
        assert_eq!(drops_in_table(table, 4711), Some(17));
        assert_eq!(drops_in_table(table, 4712), Some(u32::MAX));
        assert_eq!(drops_in_table(table, 17), None);
    }

    #[test]
    fn the_hint_for_a_small_buffer_is_a_command() {
        assert_eq!(receive_buffer_hint(0, 32 << 20), None);
        assert_eq!(receive_buffer_hint(0, 425_984).as_deref(), Some("sysctl -w net.core.rmem_max=16777216"));
        assert_eq!(receive_buffer_hint(1000, 2304), None);
    }
}
