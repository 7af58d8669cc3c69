//! An HTTP client for the subcommands that query a running bridge. Sends one GET request, limited in time and size.
//!
//! Parses URLs and addresses, and returns a status code and a body. Does not depend on specific paths or on the contents of bodies.

mod stream;
mod tls;

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error};

pub(crate) use self::stream::Opened;
pub(crate) use self::tls::{ClientIdentity, Trust, client_config};
use crate::program::flag_values::without_secrets;
use crate::program::net::{Address, error_text, reachable};

/// The timeout for connecting, and again for the request and its response.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The base URL of a bridge: `http://HOST:PORT` or `https://HOST:PORT`, optionally with a path prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    has_tls: bool,
    address: Address,
    host: String,
    path: String,
}

/// A complete HTTP response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HttpAnswer {
    /// The status code.
    pub(crate) status: u16,
    /// The whole body; its size is limited by the caller.
    pub(crate) body: Vec<u8>,
}

impl Base {
    /// Parses a URL. The error says what to write instead.
    pub fn parse(url: &str) -> Result<Self, String> {
        let shown = without_secrets("url", url);
        let wrong = |why: &str| format!("{shown:?} {why}; expected a form such as http://127.0.0.1:9102");
        let (has_tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(wrong("is not an HTTP URL")),
            None => return Err(wrong("does not start with http:// or https://")),
        };
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if host.contains('@') {
            return Err("the URL contains a user or a password; use --user and --password-file instead".to_owned());
        }
        if path.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
            return Err(wrong("has an invalid path"));
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let typed = if has_port { host.to_owned() } else { format!("{host}:{}", if has_tls { 443 } else { 80 }) };
        if host.is_empty() || host.starts_with(':') {
            return Err(wrong("has no host"));
        }
        let address = Address::parse(&typed).map_err(|error| error.to_string())?;
        Ok(Self { has_tls, address, host: host.to_owned(), path: path.trim_end_matches('/').to_owned() })
    }

    /// Whether the URL uses https.
    pub(crate) fn has_tls(&self) -> bool {
        self.has_tls
    }

    /// The host without the port, as typed: an IPv6 address has brackets.
    pub(crate) fn host(&self) -> &str {
        self.host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(&*self.host, |(host, _)| host)
    }

    fn scheme(&self) -> &'static str {
        if self.has_tls { "https" } else { "http" }
    }

    /// The host name to verify in the server's certificate.
    fn server_name(&self) -> Result<ServerName<'static>, String> {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(host.to_owned()).map_err(|error| format!("{host:?}: {error}"))
    }
}

/// An HTTP client for one bridge.
#[derive(Clone)]
pub(crate) struct Client {
    base: Base,
    /// For https.
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The value of the `Authorization` header.
    authorization: Option<String>,
}

impl Client {
    /// Creates a client for the bridge at `base`. An https URL needs `config`; `user` is a name and a password.
    pub(crate) fn new(base: Base, config: Option<Arc<ClientConfig>>, user: Option<(&str, &str)>) -> Result<Self, String> {
        let tls = config.filter(|_| base.has_tls).map(|config| Ok::<_, String>((config, base.server_name()?))).transpose()?;
        if base.has_tls && tls.is_none() {
            return Err(format!("{base}: https requires a TLS configuration"));
        }
        let authorization = user.map(|(name, password)| format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))));
        Ok(Self { base, tls, authorization })
    }

    /// The base URL of the bridge.
    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// Whether requests contain a password.
    pub(crate) fn has_password(&self) -> bool {
        self.authorization.is_some()
    }

    /// Sends a GET request for `path`, which starts with a slash. The error is a message for the operator.
    pub(crate) fn get(&self, path: &str, max_bytes: usize) -> Result<HttpAnswer, String> {
        let Base { host, path: prefix, .. } = &self.base;
        let path = format!("{prefix}{path}");
        let failed = |why: String| format!("{}://{host}{path}: {why}", self.base.scheme());
        let target = target(&self.base.address).map_err(failed)?;
        let authorization = self.authorization.as_ref().map(|value| format!("Authorization: {value}\r\n"));
        let request = request(host, &path, &authorization.unwrap_or_default());
        let answer = match &self.tls {
            None => ask(target, &request, max_bytes),
            Some((config, name)) => ask_over_tls(target, config, name, &request, max_bytes),
        };
        answer.map_err(|error| failed(format!("{}{}", error_text(&error), advice(&error))))
    }
}

/// Advice on certificate errors.
fn advice(error: &io::Error) -> &'static str {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(_)) => "; set --ca-file to a certificate of its issuer, or use --insecure to accept any certificate",
        Some(Error::AlertReceived(AlertDescription::CertificateRequired)) => "; set --cert-file and --key-file",
        _ => "",
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.host, self.path)
    }
}

/// An address at which this machine can reach a listener.
pub(crate) fn target(address: &Address) -> Result<SocketAddr, String> {
    address.candidates().map(|candidates| reachable(candidates.best)).map_err(|error| error.to_string())
}

/// Sends a GET request. A response of more than `max_bytes`, including its headers, is an error.
pub(crate) fn get(target: SocketAddr, host: &str, path: &str, max_bytes: usize) -> io::Result<HttpAnswer> {
    ask(target, &request(host, path, ""), max_bytes)
}

/// An HTTP/1.0 request: no server or proxy may answer it with a chunked body. Each line of `headers` ends with CRLF.
fn request(host: &str, path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n{headers}Accept-Encoding: identity\r\nConnection: close\r\n\r\n")
}

fn ask(target: SocketAddr, request: &str, max_bytes: usize) -> io::Result<HttpAnswer> {
    let socket = TcpStream::connect_timeout(&target, TIMEOUT)?;
    exchange(&mut &socket, &socket, request, max_bytes)
}

fn ask_over_tls(
    target: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &ServerName<'static>,
    request: &str,
    max_bytes: usize,
) -> io::Result<HttpAnswer> {
    let mut client = ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
    let socket = TcpStream::connect_timeout(&target, TIMEOUT)?;
    exchange(&mut rustls::Stream::new(&mut client, &mut &socket), &socket, request, max_bytes)
}

/// Sends a request over `stream`, whose socket is `socket`, and reads until the server closes the connection.
fn exchange(stream: &mut (impl Read + Write), socket: &TcpStream, request: &str, max_bytes: usize) -> io::Result<HttpAnswer> {
    let end = Instant::now() + TIMEOUT;
    socket.set_write_timeout(Some(TIMEOUT))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // A zero timeout would mean no timeout.
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let length = match stream.read(&mut piece) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Err(ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        };
        if length == 0 {
            return answer(&bytes);
        }
        if bytes.len() + length > max_bytes {
            return Err(io::Error::other(format!("the response is larger than {max_bytes} bytes")));
        }
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let received = piece.get(..length).ok_or_else(|| io::Error::other("read returned more bytes than the buffer holds"))?;
        bytes.extend_from_slice(received);
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
    split().ok_or_else(|| io::Error::other("the response is incomplete or not HTTP"))
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
            ("https://[::1]:9102/", "https://[::1]:9102"),
            ("https://bridge.example", "https://bridge.example"),
        ] {
            assert_eq!(Base::parse(url).map(|base| base.to_string()).as_deref(), Ok(shown), "{url}");
        }
        for url in [
            "127.0.0.1:9102",
            "ftp://127.0.0.1",
            "https://",
            "http://",
            "http://:9102",
            "http://a:b",
            "http://u@h",
            "http://h/a b",
            "http://h/?a",
        ] {
            assert!(Base::parse(url).is_err(), "{url}");
        }
    }

    fn answered(text: &'static str, max_bytes: usize) -> Result<HttpAnswer, String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = Base::parse(&format!("http://{}/x", listener.local_addr().expect("bound"))).expect("a URL");
        let client = Client::new(base, None, Some(("me", "secret"))).expect("plain");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 512];
            let length = stream.read(&mut request).expect("a request");
            stream.write_all(text.as_bytes()).expect("sent");
            String::from_utf8_lossy(request.get(..length).unwrap_or_default()).into_owned()
        });
        let answer = client.get("/y", max_bytes);
        let request = server.join().expect("no panic");
        assert!(request.starts_with("GET /x/y HTTP/1.0\r\nHost: 127.0.0.1:"), "{request}");
        assert!(request.contains("\r\nAuthorization: Basic bWU6c2VjcmV0\r\n"), "{request}");
        answer
    }

    #[test]
    fn incomplete_responses_are_errors() {
        let good = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(answered(good, 1000), Ok(HttpAnswer { status: 404, body: b"hi".to_vec() }));
        assert_eq!(answered("HTTP/1.0 200\r\n\r\nhi", 1000), Ok(HttpAnswer { status: 200, body: b"hi".to_vec() }));
        for (bad, most, why) in [
            (good, 20, "larger than 20 bytes"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", 1000, "incomplete"),
            ("HTTP/1.1 200 OK\r\nConten", 1000, "incomplete"),
            ("SSH-2.0\r\n\r\n", 1000, "not HTTP"),
            ("", 1000, "incomplete"),
        ] {
            assert!(answered(bad, most).expect_err(bad).contains(why), "{bad}");
        }
    }
}
