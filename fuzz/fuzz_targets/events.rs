//! Any event or service check: its parts are parts of the line, counts add up, the exposition is valid, and kept events stay within their
//! limits.
//!
//! The first byte selects the options, and three in four times only the parser, which is a hundred times as fast as a bridge. A byte 0xff
//! ends a line.

#![no_main]

#[path = "../page.rs"]
mod page;

use libfuzzer_sys::fuzz_target;
use statsd_bridge::internals::protocol::{EventField, Line, parse_line};
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
    let dialect = options.dialect;
    let lines = || {
        let ends = data.split(|byte| *byte == 0xff);
        ends.flat_map(|end| ["", "_e{", "_sc|"].map(|start| [start.as_bytes(), end].concat()))
    };
    lines().for_each(|line| check(&line, &dialect));
    if choice >> 6 != 0 {
        return;
    }
    let bridge = Bridge::new(options);
    let mut worker = bridge.worker();
    lines().for_each(|line| worker.ingest(&line, NOW));
    drop(worker);
    let sums = bridge.accounting();
    assert!(sums.adds_up(), "{sums:?}");
    let kept = bridge.events(usize::MAX);
    assert!(kept.kept <= KEPT.0 && kept.bytes <= KEPT.1 && kept.events.len() == kept.kept, "{kept:?}");
    let mut out = Vec::new();
    bridge.render(NOW, &mut out);
    page::check(&out);
});

/// The parts of an event or a check follow one another in the line.
fn check(line: &[u8], dialect: &Dialect) {
    match parse_line(line, dialect) {
        Line::Event(event) => {
            let frame = [b":", event.title, b"|", event.text].concat();
            assert!(line.windows(frame.len()).any(|part| part == frame), "{event:?}");
            assert!(!event.title.is_empty());
            for field in event.fields() {
                if let EventField::Host(part) | EventField::SourceType(part) | EventField::Tags(part) = field {
                    assert!(!part.contains(&b'|') && (part.is_empty() || line.windows(part.len()).any(|of| of == part)));
                }
            }
        }
        Line::ServiceCheck(check) => assert!(check.status <= 3 && !check.name.is_empty() && !check.name.contains(&b'|')),
        _ => {}
    }
}
