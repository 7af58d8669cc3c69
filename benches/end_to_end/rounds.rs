//! The rounds: load, measure, check the sums.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::Args;
use crate::bridge::Bridge;
use crate::exporter::Exporter;
use crate::floor::Floor;
use crate::process::Process;
use crate::report::{Compared, Report, Round, Row};
use crate::sender::{Amount, Pace, Packing, Sender, Traffic};

/// Samples per second before the measured rounds, so that every series is known.
const WARM_UP_RATE: u64 = 500_000;
/// The same for statsd_exporter, which drops most of a higher rate.
const EXPORTER_WARM_UP_RATE: u64 = 50_000;
/// Deadline for the sums to agree after the last datagram. The bridge reads the kernel's drops once a second.
const AGREE_WITHIN: Duration = Duration::from_secs(10);

/// A child process that receives the load.
pub(crate) trait Receiver {
    /// Its name in messages.
    const NAME: &'static str;
    /// Address to send to.
    fn address(&self) -> SocketAddr;
    /// The measured process.
    fn process(&self) -> &Process;
    /// Reads what it has received since its start.
    fn arrived(&mut self) -> Result<Arrived, String>;
}

/// Counts of a receiver since its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Arrived {
    /// Datagrams read.
    pub(crate) datagrams: u64,
    /// Samples in them.
    pub(crate) samples: u64,
    /// Sum of the load's counters; `None` if values are discarded.
    pub(crate) counters: Option<u64>,
    /// Datagrams that the kernel dropped at its sockets.
    pub(crate) dropped: u64,
}

/// A receiver under load, and the counts of what was sent to it since its start.
struct Lane<'a, R> {
    receiver: R,
    senders: Vec<Sender<'a>>,
    traffic: &'a Traffic,
    sent: Amount,
    arrived: Arrived,
}

/// One part of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Sent in this part.
    pub(crate) sent: Amount,
    /// Duration of sending.
    pub(crate) seconds: f64,
    /// Increase of the samples that arrived.
    pub(crate) samples: u64,
    /// Increase of the load's counters.
    pub(crate) counters: u64,
    /// Datagrams that the kernel dropped.
    pub(crate) dropped: u64,
    /// CPU time of the receiver per sample that arrived, in nanoseconds.
    pub(crate) cpu_ns: f64,
}

/// The parameters of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// Number of series.
    pub(crate) series: u64,
    /// How lines are packed.
    pub(crate) packing: Packing,
    /// Workers of the bridge; its default if absent.
    pub(crate) workers: Option<u32>,
}

/// Prints a row for each number of series, each packing and each number of workers, and writes the requested files.
///
/// # Errors
/// The first wrong sum, or the first operation that failed. All child processes are ended.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let mut report = Report::begin(args);
    for setting in args.settings() {
        report.row(row(args, setting)?);
    }
    report.end(args)
}

fn row(args: &Args, setting: Setting) -> Result<Row, String> {
    let traffic = Traffic::new(setting.series, setting.packing);
    let mut bridge = Lane::new(Bridge::start(setting.workers, setting.series)?, &traffic, args.senders, WARM_UP_RATE)?;
    let mut floor = Lane::new(Floor::start(args.floor_nap)?, &traffic, args.senders, WARM_UP_RATE)?;
    let exporter = args.statsd_exporter.as_deref().map(Exporter::start).transpose()?;
    let mut exporter = exporter.map(|exporter| Lane::new(exporter, &traffic, args.senders, EXPORTER_WARM_UP_RATE)).transpose()?;
    let mut of_exporter = Vec::new();
    let pace = Pace {
        rate: args.rate,
        samples: (args.rate as f64 * args.seconds) as u64,
        at_most: Duration::try_from_secs_f64(args.seconds).map_err(|e| format!("--seconds: {e}"))?,
    };
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let of_bridge = bridge.part(pace)?;
        let page = bridge.receiver.page()?;
        let of_floor = floor.part(pace)?;
        if let Some(exporter) = &mut exporter {
            let rate = args.exporter_rate;
            of_exporter.push(exporter.part(Pace { rate, samples: (rate as f64 * args.seconds) as u64, ..pace })?);
        }
        rounds.push(Round { bridge: of_bridge, floor: of_floor, scrape_seconds: page.seconds, page_bytes: page.text.len() as u64 });
    }
    let resident_bytes = bridge.receiver.process().resident_bytes()?;
    let compared = match &exporter {
        Some(exporter) => Some(Compared {
            rounds: of_exporter,
            resident_bytes: exporter.receiver.process().resident_bytes()?,
            scrape_seconds: exporter.receiver.page()?.seconds,
        }),
        None => None,
    };
    Ok(Row { setting, lines_of_datagram: traffic.lines_of_datagram(), rounds, resident_bytes, compared })
}

impl<'a, R: Receiver> Lane<'a, R> {
    /// Warms up.
    fn new(receiver: R, traffic: &'a Traffic, senders: u32, warm_up_rate: u64) -> Result<Self, String> {
        let senders = (0..senders).map(|_| Sender::new(traffic, receiver.address())).collect::<Result<_, _>>()?;
        let mut lane = Self { receiver, senders, traffic, sent: Amount::default(), arrived: Arrived::default() };
        for sender in &lane.senders {
            lane.sent += sender.warm_up(warm_up_rate)?;
        }
        lane.receiver.process().settle()?;
        lane.agree()?;
        Ok(lane)
    }

    /// Sends at this rate and measures until everything is received. Reading the sums is not measured.
    fn part(&mut self, pace: Pace) -> Result<Part, String> {
        let before = self.arrived;
        self.receiver.process().settle()?;
        let cpu_before = self.receiver.process().cpu()?;
        let (sent, seconds) = self.send(pace)?;
        self.receiver.process().settle()?;
        let cpu_ns = self.receiver.process().cpu()?.nanoseconds_since(&cpu_before);
        self.sent += sent;
        self.agree()?;
        let samples = self.arrived.samples - before.samples;
        Ok(Part {
            sent,
            seconds,
            samples,
            counters: self.arrived.counters.unwrap_or(0) - before.counters.unwrap_or(0),
            dropped: self.arrived.dropped - before.dropped,
            cpu_ns: cpu_ns / samples.max(1) as f64,
        })
    }

    /// Runs all senders at once, each with its share. The duration is that of the slowest.
    fn send(&self, pace: Pace) -> Result<(Amount, f64), String> {
        let many = self.senders.len().max(1) as u64;
        let pace = Pace { rate: (pace.rate / many).max(1), samples: pace.samples / many, ..pace };
        thread::scope(|scope| {
            let threads: Vec<_> = self.senders.iter().map(|sender| scope.spawn(move || sender.send(pace))).collect();
            let (mut all, mut longest) = (Amount::default(), 0_f64);
            for thread in threads {
                let (sent, seconds) = thread.join().map_err(|_| "a sender died".to_owned())??;
                all += sent;
                longest = longest.max(seconds);
            }
            Ok((all, longest))
        })
    }

    /// Waits until every datagram is received or counted as dropped, then checks their contents.
    fn agree(&mut self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            self.arrived = self.receiver.arrived()?;
            if self.arrived.datagrams + self.arrived.dropped >= self.sent.datagrams || start.elapsed() > AGREE_WITHIN {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let (sent, most) = (self.sent, self.traffic.most_in_one());
        check(sent, most, self.traffic.fewest_samples_in_one(), self.arrived)
            .map_err(|why| format!("{}: {why}\nsent since its start: {sent:?}\narrived: {:?}", R::NAME, self.arrived))
    }
}

/// Whether all sums are right. `most` and `fewest_samples` refer to one datagram of the load.
fn check(sent: Amount, most: Amount, fewest_samples: u64, arrived: Arrived) -> Result<(), String> {
    let dropped = arrived.dropped;
    if arrived.datagrams + dropped != sent.datagrams {
        return Err("datagrams received and datagrams dropped by the kernel are not what was sent".to_owned());
    }
    let lost = |sent: u64, arrived: u64| sent.checked_sub(arrived).ok_or_else(|| "more arrived than was sent".to_owned());
    if !(dropped * fewest_samples..=dropped * most.samples).contains(&lost(sent.samples, arrived.samples)?) {
        return Err("samples are missing that the dropped datagrams cannot have held".to_owned());
    }
    match arrived.counters {
        Some(counters) if lost(sent.counters, counters)? > dropped * most.counters => {
            Err("the counters on the page lack more than the dropped datagrams can have held".to_owned())
        }
        _ => Ok(()),
    }
}
