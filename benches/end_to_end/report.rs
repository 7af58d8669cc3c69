//! The table, and the same as JSON.

use serde_json::{Value, json};

use crate::Args;
use crate::picture::{Curve, Picture, Point, short};
use crate::rounds::{Part, Setting};

/// One round: the bridge's part, its exposition, the floor's part.
pub(crate) struct Round {
    pub(crate) bridge: Part,
    pub(crate) floor: Part,
    pub(crate) scrape_seconds: f64,
    pub(crate) page_bytes: u64,
}

/// All rounds of one setting.
pub(crate) struct Row {
    pub(crate) setting: Setting,
    /// Mean lines per datagram.
    pub(crate) lines_of_datagram: f64,
    pub(crate) rounds: Vec<Round>,
    /// Resident memory of the bridge after the last round and its scrape.
    pub(crate) resident_bytes: u64,
    /// The same load at statsd_exporter, if it runs.
    pub(crate) compared: Option<Compared>,
}

/// What the same lines cost statsd_exporter.
pub(crate) struct Compared {
    pub(crate) rounds: Vec<Part>,
    /// Resident memory after the last round and its scrape.
    pub(crate) resident_bytes: u64,
    pub(crate) scrape_seconds: f64,
}

/// Prints each row when it is complete.
pub(crate) struct Report {
    rate: u64,
    json: Value,
    rows: Vec<Value>,
    /// Values of each row for the plot.
    points: Vec<(f64, f64, [Point; 2])>,
    /// Notes below the table.
    notes: Vec<String>,
}

impl Report {
    /// Prints the head.
    pub(crate) fn begin(args: &Args) -> Self {
        println!(
            "{} samples/s from {} threads, {} rounds of {} s each for bridge and floor; floor's nap: {} us",
            args.rate, args.senders, args.rounds, args.seconds, args.floor_nap
        );
        println!(
            "{:>9} {:>5} {:>7} {:>12} {:>10} {:>9} {:>10} {:>9} {:>6} {:>8} {:>10} {:>9}",
            "series", "lines", "workers", "sent", "a second", "arrived", "bridge ns", "floor ns", "ratio", "MiB", "scrape ms", "page MiB"
        );
        let json = json!({
            "rate": args.rate, "seconds": args.seconds, "rounds": args.rounds, "senders": args.senders,
            "floor_nap_micros": args.floor_nap,
        });
        Self { rate: args.rate, json, rows: Vec::new(), points: Vec::new(), notes: Vec::new() }
    }

    /// Prints a row.
    pub(crate) fn row(&mut self, row: Row) {
        let bridge = median(&row, |r| r.bridge.cpu_ns);
        let floor = median(&row, |r| r.floor.cpu_ns);
        let of = |get: fn(&Part) -> u64| row.rounds.iter().map(|r| get(&r.bridge)).sum::<u64>();
        let (sent, sent_counters, counters) = (of(|p| p.sent.samples), of(|p| p.sent.counters), of(|p| p.counters));
        let rate = sent as f64 / row.rounds.iter().map(|r| r.bridge.seconds).sum::<f64>();
        let arrived = counters as f64 / sent_counters.max(1) as f64;
        let (scrape_ms, page_mib) = (median(&row, |r| r.scrape_seconds * 1e3), median(&row, |r| mebibytes(r.page_bytes)));
        let resident_mib = mebibytes(row.resident_bytes);
        // There is no ratio if the floor used less than a tick.
        let ratio = (floor > 0.0).then(|| bridge / floor);
        println!(
            "{:>9} {:>5.1} {:>7} {sent:>12} {rate:>10.0} {:>8.3}% {bridge:>10.1} {floor:>9.1} {:>6} {resident_mib:>8.1} {scrape_ms:>10.1} {page_mib:>9.2}",
            row.setting.series,
            row.lines_of_datagram,
            row.setting.workers.map_or_else(|| "default".to_owned(), |n| n.to_string()),
            arrived * 100.0,
            ratio.map_or_else(|| "-".to_owned(), |r| format!("{r:.2}")),
        );
        let compared = row.compared.as_ref().map(|compared| print_compared(compared, bridge, resident_mib));
        self.note(&row, rate);
        self.points.push((
            row.setting.series as f64,
            row.lines_of_datagram,
            [|r: &Round| r.bridge, |r: &Round| r.floor].map(|of| {
                let costs = row.rounds.iter().map(|r| of(r).cpu_ns);
                let (low, high) = costs.fold((f64::INFINITY, 0_f64), |(low, high), cost| (low.min(cost), high.max(cost)));
                Point { x: 0.0, y: median(&row, |r| of(r).cpu_ns), low, high }
            }),
        ));
        let rounds: Vec<Value> = row.rounds.iter().map(round).collect();
        self.rows.push(json!({
            "series": row.setting.series, "lines_of_datagram": row.lines_of_datagram, "workers": row.setting.workers,
            "samples_sent": sent, "samples_per_second": rate, "arrived_share": arrived,
            "bridge_cpu_ns_per_sample": bridge, "floor_cpu_ns_per_sample": floor, "ratio": ratio,
            "resident_mib": resident_mib, "scrape_ms": scrape_ms, "page_mib": page_mib, "rounds": rounds,
            "statsd_exporter": compared,
        }));
    }

    fn note(&mut self, row: &Row, rate: f64) {
        let dropped = |part: fn(&Round) -> Part| row.rounds.iter().map(|r| part(r).dropped).sum::<u64>();
        for (name, dropped) in [("bridge", dropped(|r| r.bridge)), ("floor", dropped(|r| r.floor))] {
            if dropped > 0 {
                self.notes.push(format!("{} series: the kernel dropped {dropped} datagrams at the {name}", row.setting.series));
            }
        }
        if rate < 0.97 * self.rate as f64 {
            self.notes.push(format!("{} series: the senders reached {rate:.0} samples/s of {}", row.setting.series, self.rate));
        }
    }

    /// Prints the notes, and writes the JSON and the plot.
    pub(crate) fn end(mut self, args: &Args) -> Result<(), String> {
        println!("sent = received + kernel drops, in every round of both");
        self.notes.iter().for_each(|note| println!("note: {note}"));
        if let Some(file) = &args.svg {
            std::fs::write(file, self.picture().svg()).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        let Some(file) = &args.json else { return Ok(()) };
        self.json["rows"] = self.rows.into();
        std::fs::write(file, format!("{:#}\n", self.json)).map_err(|e| format!("{}: {e}", file.display()))
    }

    /// Cost by number of series, or by lines if all rows have the same number of series.
    fn picture(&self) -> Picture {
        let is_by_series = self.points.windows(2).any(|pair| pair[0].0 != pair[1].0);
        let curve = |name: &'static str, of: usize| {
            let points =
                self.points.iter().map(|(series, lines, points)| Point { x: if is_by_series { *series } else { *lines }, ..points[of] });
            Curve { name, points: points.collect() }
        };
        Picture {
            title: if is_by_series { "CPU of one sample, by number of series" } else { "CPU of one sample, by lines in a datagram" }
                .to_owned(),
            note: format!("{} samples a second over UDP; median of the rounds, and their span", short(self.rate as f64)),
            x: if is_by_series { "series" } else { "lines in a datagram" },
            y: "nanoseconds a sample",
            curves: vec![curve("bridge, from socket to cell", 0), curve("floor: receive and discard", 1)],
        }
    }
}

/// Prints the line of statsd_exporter below the row of the bridge. Returns it as JSON.
fn print_compared(compared: &Compared, bridge_ns: f64, bridge_mib: f64) -> Value {
    let mut costs: Vec<f64> = compared.rounds.iter().map(|part| part.cpu_ns).collect();
    costs.sort_by(f64::total_cmp);
    let cost = costs.get(costs.len() / 2).copied().unwrap_or(f64::NAN);
    let sum = |of: fn(&Part) -> u64| compared.rounds.iter().map(of).sum::<u64>();
    let (sent, arrived) = (sum(|part| part.sent.samples), sum(|part| part.samples));
    let rate = sent as f64 / compared.rounds.iter().map(|part| part.seconds).sum::<f64>();
    let (mib, scrape_ms) = (mebibytes(compared.resident_bytes), compared.scrape_seconds * 1e3);
    println!(
        "          statsd_exporter: {rate:.0} a second, {:.3}% arrived, {cost:.0} ns ({:.0} times the bridge), {mib:.1} MiB ({:.1} times), \
         scrape {scrape_ms:.1} ms",
        arrived as f64 / sent.max(1) as f64 * 100.0,
        cost / bridge_ns,
        mib / bridge_mib,
    );
    json!({
        "samples_sent": sent, "samples_arrived": arrived, "samples_per_second": rate, "cpu_ns_per_sample": cost, "resident_mib": mib,
        "scrape_ms": scrape_ms,
    })
}

fn round(round: &Round) -> Value {
    let part = |p: &Part| {
        json!({
            "datagrams_sent": p.sent.datagrams, "samples_sent": p.sent.samples, "seconds": p.seconds, "samples_arrived": p.samples,
            "datagrams_dropped": p.dropped, "cpu_ns_per_sample": p.cpu_ns,
        })
    };
    json!({
        "bridge": part(&round.bridge), "floor": part(&round.floor), "scrape_ms": round.scrape_seconds * 1e3, "page_bytes": round.page_bytes,
    })
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The median.
fn median(row: &Row, of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = row.rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
