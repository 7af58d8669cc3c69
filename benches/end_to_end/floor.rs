//! Receives and discards datagrams: the minimum cost of any UDP receiver.
//!
//! The child receives in batches of 64 with an optional coalescing delay, counts newlines, and keeps nothing. It prints its port,
//! then one line of sums for each line on its stdin. It ends when its stdin closes, so also when its parent is killed.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::process::{ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{mem, ptr, thread};

use crate::process::{Process, udp_drops};
use crate::rounds::{Arrived, Receiver};

/// Datagrams per call.
const BATCH: usize = 64;
/// Maximum bytes of a datagram. Not a multiple of the page size, so that the first lines of the buffers use different cache sets.
const BUFFER_BYTES: usize = 9024;
/// Receive buffer to request, as in the bridge.
const RECEIVE_BUFFER_BYTES: usize = 16 << 20;

static DATAGRAMS: AtomicU64 = AtomicU64::new(0);
static LINES: AtomicU64 = AtomicU64::new(0);

/// The parent's side.
pub(crate) struct Floor {
    process: Process,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl Floor {
    /// Starts this executable again, as the child.
    pub(crate) fn start(nap_micros: u64) -> Result<Self, String> {
        let cannot = |e: io::Error| format!("cannot start the floor: {e}");
        let program = std::env::current_exe().map_err(cannot)?;
        let mut command = Command::new(program);
        command.args(["--floor", "--floor-nap", &nap_micros.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process(command.spawn().map_err(cannot)?);
        let (Some(asks), Some(answers)) = (process.0.stdin.take(), process.0.stdout.take()) else {
            return Err("the floor has no pipes".to_owned());
        };
        let mut floor = Self { process, asks, answers: BufReader::new(answers), port: 0 };
        floor.port = floor.numbers::<1>()?[0].try_into().map_err(|_| "the floor names no port".to_owned())?;
        Ok(floor)
    }

    fn numbers<const N: usize>(&mut self) -> Result<[u64; N], String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|e| format!("the floor does not answer: {e}"))?;
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        numbers.try_into().map_err(|_| format!("the floor says {line:?}"))
    }
}

impl Receiver for Floor {
    const NAME: &'static str = "floor";

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn arrived(&mut self) -> Result<Arrived, String> {
        writeln!(self.asks).map_err(|e| format!("the floor cannot be asked: {e}"))?;
        let [datagrams, samples] = self.numbers()?;
        Ok(Arrived { datagrams, samples, counters: None, dropped: udp_drops(self.port)? })
    }
}

/// The child's side.
pub(crate) fn receive(nap_micros: u64) -> ExitCode {
    match serve(nap_micros) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(nap_micros: u64) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER_BYTES).is_err() {
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES)?;
    }
    println!("{}", socket.local_addr()?.port());
    thread::spawn(move || {
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1000));
        let mut batch = Batch::new();
        loop {
            let received = batch.receive(&socket);
            if received < BATCH && nap_micros > 0 {
                thread::sleep(Duration::from_micros(nap_micros));
            }
        }
    });
    for _ in io::stdin().lock().lines() {
        println!("{} {}", DATAGRAMS.load(Ordering::Relaxed), LINES.load(Ordering::Relaxed));
    }
    Ok(())
}

/// Buffers of one call.
struct Batch {
    /// The kernel writes here; `slices` points into it. Never resized.
    memory: Vec<u8>,
    /// `headers` points into it. Never resized.
    _slices: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Batch {
    fn new() -> Self {
        let mut memory = vec![0_u8; BATCH * BUFFER_BYTES];
        let chunks = memory.chunks_exact_mut(BUFFER_BYTES);
        let mut slices: Vec<_> = chunks.map(|c| libc::iovec { iov_base: c.as_mut_ptr().cast(), iov_len: c.len() }).collect();
        let headers = slices.iter_mut().map(|slice| {
            // SAFETY: `mmsghdr` is plain C data (pointers and integers); all zeroes is a valid value of it.
            let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            header
        });
        let headers = headers.collect();
        Self { memory, _slices: slices, headers }
    }

    /// Waits for a datagram, receives up to 64, and counts their newlines.
    fn receive(&mut self, socket: &UdpSocket) -> usize {
        // SAFETY: there are `BATCH` valid headers; each points to one iovec, which points to a separate part of `memory`. None of
        // the three is resized or dropped before `self`, and `&mut self` excludes all other access to `memory`. A null timeout is
        // allowed.
        let received = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), BATCH as _, libc::MSG_WAITFORONE as _, ptr::null_mut())
        };
        let received = usize::try_from(received).unwrap_or(0);
        let chunks = self.memory.chunks_exact(BUFFER_BYTES);
        let datagrams = chunks.zip(&self.headers).take(received).filter_map(|(chunk, header)| chunk.get(..header.msg_len as usize));
        // A datagram has one line more than newlines.
        let lines: usize = datagrams.map(|d| 1 + memchr::memchr_iter(b'\n', d).count()).sum();
        LINES.fetch_add(lines as u64, Ordering::Relaxed);
        DATAGRAMS.fetch_add(received as u64, Ordering::Relaxed);
        received
    }
}
