//! Any line as an event or a service check, in any dialect: its parts are parts of the line. A line costs a hundredth of what a bridge costs,
//! which `events` tests.
//!
//! The first byte selects the dialect.

#![no_main]

use libfuzzer_sys::fuzz_target;
use statsd_bridge::internals::protocol::{EventField, Line, parse_line};
use statsd_bridge::options::Dialect;

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let on = |bit: u8| choice >> bit & 1 == 1;
    let dialect = if on(0) { Dialect::STATSD_EXPORTER } else { Dialect::default() }.with(|dialect| {
        dialect.container_id = on(1);
        (dialect.events, dialect.service_checks) = (!on(2), !on(3));
    });
    for start in ["", "_e{", "_sc|"] {
        check(&[start.as_bytes(), data].concat(), &dialect);
    }
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
