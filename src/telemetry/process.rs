//! `process_*`: the process metrics, from /proc, under their standard names.
//!
//! Knows nothing of the bridge. A value that cannot be read is left out, so no value is NaN. Systems other than
//! Linux have no /proc, and no such families.

use std::fs;
use std::sync::{Arc, OnceLock};

use super::self_family::{SelfFamily, SelfKind, SelfSeries, SelfValue};

/// The names of the families. Samples with these names are rejected.
pub(crate) const NAMES: [&str; 10] = [
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_network_receive_bytes_total",
    "process_network_transmit_bytes_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
];

/// Reads /proc/self. Returns up to ten families of one series each, sorted by name. Takes a few system calls and no lock.
///
/// As in Go's process collector, an unlimited address space is 18446744073709551615, and the network's bytes are counted for the
/// network namespace, because the kernel does not count them by process.
pub(crate) fn process_families() -> Vec<SelfFamily> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let stat = read("stat").and_then(|text| parse_stat(&text));
    let limits = read("limits");
    let limit = |row: &str| limits.as_deref().and_then(|text| parse_limit(text, row));
    let memory = read("status").and_then(|text| parse_resident(&text));
    let network = read("net/netstat").and_then(|text| parse_octets(&text));
    let ticks = clock();
    let families = [
        counter(NAMES[0], "Total user and system CPU time spent in seconds.", stat.map(|s| s.cpu_ticks as f64 / ticks.per_second)),
        gauge(NAMES[1], "Maximum number of open file descriptors.", limit("Max open files")),
        counter(NAMES[2], "Bytes received over IP in the network namespace of the process.", network.map(|n| n.0)),
        counter(NAMES[3], "Bytes sent over IP in the network namespace of the process.", network.map(|n| n.1)),
        gauge(NAMES[4], "Number of open file descriptors.", open_descriptors()),
        gauge(NAMES[5], "Resident memory size in bytes.", memory),
        gauge(NAMES[6], "Start time of the process since the Unix epoch in seconds.", ticks.start_seconds),
        gauge(NAMES[7], "Number of operating system threads.", stat.map(|s| s.threads)),
        gauge(NAMES[8], "Virtual memory size in bytes.", stat.map(|s| s.virtual_bytes)),
        gauge(NAMES[9], "Maximum amount of virtual memory available in bytes.", limit("Max address space")),
    ];
    families.into_iter().flatten().collect()
}

fn counter(name: &'static str, help: &'static str, value: Option<impl Into<SelfValue>>) -> Option<SelfFamily> {
    family(SelfKind::Counter, name, help, value)
}

fn gauge(name: &'static str, help: &'static str, value: Option<impl Into<SelfValue>>) -> Option<SelfFamily> {
    family(SelfKind::Gauge, name, help, value)
}

fn family(kind: SelfKind, name: &'static str, help: &'static str, value: Option<impl Into<SelfValue>>) -> Option<SelfFamily> {
    let series = vec![SelfSeries { labels: Arc::default(), value: value?.into() }];
    Some(SelfFamily { series, ..SelfFamily::new(kind, name, help) })
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/{file}")).ok()
}

/// The fields of /proc/self/stat that are read.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
}

/// The second field is the program's name in parentheses, and may contain spaces and parentheses. So the fields are
/// counted from the last closing parenthesis, which field 3 of proc(5) follows.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat { cpu_ticks: field(14)?.saturating_add(field(15)?), threads: field(20)?, start_ticks: field(22)?, virtual_bytes: field(23)? })
}

/// The soft limit in a row of /proc/self/limits.
fn parse_limit(text: &str, row: &str) -> Option<u64> {
    let soft = text.lines().find_map(|line| line.strip_prefix(row))?.split_ascii_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

/// From /proc/self/status. The figure in /proc/self/stat lags behind on many cores.
fn parse_resident(text: &str) -> Option<u64> {
    let kib = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_ascii_whitespace().next()?;
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes received and sent: a line of names, then a line of values in the same order.
fn parse_octets(text: &str) -> Option<(u64, u64)> {
    let mut lines = text.lines().filter(|line| line.starts_with("IpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted: &str| {
        let mut pairs = names.split_ascii_whitespace().zip(values.split_ascii_whitespace());
        pairs.find(|(name, _)| *name == wanted)?.1.parse().ok()
    };
    Some((value("InOctets")?, value("OutOctets")?))
}

/// Does not count the descriptor that reads the directory.
fn open_descriptors() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.flatten().count() as u64;
    entries.checked_sub(1)
}

/// Values that do not change during the life of the process.
struct Clock {
    per_second: f64,
    start_seconds: Option<f64>,
}

/// Read once, because /proc/stat is costly on a machine of many cores.
fn clock() -> &'static Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    CLOCK.get_or_init(|| {
        // The kernel reports ticks of 1/100 s on all architectures that Rust supports; auxv has the true value.
        let per_second = fs::read("/proc/self/auxv").ok().and_then(|auxv| parse_auxv(&auxv, AT_CLKTCK)).unwrap_or(100) as f64;
        let boot = fs::read_to_string("/proc/stat").ok().and_then(|text| parse_boot_time(&text));
        let start = read("stat").and_then(|text| parse_stat(&text));
        let start_seconds = boot.zip(start).map(|(boot, stat)| boot as f64 + stat.start_ticks as f64 / per_second);
        Clock { per_second, start_seconds }
    })
}

/// The key of the clock ticks per second in the auxiliary vector.
const AT_CLKTCK: usize = 17;

/// One value of the auxiliary vector, which consists of pairs of native words, key and value. 0 counts as absent, because it is a
/// divisor.
fn parse_auxv(auxv: &[u8], wanted: usize) -> Option<usize> {
    const WORD: usize = size_of::<usize>();
    let (words, _) = auxv.as_chunks::<WORD>();
    let (pairs, _) = words.as_chunks::<2>();
    let [_, value] = pairs.iter().find(|[key, _]| usize::from_ne_bytes(*key) == wanted)?;
    Some(usize::from_ne_bytes(*value)).filter(|value| *value > 0)
}

fn parse_boot_time(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn stat_is_read_past_a_hostile_program_name() {
        let text = "7 (a) R 1 (b)) S 1 2 3 4 5 6 7 8 9 10 30 12 13 14 15 16 5 18 1000 4096 21 22";
        let stat = parse_stat(text).expect("whole");
        assert_eq!(stat, Stat { cpu_ticks: 42, threads: 5, start_ticks: 1000, virtual_bytes: 4096 });
        assert_eq!(parse_stat("7 (a) S 1 2 3"), None, "cut short");
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn limits_are_soft_ones_and_may_be_unlimited() {
        let text =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  4096  files\nMax address space  unlimited  unlimited  bytes\n";
        assert_eq!(parse_limit(text, "Max open files"), Some(1024));
        assert_eq!(parse_limit(text, "Max address space"), Some(u64::MAX));
        assert_eq!(parse_limit(text, "Max nothing"), None);
    }

    #[test]
    fn octets_are_found_by_name_and_not_by_place() {
        let text = "TcpExt: InOctets\nTcpExt: 1\nIpExt: Other InOctets OutOctets\nIpExt: 5 6 7\n";
        assert_eq!(parse_octets(text), Some((6, 7)));
        assert_eq!(parse_octets("IpExt: InOctets\n"), None);
    }

    #[test]
    fn ticks_and_boot_time_are_found_or_not() {
        let word = |n: usize| n.to_ne_bytes();
        assert_eq!(parse_auxv(&[word(6), word(4096), word(17), word(250)].concat(), AT_CLKTCK), Some(250));
        assert_eq!(parse_auxv(&[word(17), word(0)].concat(), AT_CLKTCK), None, "nothing is divided by zero");
        assert_eq!(parse_auxv(&[word(17)].concat(), AT_CLKTCK), None);
        assert_eq!(parse_boot_time("cpu 1\nbtime 1700000000\n"), Some(1_700_000_000));
        assert_eq!(parse_resident("VmSize: 9 kB\nVmRSS:\t   12 kB\n"), Some(12_288));
    }

    #[test]
    fn every_family_has_one_line_and_a_reserved_name_in_order() {
        let families = process_families();
        assert!(families.is_sorted_by(|a, b| a.name() < b.name()));
        for family in &families {
            assert!(NAMES.contains(&family.name()), "{} is not reserved", family.name());
            assert_eq!(family.series.len(), 1);
            assert!(value_of(&families, family.name()).is_finite());
        }
        assert_eq!(families.len(), if cfg!(target_os = "linux") { NAMES.len() } else { 0 });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn values_agree_with_other_sources() {
        let touched = std::hint::black_box(vec![1_u8; 32 << 20]);
        let families = process_families();
        let value = |name| value_of(&families, name);

        // The kernel computes statm, which counts pages, separately from stat and status.
        let statm = read("statm").expect("statm");
        let pages: Vec<f64> = statm.split_ascii_whitespace().map(|n| n.parse().expect("a number")).collect();
        let page = fs::read("/proc/self/auxv").ok().and_then(|auxv| parse_auxv(&auxv, 6)).expect("AT_PAGESZ") as f64;
        let near = |a: f64, b: f64, slack: f64| (a - b).abs() <= slack;
        assert!(near(value("process_virtual_memory_bytes"), pages[0] * page, f64::from(256 << 20)));
        assert!(value("process_resident_memory_bytes") >= touched.len() as f64, "what was written is resident");
        assert!(value("process_resident_memory_bytes") <= value("process_virtual_memory_bytes"));

        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let uptime = fs::read_to_string("/proc/uptime").expect("uptime");
        let uptime: f64 = uptime.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
        let age = uptime - read("stat").and_then(|text| parse_stat(&text)).expect("whole").start_ticks as f64 / clock().per_second;
        assert!(near(value("process_start_time_seconds"), now - age, 5.0));
        assert!(value("process_start_time_seconds") <= now + 2.0);

        let tasks = fs::read_dir("/proc/self/task").expect("tasks").count() as f64;
        assert!(near(value("process_threads"), tasks, 64.0) && value("process_threads") >= 2.0, "the test harness has threads");
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") <= value("process_max_fds"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn cpu_time_and_descriptors_rise_with_use() {
        let before = process_families();
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/proc/self/stat").expect("readable")).collect();
        // Work until the kernel has charged one more tick, however long that takes.
        let mut sink = std::io::sink();
        let mut after = process_families();
        while value_of(&after, "process_cpu_seconds_total") <= value_of(&before, "process_cpu_seconds_total") {
            sink.write_all(&vec![7_u8; 1 << 16]).expect("a sink takes all");
            after = process_families();
        }
        let open = |families| value_of(families, "process_open_fds");
        assert!(open(&after) >= files.len() as f64);
        assert!(open(&after) >= open(&before) + 20.0, "other tests may have closed some, not most");
    }

    fn value_of(families: &[SelfFamily], name: &str) -> f64 {
        families.iter().find(|family| family.name() == name).and_then(|family| family.value("")).expect("a value")
    }
}
