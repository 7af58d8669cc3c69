//! Peeks at the bytes of a new connection until it has sent the headers of a request or the first message of a TLS handshake. Until
//! then, the connection uses only a file descriptor.

use std::io;

use super::web_listener::WebStream;

/// The maximum number of bytes to peek at. Once a connection has sent more, it is read.
const MAX_PEEK_BYTES: usize = 16 << 10;

/// The record type of a TLS handshake.
const HANDSHAKE: u8 = 0x16;
/// The size of a TLS record header.
const RECORD_HEADER: usize = 5;

/// Waits until the connection can be read; returns false if the client disconnected without sending anything. Calls `on_start` when a
/// part of the request was received.
pub(super) async fn wait_for_request(stream: &WebStream, is_tls: bool, max_head_bytes: usize, on_start: impl Fn()) -> bool {
    let max = max_head_bytes.min(MAX_PEEK_BYTES);
    loop {
        let Ok(ready) = stream.readable().await else { return false };
        let mut has_started = false;
        let peeked = stream.peek(|bytes| {
            has_started = !bytes.is_empty();
            // `None` for an incomplete request waits for more bytes.
            let is_ready = bytes.is_empty() || bytes.len() >= max || if is_tls { is_handshake(bytes) } else { is_head(bytes) };
            is_ready.then_some(!bytes.is_empty())
        });
        match peeked {
            Ok(is_request) => return is_request,
            // If the client closed the connection after an incomplete request, reading it reports the error.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ready.is_read_closed() => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock && has_started,
        }
        if has_started {
            on_start();
        }
    }
}

/// Whether the bytes contain complete request headers, or can never become a request.
fn is_head(bytes: &[u8]) -> bool {
    let is_text = bytes.first().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'\r' | b'\n'));
    let head = bytes.trim_ascii_start();
    let first_line = memchr::memchr(b'\n', head).and_then(|end| head.get(..end));
    let is_other_protocol = first_line.is_some_and(|line| memchr::memmem::find(line, b" HTTP/").is_none());
    let contains = |end: &[u8]| memchr::memmem::find(head, end).is_some();
    !is_text || is_other_protocol || contains(b"\r\n\r\n") || contains(b"\n\n")
}

/// Whether the bytes contain the complete first record of a handshake, or can never become one.
fn is_handshake(bytes: &[u8]) -> bool {
    match *bytes {
        [HANDSHAKE, _, _, high, low, ..] => bytes.len() >= RECORD_HEADER + usize::from(u16::from_be_bytes([high, low])),
        [HANDSHAKE, ..] => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_and_impossible_heads_are_ready() {
        for whole in [
            &b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"[..],
            b"\r\nGET / HTTP/1.0\n\n",
            b"POST / HTTP/1.1\r\n\r\nbody",
            b"hello:1|c\n",
            b"\x16\x03\x01",
            b"\xff",
        ] {
            assert!(is_head(whole), "{whole:?}");
        }
        for half in [&b"G"[..], b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: t\r\n", b"\r\n", b"hello:1|c"] {
            assert!(!is_head(half), "{half:?}");
        }
        for (record, is_whole) in
            [(&b"\x16\x03\x01\x00\x02ab"[..], true), (b"\x16\x03\x01\x00\x02a", false), (b"\x16\x03", false), (b"GET", true)]
        {
            assert_eq!(is_handshake(record), is_whole, "{record:?}");
        }
    }
}
