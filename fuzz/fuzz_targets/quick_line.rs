//! Any bytes: each fast parser of frequent lines gives the same result as the grammar, or none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use statsd_bridge::options::Dialect;
#[cfg(target_arch = "x86_64")]
use statsd_bridge::internals::protocol::Avx2;
use statsd_bridge::internals::protocol::{Line, PlainFinder, parse_line, quick_line};

/// Longer than some of the lines, and shorter than others.
const LONGEST: usize = 200;

fuzz_target!(|lines: &[u8]| {
    let found = quick_line(lines, LONGEST, PlainFinder);
    #[cfg(target_arch = "x86_64")]
    if let Some(finder) = Avx2::find() {
        assert_eq!(quick_line(lines, LONGEST, finder), found);
    }
    let Some((sample, len)) = found else { return };
    assert!(len <= LONGEST && len == lines.iter().position(|byte| *byte == b'\n').unwrap_or(lines.len()));
    match parse_line(&lines[..len], &Dialect::default()) {
        Line::Sample(known) => assert_eq!(sample, known),
        other => panic!("{} is {other:?}", lines.escape_ascii()),
    }
});
