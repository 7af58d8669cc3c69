//! Any stream in any split gives the same pieces, errors and remainder as in one piece, within the limits of the buffer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use statsd_bridge::internals::framing::{Advanced, Framing, FramingLimits, Rest, StreamFraming};

/// What comes out of a stream: its pieces with their lengths, the sums of what was found, and the remainder.
#[derive(Debug, Default, PartialEq, Eq)]
struct Out {
    bytes: Vec<u8>,
    found: Advanced,
    rest: Vec<u8>,
    is_half_frame: bool,
}

fn add(sum: &mut Advanced, found: Advanced) {
    sum.frames += found.frames;
    sum.too_long_frames += found.too_long_frames;
    sum.too_long_lines += found.too_long_lines;
    sum.error = found.error;
}

/// Feeds the stream in steps of these sizes, which repeat.
fn split(framing: StreamFraming, limits: FramingLimits, stream: &[u8], steps: &[u8]) -> Out {
    let (mut out, mut left) = (Out::default(), stream);
    let mut framing = Framing::new(framing, limits);
    let mut steps = steps.iter().cycle().map(|step| usize::from(*step) + 1);
    let take = |bytes: &mut Vec<u8>, piece: &[u8]| {
        assert!(piece.len() <= stream.len());
        bytes.extend_from_slice(piece);
        bytes.push(b'\n');
    };
    while !left.is_empty() {
        let room = framing.room();
        let length = steps.next().unwrap_or(usize::MAX).min(room.len()).min(left.len());
        assert!(length > 0, "there is always room");
        room[..length].copy_from_slice(&left[..length]);
        left = &left[length..];
        let found = framing.advance(length, |pieces| pieces.for_each(|piece| take(&mut out.bytes, piece)));
        add(&mut out.found, found);
        assert!(framing.buffer_bytes() <= limits.line_bytes.max(limits.frame_bytes) + 4);
        if found.error.is_some() {
            return out;
        }
    }
    let found = framing.end(|pieces| pieces.for_each(|piece| take(&mut out.bytes, piece)));
    add(&mut out.found, found);
    (out.rest, out.is_half_frame) = match framing.rest() {
        Rest::Nothing => (Vec::new(), false),
        Rest::Line(line) => (line.to_vec(), false),
        Rest::HalfFrame(bytes) => (bytes.to_vec(), true),
    };
    out
}

fuzz_target!(|data: &[u8]| {
    let Some(([choice, limit, one, other], stream)) = data.split_first_chunk::<4>() else { return };
    let framing = [StreamFraming::Auto, StreamFraming::Length, StreamFraming::Newline][usize::from(choice % 3)];
    let limit = 5 + usize::from(*limit) * usize::from(choice / 3);
    let limits = FramingLimits { line_bytes: limit, frame_bytes: limit };
    let by_byte = split(framing, limits, stream, &[0]);
    assert_eq!(split(framing, limits, stream, &[*one, *other]), by_byte);
    assert_eq!(split(framing, limits, stream, &[]), by_byte);
    // Nothing comes out that did not come in: each piece adds one newline at most.
    assert!(by_byte.bytes.len() + by_byte.rest.len() <= 2 * stream.len() + 1);
});
