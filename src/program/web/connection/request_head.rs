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

/// Waits until the connection can be read; returns false if the client disconnected without sending anything or has reset the connection.
/// Calls `on_start` when a part of the request was received.
///
/// When many clients disconnect at once, their systems reset the connections. Such a connection must not get a slot, because other
/// connections would be evicted for it.
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
            Ok(is_request) => return is_request && !stream.has_failed(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ready.is_read_closed() => {}
            // The client closed the connection after an incomplete request. For HTTP, reading it reports the error.
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock && has_started && !is_tls && !stream.has_failed(),
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
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Whether the connection can be read after the client sent these bytes and closed or reset the connection.
    async fn is_ready(sent: &[u8], is_tls: bool, resets: bool) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = WebStream::Tcp(listener.accept().await.unwrap().0);
        client.write_all(sent).await.unwrap();
        if resets {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(client);
        // Bytes and close arrive before the server peeks, as on a busy machine.
        while !stream.readable().await.unwrap().is_read_closed() {
            tokio::task::yield_now().await;
        }
        wait_for_request(&stream, is_tls, MAX_PEEK_BYTES, || {}).await
    }

    #[tokio::test]
    async fn reset_connections_get_no_place() {
        let (request, hello) = (&b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"[..], &b"\x16\x03\x01\x00\x02ab"[..]);
        for (sent, is_tls) in [(request, false), (&request[..5], false), (hello, true), (&hello[..6], true), (b"", false), (b"", true)] {
            assert!(!is_ready(sent, is_tls, true).await, "{sent:?} and a reset");
        }
        for (sent, is_tls, expected) in [(request, false, true), (&request[..5], false, true), (hello, true, true), (b"", false, false)] {
            assert_eq!(is_ready(sent, is_tls, false).await, expected, "{sent:?} and a close");
        }
        assert!(!is_ready(&hello[..6], true, false).await, "an incomplete handshake");
    }

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
