//! The load of the benches: seeded, the same on every machine.
//!
//! 60 % counters, 20 % timers, 15 % gauges, 5 % histograms, three DogStatsD tags per line, packed into datagrams of at most 1432
//! bytes, with series in random order.

use std::fmt::Write;

/// Datagrams and their number of lines.
pub(crate) struct Load {
    /// Each at most 1432 bytes, lines joined by newlines.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// Total number of lines.
    pub(crate) lines: u64,
}

const MOST_BYTES: usize = 1432;

/// Pseudo-random numbers below a bound, the same in every run.
pub(crate) fn below() -> impl FnMut(u64) -> u64 {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    move |n| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 33) % n
    }
}

/// `count` datagrams over `series` series. The first ones contain every series once.
pub(crate) fn load(series: u64, count: usize) -> Load {
    let mut below = below();
    let mut load = Load { datagrams: Vec::new(), lines: 0 };
    let mut next = 0;
    while load.datagrams.len() < count || next < series {
        let mut datagram = String::new();
        loop {
            let mut line = String::new();
            let number = if next < series { next } else { below(series) };
            write_line(number, below(9000), &mut line);
            if datagram.len() + 1 + line.len() > MOST_BYTES {
                break;
            }
            if !datagram.is_empty() {
                datagram.push('\n');
            }
            datagram.push_str(&line);
            next += 1;
            load.lines += 1;
        }
        load.datagrams.push(datagram.into_bytes());
    }
    load
}

fn write_line(series: u64, value: u64, line: &mut String) {
    let (kind, family) =
        (["c", "ms", "g", "h"][[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3][(series % 20) as usize]], series % 200);
    let value = if kind == "c" { "1".to_owned() } else { format!("{}.{}", value / 10, value % 10) };
    let (method, status) = (["GET", "POST", "PUT"][(series % 3) as usize], ["200", "404", "500", "503"][(series % 4) as usize]);
    let _ = write!(line, "shop.{kind}.m{family}:{value}|{kind}|#route:r{},method:{method},status:{status}", series / 200);
}
