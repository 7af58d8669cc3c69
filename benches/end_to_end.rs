//! Measures the cost of a sample in the real program, from socket to exposition, beside the minimum cost of any receiver.
//!
//! ```text
//! cargo bench --bench end_to_end
//! cargo bench --bench end_to_end -- --series 1000,100000 --rate 500000 --seconds 10 --rounds 5 --json out.json
//! cargo bench --bench end_to_end -- --lines 1,4,16 --series 1000       # rows by lines per datagram
//! cargo bench --bench end_to_end -- --workers 1,2 --senders 2 --series 1000 --rate 3000000     # scaling
//! cargo bench --bench end_to_end -- --pictures docs/pictures   # cost-by-series.svg and cost-by-lines.svg, with their JSON
//! tests/build-peers statsd-exporter && cargo bench --bench end_to_end -- --statsd-exporter target/peers/go/statsd-exporter/statsd_exporter
//! cargo bench --bench end_to_end -- --help                     # every flag with its default
//! ```
//! The bench starts the release build of statsd-bridge on loopback, on ports that the kernel selects, and sends the load of
//! `load.rs` over UDP from several sockets, at a fixed rate. Rounds alternate with a floor: a child process of this executable that
//! receives the same datagrams in batches of 64, without a pause, counts newlines, and discards them. A busy machine affects both
//! alike, so the ratio is more reliable than either number. With `--floor-nap 200`, the floor has a coalescing delay like the
//! bridge. The default run takes about a minute.
//!
//! A row of the table is one number of series, one packing and one number of workers:
//!
//! | column | meaning |
//! |---|---|
//! | lines | mean lines per datagram |
//! | sent | samples sent to the bridge in all measured rounds |
//! | a second | rate that the sender reached; a note says if it is below `--rate` |
//! | arrived | increase of the load's counters in the exposition, divided by the counters sent |
//! | bridge ns, floor ns | user and system CPU time of the process per sample that arrived, median of the rounds |
//! | ratio | bridge divided by floor |
//! | MiB | resident memory of the bridge after the last round and its scrape |
//! | scrape ms, page MiB | one scrape including its transfer, median of the rounds; size of the exposition |
//!
//! CPU time is the sum over the threads of the process in /proc/PID/task/*/schedstat, in nanoseconds, which is user and system
//! time. If the kernel has no schedstat, it is /proc/PID/stat in ticks of mostly 10 ms. After every round, the sums must be right:
//! datagrams sent = received + kernel drops, samples and counters exact except for those drops, nothing rejected. Otherwise the
//! exit code is 1. The bench runs on Linux only, and uses only flags and expositions of the bridge. `cargo test --benches` runs one
//! tiny round as a check.

#[cfg(target_os = "linux")]
#[path = "end_to_end/bridge.rs"]
mod bridge;
#[cfg(target_os = "linux")]
#[path = "end_to_end/exporter.rs"]
mod exporter;
#[cfg(target_os = "linux")]
#[path = "end_to_end/floor.rs"]
mod floor;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
#[path = "end_to_end/process.rs"]
mod process;
#[cfg(target_os = "linux")]
#[path = "end_to_end/report.rs"]
mod report;
#[cfg(target_os = "linux")]
#[path = "end_to_end/rounds.rs"]
mod rounds;
#[cfg(target_os = "linux")]
#[path = "end_to_end/sender.rs"]
mod sender;

#[cfg(target_os = "linux")]
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

#[cfg(target_os = "linux")]
use crate::{rounds::Setting, sender::Packing};

#[cfg(target_os = "linux")]
#[path = "end_to_end/picture.rs"]
mod picture;

/// CPU, memory and scrape cost of the real program under a paced UDP load, beside receive-and-discard.
#[derive(Debug, Clone, Parser)]
#[command(name = "end_to_end")]
struct Args {
    /// Numbers of series, one row each, up to a million. Above 100000, the limits of the bridge are raised.
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1000,10000,100000")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    series: Vec<u64>,
    /// Samples to send per second.
    #[arg(long, value_name = "N", default_value = "1000000", value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Seconds of sending in each of the two parts of a round: one for the bridge, one for the floor.
    #[arg(long, value_name = "N", default_value = "3", value_parser = positive)]
    seconds: f64,
    /// Number of rounds. Results are medians.
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Maximum bytes of a datagram, one row each; 0 for one line per datagram.
    #[arg(long, value_name = "BYTES,..", value_delimiter = ',', default_value = "1432")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=8932))]
    size: Vec<u64>,
    /// Maximum lines of a datagram, one row each, instead of --size.
    #[arg(long, value_name = "N,..", value_delimiter = ',', conflicts_with = "size")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000))]
    lines: Vec<u64>,
    /// --udp.workers of the bridge, one row each. Default: that of the bridge.
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    workers: Vec<u32>,
    /// Sending threads. Each sends its share of the rate over its own sockets.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=64))]
    senders: u32,
    /// Coalescing delay of the floor in microseconds, after a batch that was not full; 0 for none.
    #[arg(long, value_name = "MICROSECONDS", default_value = "0", value_parser = clap::value_parser!(u64).range(0..=100_000))]
    floor_nap: u64,
    /// Program of prometheus/statsd_exporter, which gets the same lines at --exporter-rate in every round.
    #[arg(long, value_name = "FILE")]
    statsd_exporter: Option<PathBuf>,
    /// Samples per second to send to statsd_exporter. It drops most of a higher rate.
    #[arg(long, value_name = "N", default_value = "100000", value_parser = clap::value_parser!(u64).range(1..))]
    exporter_rate: u64,
    /// File for the results as JSON, including each round.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// File for a plot of the cost by series, or by lines if there is one number of series.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Folder for cost-by-series.svg and cost-by-lines.svg, and their JSON. Runs both, with 5 rounds and fixed rows.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["series", "rate", "size", "lines", "rounds", "json", "svg"])]
    pictures: Option<PathBuf>,
    /// Set by `cargo bench`. Without it, one tiny round runs.
    #[arg(long, hide = true)]
    bench: bool,
    /// Run as the floor.
    #[arg(long, hide = true)]
    floor: bool,
}

#[cfg(target_os = "linux")]
/// Largest datagram that the bridge always receives completely.
const MOST_BYTES: usize = 8932;

#[cfg(target_os = "linux")]
impl Args {
    /// One for each row.
    fn settings(&self) -> Vec<Setting> {
        let of_size = |size: &u64| Packing { bytes: *size as usize, lines: usize::MAX };
        let of_lines = |lines: &u64| Packing { bytes: MOST_BYTES, lines: *lines as usize };
        let packings: Vec<Packing> =
            if self.lines.is_empty() { self.size.iter().map(of_size).collect() } else { self.lines.iter().map(of_lines).collect() };
        let workers: Vec<Option<u32>> = if self.workers.is_empty() { vec![None] } else { self.workers.iter().copied().map(Some).collect() };
        let of_series = |series: u64| packings.iter().map(move |packing| (series, *packing));
        let with_packing = self.series.iter().flat_map(|series| of_series(*series));
        with_packing
            .flat_map(|(series, packing)| workers.iter().map(move |workers| Setting { series, packing, workers: *workers }))
            .collect()
    }

    /// The two runs of `--pictures`. Each has one rate, which a single sender reaches on a small machine.
    fn of_pictures(&self, folder: &Path) -> [Self; 2] {
        let files = |name: &str| [Some(folder.join(format!("{name}.svg"))), Some(folder.join(format!("{name}.json")))];
        let [[series_svg, series_json], [lines_svg, lines_json]] = [files("cost-by-series"), files("cost-by-lines")];
        let by_series = vec![1_000, 3_000, 10_000, 30_000, 100_000, 300_000];
        let both = Self { rounds: 5, pictures: None, ..self.clone() };
        [
            Self { series: by_series, rate: 1_000_000, svg: series_svg, json: series_json, ..both.clone() },
            Self { series: vec![1_000], lines: vec![1, 2, 4, 8, 16, 27], rate: 300_000, svg: lines_svg, json: lines_json, ..both },
        ]
    }
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0).ok_or_else(|| "not a positive number".to_owned())
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.floor {
        return floor::receive(args.floor_nap);
    }
    if !args.bench {
        println!("end_to_end: no --bench, so one tiny round that only checks the sums; `cargo bench` measures");
        (args.series, args.rate, args.seconds, args.rounds) = (vec![100], 20_000, 0.1, 1);
    }
    let runs = args.pictures.as_deref().map_or_else(|| vec![args.clone()], |folder| args.of_pictures(folder).into());
    match runs.iter().try_for_each(rounds::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("end_to_end: {why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    let _ = Args::parse();
    eprintln!("end_to_end: needs Linux, for recvmmsg, sendmmsg and /proc; nothing was measured");
    ExitCode::FAILURE
}
