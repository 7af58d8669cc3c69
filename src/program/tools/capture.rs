//! Reads captures as a stream of datagrams: files of lines, or network captures. Memory is constant, for files of any length.
//!
//! Must not know the format of a line.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::packet::{Content, content};
use super::pcap;

/// Length of one read.
const CHUNK_BYTES: usize = 64 << 10;
/// Length limit of a line. The limit of the bridge is lower.
const LINE_BYTES_MAX: usize = 2 << 20;

/// The numbers of packets that are not replayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// Packets that are not UDP, or have another port.
    pub other_packets: u64,
    /// Fragments of datagrams.
    pub fragments: u64,
    /// Datagrams that the capture contains only in part.
    pub cut: u64,
}

/// A piece of a capture.
pub(super) enum CapturePiece<'a> {
    /// Complete lines.
    Lines(&'a [u8]),
    /// A line that is too long.
    TooLong,
    /// A truncated line.
    Cut,
}

/// Reads one capture; `-` is stdin. `feed` receives every piece.
///
/// # Errors
///
/// One line that names the file.
pub(super) fn read(path: &Path, port: Option<u16>, skipped: &mut Skipped, feed: &mut dyn FnMut(CapturePiece<'_>)) -> Result<(), String> {
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let reader: Box<dyn Read> = if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(named)?) };
    let mut reader = BufReader::with_capacity(CHUNK_BYTES, reader);
    let mut start = Vec::with_capacity(4);
    (&mut reader).take(4).read_to_end(&mut start).map_err(named)?;
    let is_capture = start.first_chunk().is_some_and(|start| pcap::is_capture(*start));
    let mut whole = start.as_slice().chain(reader);
    let done = if is_capture {
        pcap::packets(&mut whole, &mut |packet| match content(packet.link, packet.bytes) {
            Content::Udp { port: to, .. } if port.is_some_and(|wanted| wanted != to) => skipped.other_packets += 1,
            Content::Udp { payload, is_cut: false, .. } => feed(CapturePiece::Lines(payload)),
            Content::Udp { payload, .. } => {
                skipped.cut += 1;
                // The last line is incomplete.
                if let Some(whole) = payload.iter().rposition(|byte| *byte == b'\n').and_then(|end| payload.get(..end)) {
                    feed(CapturePiece::Lines(whole));
                }
                feed(CapturePiece::Cut);
            }
            Content::Fragment => skipped.fragments += 1,
            Content::Other => skipped.other_packets += 1,
        })
    } else {
        lines(&mut whole, feed)
    };
    done.map_err(named)
}

/// Reads complete lines in chunks.
fn lines(reader: &mut dyn Read, feed: &mut dyn FnMut(CapturePiece<'_>)) -> io::Result<()> {
    let mut buffer: Vec<u8> = Vec::with_capacity(2 * CHUNK_BYTES);
    let mut chunk = vec![0; CHUNK_BYTES];
    // Whether the rest of a line that is too long is skipped.
    let mut is_skipping = false;
    loop {
        let read = match reader.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            break;
        }
        debug_assert!(read <= chunk.len(), "more bytes than the buffer has");
        let mut bytes = chunk.get(..read).unwrap_or_default();
        if is_skipping {
            let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
            let (_, Some(rest)) = (parts.next(), parts.next()) else { continue };
            bytes = rest;
            is_skipping = false;
        }
        buffer.extend_from_slice(bytes);
        if let Some((lines, _)) = memchr::memrchr(b'\n', &buffer).and_then(|end| buffer.split_at_checked(end)) {
            let end = lines.len();
            feed(CapturePiece::Lines(lines));
            buffer.drain(..=end);
        } else if buffer.len() > LINE_BYTES_MAX {
            feed(CapturePiece::TooLong);
            buffer.clear();
            is_skipping = true;
        }
    }
    if !buffer.is_empty() {
        feed(CapturePiece::Lines(&buffer));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(text: &[u8]) -> (Vec<u8>, usize) {
        let (mut all, mut too_long) = (Vec::new(), 0);
        let mut feed = |piece: CapturePiece<'_>| match piece {
            CapturePiece::Lines(lines) => {
                all.extend_from_slice(lines);
                all.push(b'\n');
            }
            CapturePiece::TooLong | CapturePiece::Cut => too_long += 1,
        };
        lines(&mut &*text, &mut feed).expect("bytes can be read");
        (all, too_long)
    }

    #[test]
    fn lines_are_complete_for_any_chunks() {
        let text: String = (0..40_000).map(|n| format!("line{n}:1|c\n")).collect();
        assert_eq!(fed(text.as_bytes()), (text.clone().into_bytes(), 0));
        assert_eq!(fed(b"a:1|c"), (b"a:1|c\n".to_vec(), 0), "without a newline at the end");
        let long = format!("a:1|c\n{}\nb:1|c\n", "x".repeat(3 << 20));
        let (all, too_long) = fed(long.as_bytes());
        assert_eq!((all.as_slice(), too_long), (&b"a:1|c\nb:1|c\n"[..], 1));
    }
}
