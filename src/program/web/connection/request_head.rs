//! Looks at what a new connection has sent, without taking it, until a request or a TLS handshake can begin. So a client that says
//! half of what it wants takes up a descriptor and nothing else. Knows where a head ends, not what is in it.

use std::io;

use super::web_listener::WebStream;

/// Bytes that are looked at; a longer head may begin to be read.
const MOST_BYTES: usize = 16 << 10;

/// A record of TLS: its type for a handshake, and the bytes of its header.
const HANDSHAKE: u8 = 0x16;
const RECORD_HEADER: usize = 5;

/// Waits until reading can begin; false if the client left before it said anything, or cannot be answered any more. `begun` is called
/// when a part has come.
///
/// A crowd that leaves at once resets its connections all together. None of them gets a place, for which others would be evicted.
pub(super) async fn request_came(stream: &WebStream, is_tls: bool, head_bytes: usize, begun: impl Fn()) -> bool {
    let most = head_bytes.min(MOST_BYTES);
    loop {
        let Ok(ready) = stream.readable().await else { return false };
        let mut has_begun = false;
        let looked = stream.look(|seen| {
            has_begun = !seen.is_empty();
            // Less than a whole head reads as nothing: what comes next is waited for.
            let is_there = seen.is_empty() || seen.len() >= most || if is_tls { is_handshake(seen) } else { is_head(seen) };
            is_there.then_some(!seen.is_empty())
        });
        match looked {
            Ok(came) => return came && !stream.is_broken(),
            // The end of half a request, whose reader says what is wrong; half a handshake leads to nothing.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ready.is_read_closed() => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock && has_begun && !is_tls && !stream.is_broken(),
        }
        if has_begun {
            begun();
        }
    }
}

/// Whether these bytes hold the whole head of a request, or what will never be one.
fn is_head(seen: &[u8]) -> bool {
    let is_text = seen.first().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'\r' | b'\n'));
    let line = memchr::memchr(b'\n', seen.trim_ascii_start()).and_then(|end| seen.trim_ascii_start().get(..end));
    let is_no_request = line.is_some_and(|line| memchr::memmem::find(line, b" HTTP/").is_none());
    let ends = |mark: &[u8]| memchr::memmem::find(seen.trim_ascii_start(), mark).is_some();
    !is_text || is_no_request || ends(b"\r\n\r\n") || ends(b"\n\n")
}

/// Whether these bytes hold the whole first record of a handshake, or what will never be one.
fn is_handshake(seen: &[u8]) -> bool {
    match *seen {
        [HANDSHAKE, _, _, high, low, ..] => seen.len() >= RECORD_HEADER + usize::from(u16::from_be_bytes([high, low])),
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

    /// Whether reading can begin after these bytes and the client's end, with a reset or without.
    async fn came(sent: &[u8], is_tls: bool, resets: bool) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = WebStream::Tcp(listener.accept().await.unwrap().0);
        client.write_all(sent).await.unwrap();
        if resets {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(client);
        // Both have come before anything is looked at, as on a busy machine.
        while !stream.readable().await.unwrap().is_read_closed() {
            tokio::task::yield_now().await;
        }
        request_came(&stream, is_tls, MOST_BYTES, || {}).await
    }

    #[tokio::test]
    async fn a_client_that_resets_needs_no_place() {
        let (request, hello) = (&b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"[..], &b"\x16\x03\x01\x00\x02ab"[..]);
        for (sent, is_tls) in [(request, false), (&request[..5], false), (hello, true), (&hello[..6], true), (b"", false), (b"", true)] {
            assert!(!came(sent, is_tls, true).await, "{sent:?} and a reset");
        }
        for (sent, is_tls, has_begun) in [(request, false, true), (&request[..5], false, true), (hello, true, true), (b"", false, false)] {
            assert_eq!(came(sent, is_tls, false).await, has_begun, "{sent:?} and an end");
        }
        assert!(!came(&hello[..6], true, false).await, "half a handshake");
    }

    #[test]
    fn a_head_is_whole_or_hopeless() {
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
