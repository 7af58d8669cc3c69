//! Asks a running bridge whether it is ready, for the probes of containers that hold no other program.
//!
//! The probe has no password and no certificate. Where the web configuration file has those,
//! a rejection by the bridge is all that the probe can see, and counts as ready. Must not know more of the API than `/-/ready`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Error, StreamOwned};

use crate::program::ask::{self, Trust};
use crate::program::net::WebAddress;
use crate::program::net::error_text;
use crate::program::web::Gate;

/// More than such an answer has.
const ANSWER_BYTES: usize = 64 << 10;

/// How long the other side may be silent.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the bridge that listens on `address`, with the web configuration file of `config`, for `/-/ready`; an error says in words
/// why it is not.
pub(super) fn run(address: &WebAddress, config: Option<&Path>) -> Result<(), String> {
    let WebAddress::Tcp(address) = address else {
        return Err(format!("not known: only an address of TCP can be asked, not {address}"));
    };
    let gate = config.map(|path| Gate::read(path.to_owned())).transpose().map_err(|error| error.to_string())?;
    let gate = gate.map_or_else(Gate::open, |(gate, _)| gate);
    let target = ask::target(address)?;
    let (scheme, status) = if gate.has_tls() {
        ("https", status_over_tls(target))
    } else {
        ("http", ask::get(target, &target.to_string(), "/-/ready", ANSWER_BYTES).map(|answer| Some(answer.status)))
    };
    let status = status.map_err(|error| format!("not ready: {scheme}://{target}/-/ready: {}", error_text(&error)))?;
    match status {
        Some(200) | None => Ok(()),
        Some(401) if gate.has_users() => Ok(()),
        Some(status) => Err(format!("not ready: {scheme}://{target}/-/ready answers {status}")),
    }
}

/// The status; none if the bridge wants a certificate.
fn status_over_tls(target: SocketAddr) -> io::Result<Option<u16>> {
    match ask_over_tls(target) {
        Ok(status) => Ok(Some(status)),
        Err(error) if is_refusal(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the bridge has told that this client may not read.
fn is_refusal(error: &io::Error) -> bool {
    use rustls::AlertDescription::{CertificateRequired, HandshakeFailure};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::AlertReceived(CertificateRequired | HandshakeFailure)))
}

fn ask_over_tls(target: SocketAddr) -> io::Result<u16> {
    // The probe tells nobody a secret, and a certificate is made out to the name that others use.
    let config = ask::client_config(&Trust::Any, None).map_err(io::Error::other)?;
    let client = ClientConnection::new(config, ServerName::from(target.ip()));
    let stream = TcpStream::connect_timeout(&target, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut stream = StreamOwned::new(client.map_err(io::Error::other)?, stream);
    stream.write_all(format!("GET /-/ready HTTP/1.0\r\nHost: {target}\r\n\r\n").as_bytes())?;
    // `HTTP/1.0 200`, whatever comes behind.
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    let status = str::from_utf8(&start).ok().and_then(|text| text.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok());
    status.ok_or_else(|| io::Error::other("the answer is no HTTP"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answer(text: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = WebAddress::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let n = stream.read(&mut request).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        let result = run(&address, None);
        assert!(server.join().unwrap().starts_with("GET /-/ready HTTP/1.0\r\n"));
        result
    }

    #[test]
    fn only_200_is_ready() {
        assert_eq!(answer("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        assert!(answer("HTTP/1.1 503 Service Unavailable\r\n\r\n").is_err());
        assert!(answer("HTTP/1.1 401 Unauthorized\r\n\r\n").is_err(), "nobody asked for a password");
        assert!(answer("").is_err());
    }
}
