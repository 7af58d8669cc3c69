//! HTTP/1.1 requests, and responses with their complete bodies.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;

/// An HTTP response with its complete body, without chunks.
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, or an empty string without the header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body in UTF-8")
    }
}

/// Sends an HTTP/1.1 request on a new connection.
pub fn request(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> std::io::Result<Response> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    for (key, value) in headers {
        let _ = write!(head, "{key}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse_response(&bytes).ok_or_else(|| std::io::Error::other(format!("not HTTP: {:?}", String::from_utf8_lossy(&bytes))))
}

/// The HTTP response in these bytes, if it is complete.
pub fn parse_response(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let headers: Vec<_> =
        lines.map(|l| l.split_once(':').map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned()))).collect::<Option<_>>()?;
    let mut response = Response { status, headers, body: bytes[end + 4..].to_vec() };
    if response.header("transfer-encoding") == "chunked" {
        response.body = unchunk(&response.body)?;
    } else if let Ok(length) = response.header("content-length").parse::<usize>()
        && status != 304
        && response.body.len() != length
        && !response.body.is_empty()
    {
        return None;
    }
    Some(response)
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(line + 2..line + 2 + size)?);
        rest = rest.get(line + 4 + size..)?;
    }
}

#[apply(test)]
fn responses_are_parsed() {
    let plain = parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A:  b\r\n\r\nhi").expect("an answer");
    assert_eq!((plain.status, plain.header("x-a"), &*plain.text()), (200, "b", "hi"));
    let chunked = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";
    assert_eq!(parse_response(chunked).expect("an answer").text(), "hi0123456789abcdef");
    assert!(parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi").is_none(), "the body is cut");
    assert!(parse_response(b"HTTP/1.1 200 OK\r\nContent-Le").is_none(), "the header is cut");
}
