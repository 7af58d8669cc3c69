//! More than 10,000 series of every kind, with exemplars, odd labels and names, for comparisons of what is pushed with what is scraped.

use std::fmt::Write as _;
use std::io::Write as _;

use tempfile::TempDir;

use crate::harness::{Launch, Running};

/// The number of series, at least, with classic histograms, and with native ones.
pub const ALL: usize = 10_000;
pub const WITHOUT_CLASSIC: usize = 8_800;

/// The number of series with exemplars, at least.
pub const EXEMPLARS: usize = 100;

/// A rule for summaries, so that every kind of family exists, and one with a unit and a help text.
const RULES: &str = "mappings:
- {match: 'took.*', name: 'took', observer_type: summary, labels: {what: $1}}
- {match: 'sent.*', name: 'sent', unit: bytes, help: \"bytes \\\"sent\\\"\\nin two lines\", labels: {what: $1}}
";

/// Starts a bridge and sends the lines.
pub fn start(folder: &TempDir, launch: Launch) -> Running {
    let path = folder.path().join("mapping.yml");
    std::fs::write(&path, RULES).expect("a file in a temporary directory");
    let launch = launch.arg(format!("--statsd.mapping-config={}", path.display()));
    let bridge = launch.arg("--exemplars.tag=trace_id").start();
    let mut lines = String::new();
    for n in 0..4200 {
        let _ = write!(lines, "orders_total:{n}|c|#n:{n}\nlevel:-{n}.5|g|#n:{n},path:a\"b\\c\n");
    }
    for n in 0..100 {
        let _ = write!(lines, "users:{n}|s|#n:{}\nlatency:{n}|ms|#code:{n},trace_id:t{n}\nlatency:1|ms|@0.5|#code:{n}\n", n % 50);
        let _ = write!(lines, "took.x{n}:{n}|ms\nseen_total:1|c|#n:{n},trace_id:c{n}\nsent.x{n}:{n}|g\n");
    }
    let _ = write!(lines, "large:12345678901234567890|g\nsmall:1e-300|g\nland_total:1|c|#ü:é\npart_total:1|c|@0.3\n");
    let _ = write!(lines, "shop.größe:7|g|#mein.tag:🎉,leer: ,tab:a\tb\nshift:-5|h\nshift:0|h\nshift:5|h\n");
    bridge.tcp().write_all(lines.as_bytes()).expect("lines are sent");
    bridge.page_at(lines.lines().count() as u64);
    bridge
}
