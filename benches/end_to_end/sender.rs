//! Sends the load at a fixed rate, and counts what it sent.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU64;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

use crate::load;

/// Sockets of one sender, which the kernel spreads over the sockets of a port.
const SOCKETS: usize = 8;
/// Datagrams per system call.
const BATCH: usize = 64;
/// Pause between batches when ahead of the rate. It is short, so that the load is even.
const PAUSE: Duration = Duration::from_micros(100);
/// Minimum number of datagrams of the load. Lines repeat if there are few series.
const LOAD_DATAGRAMS: usize = 2000;

/// The datagrams for one number of series, which are sent repeatedly in this order.
pub(crate) struct Traffic {
    datagrams: Vec<Vec<u8>>,
    /// Counts of each datagram.
    contents: Vec<Amount>,
}

/// Counts of datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Datagrams.
    pub(crate) datagrams: u64,
    /// Samples in them; each is a line.
    pub(crate) samples: u64,
    /// Samples that are counters; each of them adds one.
    pub(crate) counters: u64,
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.datagrams += other.datagrams;
        self.samples += other.samples;
        self.counters += other.counters;
    }
}

/// Lines per datagram: as many as both limits allow, and at least one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packing {
    /// Maximum bytes.
    pub(crate) bytes: usize,
    /// Maximum lines.
    pub(crate) lines: usize,
}

impl Traffic {
    /// Lines over `series` series, packed into datagrams.
    pub(crate) fn new(series: u64, packing: Packing) -> Self {
        let mut lines = 0;
        let mut datagrams: Vec<Vec<u8>> = Vec::new();
        for line in load::load(series, LOAD_DATAGRAMS).datagrams.iter().flat_map(|d| d.split(|b| *b == b'\n')) {
            match datagrams.last_mut() {
                Some(last) if last.len() + 1 + line.len() <= packing.bytes && lines < packing.lines => {
                    last.push(b'\n');
                    last.extend_from_slice(line);
                    lines += 1;
                }
                _ => {
                    datagrams.push(line.to_vec());
                    lines = 1;
                }
            }
        }
        let contents = datagrams.iter().map(|d| content(d)).collect();
        Self { datagrams, contents }
    }

    /// All datagrams once.
    pub(crate) fn whole(&self) -> Amount {
        let mut whole = Amount::default();
        self.contents.iter().for_each(|c| whole += *c);
        whole
    }

    /// Mean lines per datagram.
    pub(crate) fn lines_of_datagram(&self) -> f64 {
        self.whole().samples as f64 / self.datagrams.len() as f64
    }

    /// The maximum numbers of samples and of counters in one datagram.
    pub(crate) fn most_in_one(&self) -> Amount {
        let most = |of: fn(&Amount) -> u64| self.contents.iter().map(of).max().unwrap_or(0);
        Amount { datagrams: 1, samples: most(|c| c.samples), counters: most(|c| c.counters) }
    }

    /// The minimum number of samples in one datagram.
    pub(crate) fn fewest_samples_in_one(&self) -> u64 {
        self.contents.iter().map(|c| c.samples).min().unwrap_or(0)
    }
}

fn content(datagram: &[u8]) -> Amount {
    let lines = datagram.split(|b| *b == b'\n');
    let counters = lines.clone().filter(|line| line.windows(3).any(|w| w == b"|c|")).count();
    Amount { datagrams: 1, samples: lines.count() as u64, counters: counters as u64 }
}

/// Rate and end of sending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Samples per second.
    pub(crate) rate: u64,
    /// Ends after about this number of samples,
    pub(crate) samples: u64,
    /// or after this time, if the machine does not reach the rate.
    pub(crate) at_most: Duration,
}

/// Sockets connected to one receiver; one thread sends over them.
pub(crate) struct Sender<'a> {
    traffic: &'a Traffic,
    sockets: Vec<UdpSocket>,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(traffic: &'a Traffic, to: SocketAddr) -> Result<Self, String> {
        let connected = || {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(to)?;
            Ok(socket)
        };
        let sockets = (0..SOCKETS).map(|_| connected()).collect::<std::io::Result<_>>();
        Ok(Self { traffic, sockets: sockets.map_err(|e| format!("cannot open a sending socket: {e}"))? })
    }

    /// Sends every datagram once over every socket, so that every worker knows every series.
    pub(crate) fn warm_up(&self, rate: u64) -> Result<Amount, String> {
        let mut sent = Amount::default();
        for socket in &self.sockets {
            let samples = self.traffic.whole().samples;
            let (amount, _) = self.run(std::slice::from_ref(socket), Pace { rate, samples, at_most: Duration::from_secs(60) })?;
            sent += amount;
        }
        Ok(sent)
    }

    /// Sends over all sockets in turn, starting with the first datagram. Returns the counts and the seconds.
    pub(crate) fn send(&self, pace: Pace) -> Result<(Amount, f64), String> {
        self.run(&self.sockets, pace)
    }

    fn run(&self, sockets: &[UdpSocket], pace: Pace) -> Result<(Amount, f64), String> {
        // Without this, the pause is 150 us and the load is less even.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1000));
        let slices: Vec<[IoSlice<'_>; 1]> = self.traffic.datagrams.iter().map(|d| [IoSlice::new(d)]).collect();
        let mut nothing: Vec<SendAncillaryBuffer<'_, '_, '_>> = slices.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let mut headers: Vec<MMsgHdr<'_>> = slices.iter().zip(&mut nothing).map(|(s, n)| MMsgHdr::new(s, n)).collect();
        let per_datagram = self.traffic.whole().samples as f64 / headers.len() as f64;
        let (mut sent, mut at, mut turn) = (Amount::default(), 0, 0);
        let start = Instant::now();
        while sent.samples < pace.samples && start.elapsed() < pace.at_most {
            let due = (start.elapsed().as_secs_f64() * pace.rate as f64).min(pace.samples as f64) - sent.samples as f64;
            let due = (due / per_datagram).ceil();
            if due < 1.0 {
                thread::sleep(PAUSE);
                continue;
            }
            let end = (at + BATCH.min(due as usize)).min(headers.len());
            let taken = sendmmsg(&sockets[turn % sockets.len()], &mut headers[at..end], SendFlags::empty())
                .map_err(|e| format!("cannot send: {e}"))?;
            self.traffic.contents[at..at + taken].iter().for_each(|c| sent += *c);
            at = (at + taken) % headers.len();
            turn += 1;
        }
        Ok((sent, start.elapsed().as_secs_f64()))
    }
}
