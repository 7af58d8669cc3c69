//! Any datagrams, through rules of every sort: counts add up, and the exposition is valid.
//!
//! The first byte selects the options. A byte 0xff ends a datagram.

#![no_main]

#[path = "../page.rs"]
mod page;

use libfuzzer_sys::fuzz_target;
use statsd_bridge::mapping::Rules;
use statsd_bridge::options::{Limits, Observer, SummaryOptions};
use statsd_bridge::{Bridge, Options, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn rules() -> Rules {
    Rules::from_yaml(include_str!("../../config.example.yml")).unwrap_or_else(|error| panic!("{error}"))
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let mut options = Options::default();
    if choice & 1 != 0 {
        options.observer = Observer::Summary(SummaryOptions::default());
    }
    if choice & 2 != 0 {
        options.limits = Limits::default().with(|limits| { limits.series = 12; limits.families = 5; limits.series_per_family = 4; limits.values_per_label = 2; });
    }
    let bridge = Bridge::new(options);
    let mut worker = bridge.worker();
    if choice & 4 != 0 {
        bridge.replace_rules(rules());
    }
    for (number, datagram) in data.split(|byte| *byte == 0xff).enumerate() {
        worker.ingest(datagram, NOW);
        if choice & 8 != 0 && number == 1 {
            bridge.replace_rules(if choice & 4 != 0 { Rules::default() } else { rules() });
        }
    }
    drop(worker);
    let sums = bridge.accounting();
    assert!(sums.adds_up(), "{sums:?}");
    let mut out = Vec::new();
    bridge.render(NOW, &mut out);
    page::check(&out);
});
