//! Any events and service checks: counts add up, the exposition is valid, and kept events stay within their limits.
//!
//! The first byte selects the options. A byte 0xff ends a line.

#![no_main]

#[path = "../page.rs"]
mod page;

use libfuzzer_sys::fuzz_target;
use statsd_bridge::options::{Dialect, NameValidation};
use statsd_bridge::{Bridge, Options, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Few enough that most inputs reach them.
const KEPT: (usize, usize) = (4, 2_000);

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let on = |bit: u8| choice >> bit & 1 == 1;
    let dialect = if on(0) { Dialect::STATSD_EXPORTER } else { Dialect::default() };
    let options = Options::default().with(|options| {
        options.dialect = dialect.with(|dialect| {
            dialect.container_id = on(1);
            (dialect.events, dialect.service_checks) = (!on(2), !on(3));
        });
        options.names = if on(4) { NameValidation::Utf8 } else { NameValidation::Legacy };
        (options.limits.events, options.limits.event_bytes) = KEPT;
        if on(5) {
            (options.limits.series, options.limits.values_per_label, options.limits.tags) = (6, 2, 3);
        }
    });
    let bridge = Bridge::new(options);
    let mut worker = bridge.worker();
    for start in ["", "_e{", "_sc|"] {
        for line in data.split(|byte| *byte == 0xff) {
            let line = [start.as_bytes(), line].concat();
            worker.ingest(&line, NOW);
        }
    }
    drop(worker);
    let sums = bridge.accounting();
    assert!(sums.adds_up(), "{sums:?}");
    let kept = bridge.events(usize::MAX);
    assert!(kept.kept <= KEPT.0 && kept.bytes <= KEPT.1 && kept.events.len() == kept.kept, "{kept:?}");
    let mut out = Vec::new();
    bridge.render(NOW, &mut out);
    page::check(&out);
});
