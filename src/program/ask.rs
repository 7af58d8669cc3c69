//! Sends one GET request to a running bridge, for the subcommands that ask it something; bounded in time and in bytes.
//!
//! Reads URLs and addresses, and gives back a status and a body. Must not know which paths exist or what a body means.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::program::net::{Address, error_text, reachable};

/// How long all of one question may take, once there is a connection, and how long that may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A bridge's address over HTTP, `http://HOST:PORT` and perhaps a path in front of all paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    address: Address,
    host: String,
    path: String,
}

/// A status and a whole body.
#[derive(Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// As in `HTTP/1.1 200 OK`.
    pub status: u16,
    /// At most as many bytes as were asked for.
    pub body: Vec<u8>,
}

impl Base {
    /// Reads a URL; an error says what to write.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{url:?} {why}; write it as http://127.0.0.1:9102");
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(wrong("is no address of plain HTTP")),
            None => return Err(wrong("does not begin with http://")),
        };
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if path.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
            return Err(wrong("has a path that is none"));
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let typed = if has_port { host.to_owned() } else { format!("{host}:80") };
        if host.is_empty() || host.starts_with(':') {
            return Err(wrong("names no host"));
        }
        let address = Address::parse(&typed).map_err(|error| error.to_string())?;
        Ok(Self { address, host: host.to_owned(), path: path.trim_end_matches('/').to_owned() })
    }

    /// GETs `path`, which begins with a slash. An error says in words what went wrong.
    pub fn get(&self, path: &str, most_bytes: usize) -> Result<HttpAnswer, String> {
        let path = format!("{}{path}", self.path);
        let failed = |why: String| format!("http://{}{path}: {why}", self.host);
        let target = target(&self.address).map_err(failed)?;
        get(target, &self.host, &path, most_bytes).map_err(|error| failed(error_text(&error)))
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}

/// Where a listener's address can be reached from here.
pub(crate) fn target(address: &Address) -> Result<SocketAddr, String> {
    let candidates = address.candidates().map_err(|error| error.to_string())?;
    candidates.first().copied().map(reachable).ok_or_else(|| "no address".to_owned())
}

/// GETs a path; what the server sends beyond `most_bytes`, its header included, is an error.
pub(crate) fn get(target: SocketAddr, host: &str, path: &str, most_bytes: usize) -> io::Result<HttpAnswer> {
    let mut stream = TcpStream::connect_timeout(&target, TIMEOUT)?;
    let end = Instant::now() + TIMEOUT;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // 1.0: the body ends with the connection and never comes in chunks, whatever stands between.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // Zero would mean to wait for ever.
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let length = match stream.read(&mut piece) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Err(ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        };
        if length == 0 {
            return answer(&bytes);
        }
        if bytes.len() + length > most_bytes {
            return Err(io::Error::other(format!("the answer is longer than {most_bytes} bytes")));
        }
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
}

fn answer(bytes: &[u8]) -> io::Result<HttpAnswer> {
    let split = || {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
        let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let (version, rest) = head.split_once(' ')?;
        let status = version.starts_with("HTTP/1.").then(|| rest.get(..3)?.parse().ok()).flatten()?;
        let length = head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: Option<usize> = length.and_then(|(_, value)| value.trim().parse().ok());
        let body = bytes.get(end + 4..)?;
        length.is_none_or(|length| length == body.len()).then(|| HttpAnswer { status, body: body.to_owned() })
    };
    split().ok_or_else(|| io::Error::other("the answer is cut short, or no HTTP"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn urls() {
        for (url, shown) in [
            ("http://127.0.0.1:9102", "http://127.0.0.1:9102"),
            ("http://[::1]:9102/", "http://[::1]:9102"),
            ("http://[::1]", "http://[::1]"),
            ("http://bridge.example/statsd/", "http://bridge.example/statsd"),
        ] {
            assert_eq!(Base::parse(url).map(|base| base.to_string()).as_deref(), Ok(shown), "{url}");
        }
        for url in
            ["127.0.0.1:9102", "https://127.0.0.1", "http://", "http://:9102", "http://a:b", "http://u@h", "http://h/a b", "http://h/?a"]
        {
            assert!(Base::parse(url).is_err(), "{url}");
        }
    }

    fn answered(text: &'static str, most_bytes: usize) -> Result<HttpAnswer, String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = Base::parse(&format!("http://{}/x", listener.local_addr().expect("bound"))).expect("a URL");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 512];
            let length = stream.read(&mut request).expect("a request");
            stream.write_all(text.as_bytes()).expect("taken");
            String::from_utf8_lossy(request.get(..length).unwrap_or_default()).into_owned()
        });
        let answer = base.get("/y", most_bytes);
        assert!(server.join().expect("no panic").starts_with("GET /x/y HTTP/1.0\r\nHost: 127.0.0.1:"));
        answer
    }

    #[test]
    fn an_answer_is_whole_or_none() {
        let good = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(answered(good, 1000), Ok(HttpAnswer { status: 404, body: b"hi".to_vec() }));
        assert_eq!(answered("HTTP/1.0 200\r\n\r\nhi", 1000), Ok(HttpAnswer { status: 200, body: b"hi".to_vec() }));
        for (bad, most, why) in [
            (good, 20, "longer than 20 bytes"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", 1000, "cut short"),
            ("HTTP/1.1 200 OK\r\nConten", 1000, "cut short"),
            ("SSH-2.0\r\n\r\n", 1000, "no HTTP"),
            ("", 1000, "cut short"),
        ] {
            assert!(answered(bad, most).expect_err(bad).contains(why), "{bad}");
        }
    }
}
