//! Streams in any split: complete lines and frames, what is too long, half frames, the decision by the first four bytes.

use super::buffer::START_BYTES;
use super::*;

/// What came out of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Out {
    pieces: Vec<Vec<u8>>,
    found: Advanced,
    rest: Option<(&'static str, Vec<u8>)>,
}

/// Feeds pieces of a stream, then its end. Asserts that the buffer stays within its limit.
fn feed<'a>(framing: StreamFraming, limits: FramingLimits, parts: impl Iterator<Item = &'a [u8]>) -> Out {
    let mut framing = Framing::new(framing, limits);
    let mut out = Out::default();
    for mut part in parts {
        while !part.is_empty() {
            let room = framing.room();
            let (now, later) = part.split_at(room.len().min(part.len()));
            assert!(!now.is_empty(), "there is always room");
            room[..now.len()].copy_from_slice(now);
            part = later;
            let pieces = &mut out.pieces;
            let found = framing.advance(now.len(), |found| pieces.extend(found.map(<[u8]>::to_vec)));
            out.found.frames += found.frames;
            out.found.too_long_frames += found.too_long_frames;
            out.found.too_long_lines += found.too_long_lines;
            out.found.error = found.error;
            if found.error.is_some() {
                return out;
            }
            assert!(framing.buffer_bytes() <= limits.line_bytes.max(limits.frame_bytes) + PREFIX_BYTES);
        }
    }
    let pieces = &mut out.pieces;
    framing.end(|found| pieces.extend(found.map(<[u8]>::to_vec)));
    out.rest = match framing.rest() {
        Rest::Nothing => None,
        Rest::Line(line) => Some(("line", line.to_vec())),
        Rest::HalfFrame(bytes) => Some(("half frame", bytes.to_vec())),
    };
    out
}

/// Feeds a stream in steps of one size, for each size. Lines of one piece are separate lines in the result.
fn in_all_steps(framing: StreamFraming, limits: FramingLimits, stream: &[u8]) -> Out {
    let lines = |mut out: Out| {
        if out.found.frames == 0 {
            out.pieces = out.pieces.iter().flat_map(|piece| piece.split(|byte| *byte == b'\n')).map(<[u8]>::to_vec).collect();
        }
        out
    };
    let whole = lines(feed(framing, limits, [stream].into_iter()));
    for step in 1..stream.len() {
        assert_eq!(lines(feed(framing, limits, stream.chunks(step))), whole, "in steps of {step}");
    }
    // Each pair of splits too, for a short stream.
    for (first, second) in (0..stream.len().min(64)).flat_map(|first| (first..stream.len().min(64)).map(move |second| (first, second))) {
        let parts = [&stream[..first], &stream[first..second], &stream[second..]];
        assert_eq!(lines(feed(framing, limits, parts.into_iter())), whole, "split at {first} and {second}");
    }
    whole
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_le_bytes(), payload].concat()
}

const LIMITS: FramingLimits = FramingLimits { line_bytes: 20, frame_bytes: 20 };

#[test]
fn lines_are_complete_for_any_split_of_the_stream() {
    for framing in [StreamFraming::Newline, StreamFraming::Auto] {
        let out = in_all_steps(framing, LIMITS, b"a:1|c\n\nbb:2|c\r\nlast:3|g");
        assert_eq!(out.pieces, [&b"a:1|c"[..], b"", b"bb:2|c\r"]);
        assert_eq!((out.rest, out.found), (Some(("line", b"last:3|g".to_vec())), Advanced::default()));
    }
}

#[test]
fn only_lines_that_are_too_long_are_lost() {
    let limits = FramingLimits { line_bytes: 10, ..LIMITS };
    let out = in_all_steps(StreamFraming::Auto, limits, b"ok:1|c\n12345678901234567890\nok:2|c\n1234567890\n12345678901");
    assert_eq!(out.pieces, [&b"ok:1|c"[..], b"ok:2|c", b"1234567890"]);
    assert_eq!((out.found.too_long_lines, out.rest), (2, None));
}

#[test]
fn frames_are_complete_for_any_split_of_the_stream() {
    let stream = [frame(b"a:1|c\nb:2|c\n"), frame(b""), frame(b"12345678901234567890"), frame(b"c:3|c")].concat();
    for framing in [StreamFraming::Length, StreamFraming::Auto] {
        let out = in_all_steps(framing, LIMITS, &stream);
        assert_eq!(out.pieces, [&b"a:1|c\nb:2|c\n"[..], b"", b"12345678901234567890", b"c:3|c"]);
        assert_eq!((out.found, out.rest), (Advanced { frames: 4, ..Advanced::default() }, None));
    }
}

#[test]
fn only_frames_that_are_too_long_are_lost() {
    let long = frame(&[b'x'; 21]);
    let stream = [&long[..], &frame(b"a:1|c"), &long, &long, &frame(b"b:1|c"), &frame(&[b'x'; 300])[..200]].concat();
    let out = in_all_steps(StreamFraming::Auto, LIMITS, &stream);
    assert_eq!(out.pieces, [b"a:1|c", b"b:1|c"]);
    let found = Advanced { frames: 2, too_long_frames: 4, ..Advanced::default() };
    assert_eq!((out.found, out.rest), (found, None), "the last one is not a half frame, but too long");
}

#[test]
fn half_frames_are_left_at_the_end() {
    for (half, left) in [(&b"\x09"[..], &b""[..]), (b"\x09\0\0", b""), (b"\x09\0\0\0", b""), (b"\x09\0\0\0a:1|c\nb", b"a:1|c\nb")] {
        let out = in_all_steps(StreamFraming::Auto, LIMITS, &[&frame(b"x:1|c"), half].concat());
        assert_eq!((out.pieces, out.rest), (vec![b"x:1|c".to_vec()], Some(("half frame", left.to_vec()))));
    }
}

#[test]
fn a_tls_handshake_is_no_line() {
    const HELLO: &[u8] = b"\x16\x03\x01\x02\n\x01\0a:1|c\n";
    for framing in [StreamFraming::Newline, StreamFraming::Auto] {
        let out = in_all_steps(framing, LIMITS, HELLO);
        assert_eq!((out.found.error, out.pieces.len()), (Some(FramingError::Tls), 0));
        // Only at the start of a stream, and only with a version that exists.
        for lines in
            [&b"a:1|c\n\x16\x03\x01:1|c\n"[..], b"\x16\x03\x05:1|c\n", b"\x16\x02\x01:1|c\n", b"\x16\n\x03\x01\n", b"\x16\x03\n\x01\n\n"]
        {
            let out = in_all_steps(framing, LIMITS, lines);
            assert_eq!((out.found, out.rest), (Advanced::default(), None), "{lines:?}");
        }
    }
}

#[test]
fn the_first_four_bytes_decide() {
    let auto = |stream: &[u8]| in_all_steps(StreamFraming::Auto, LIMITS, stream);
    assert_eq!(auto(b"\0\0\0\0").found.frames, 1, "a frame of no bytes");
    assert_eq!(auto(b"\xff\xff\0\0x").found.too_long_frames, 1);
    for unknown in [*b"a\0b:", *b"a:1\0", *b"\0a:1", *b"ab\0c", *b"\0\0\0\x80", *b"\x05\0\x01\0"] {
        let out = auto(&[&unknown[..], b"1|c\n"].concat());
        assert_eq!((out.found.error, out.pieces.len()), (Some(FramingError::Unknown(unknown)), 0));
    }
    // A stream that ends before is lines, also with a NUL.
    for (short, line) in [(&b"a"[..], &b"a"[..]), (b"a\0", b"a\0"), (b"a:1", b"a:1"), (b"\n\nb", b"b")] {
        assert_eq!(auto(short).rest, Some(("line", line.to_vec())), "{short:?}");
    }
    assert_eq!((auto(b"").rest, auto(b"a\n").rest, auto(b"a\n").pieces), (None, None, vec![b"a".to_vec()]));
    assert_eq!(auto(b"a\nb\nc\n").pieces, [b"a", b"b", b"c"], "lines within the first four bytes");
}

#[test]
fn after_the_deadline_fewer_bytes_than_a_length_begin_a_line() {
    let started = |bytes: &[u8]| {
        let mut framing = Framing::new(StreamFraming::Auto, LIMITS);
        assert!(!framing.is_undecided(), "an idle stream does not wait for anything");
        framing.room()[..bytes.len()].copy_from_slice(bytes);
        assert_eq!(framing.advance(bytes.len(), |_| panic!("nothing is complete")), Advanced::default());
        assert!(framing.is_undecided());
        framing
    };
    let (mut framing, mut taken) = (started(b"a\nb"), Vec::new());
    assert_eq!(framing.stop_waiting(|found| taken.extend(found.map(<[u8]>::to_vec))), Advanced::default());
    assert_eq!((taken, framing.rest(), framing.is_undecided()), (vec![b"a".to_vec()], Rest::Line(b"b"), false));
    let found = started(b"\x05\0").stop_waiting(|_| panic!("nothing is complete"));
    assert_eq!(found.error, Some(FramingError::Unknown([5, 0, 0, 0])));
}

#[test]
fn a_length_that_is_none_ends_the_stream() {
    for prefix in [*b"a:1|", [0, 0, 0, 0x80], [0xff; 4], [1, 0, 0x10, 0]] {
        let stream = [&frame(b"x:1|c"), &prefix[..], b"y:1|c"].concat();
        let out = in_all_steps(StreamFraming::Length, LIMITS, &stream);
        assert_eq!((out.found.error, out.pieces), (Some(FramingError::FrameTooLong(prefix)), vec![b"x:1|c".to_vec()]));
    }
    assert_eq!(in_all_steps(StreamFraming::Length, LIMITS, &[0, 0, 0x10, 0]).found.too_long_frames, 1, "the longest that is skipped");
}

#[test]
fn the_buffer_grows_to_the_longest_piece_only_and_shrinks_again() {
    let limits = FramingLimits { line_bytes: 65_535, frame_bytes: 65_535 };
    let longest = vec![b'x'; 65_535];
    for (framing, stream) in
        [(StreamFraming::Newline, [&longest[..], b"\na\n"].concat()), (StreamFraming::Length, [frame(&longest), frame(b"a")].concat())]
    {
        let mut framing = Framing::new(framing, limits);
        let (mut left, mut largest) = (&stream[..], 0);
        while !left.is_empty() {
            let room = framing.room();
            let read = room.len().min(left.len()).min(8192);
            room[..read].copy_from_slice(&left[..read]);
            left = &left[read..];
            assert_eq!(framing.advance(read, |_| ()).error, None);
            largest = largest.max(framing.buffer_bytes());
        }
        assert!((65_536..=65_539).contains(&largest), "{largest}");
        assert_eq!(framing.buffer_bytes(), START_BYTES);
    }
}
