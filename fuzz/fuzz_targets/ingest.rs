//! Any datagrams, through rules of every sort: everything adds up, and the page can be read.
//!
//! The first byte chooses the options; a byte 0xff ends a datagram.

#![no_main]

#[path = "../page.rs"]
mod page;

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use statsd_bridge::mapping::Rules;
use statsd_bridge::mapping::config::{MappingText, load};
use statsd_bridge::mapping::spec::Config;
use statsd_bridge::options::{Limits, Observer, SummaryOptions};
use statsd_bridge::{Bridge, Options, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn config() -> Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    let read = || {
        let source = MappingText { name: Arc::from("rules"), text: include_str!("../../config.example.yml").to_owned() };
        load(&[source], &|_| None).0.expect("the example is good")
    };
    CONFIG.get_or_init(read).clone()
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
    let rules = || Rules::compile(config()).expect("the example compiles");
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
