//! Asks a running bridge whether it is ready, for probes of containers that contain no other program.
//!
//! The probe has no password and no certificate. If the web configuration file requires them, a response that rejects the probe counts as
//! ready. Must not know more of the API than `/-/ready`.

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

/// The longest response that is read.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// Time limit for each read and write.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Requests `/-/ready` from the bridge at `address`, which has the web configuration file `web_config`.
///
/// # Errors
///
/// One line that says why the bridge is not ready.
pub(super) fn run(address: &WebAddress, web_config: Option<&Path>) -> Result<(), String> {
    let WebAddress::Tcp(address) = address else {
        return Err(format!("unknown: healthcheck needs a TCP address, not {address}"));
    };
    let gate = web_config.map(|path| Gate::read(path.to_owned())).transpose().map_err(|error| error.to_string())?;
    let gate = gate.map_or_else(Gate::open, |(gate, _)| gate);
    let target = ask::target(address)?;
    let (scheme, status) = if gate.has_tls() {
        ("https", status_over_tls(target))
    } else {
        ("http", ask::get(target, &target.to_string(), "/-/ready", MAX_RESPONSE_BYTES).map(|answer| Some(answer.status)))
    };
    let status = status.map_err(|error| format!("not ready: {scheme}://{target}/-/ready: {}", error_text(&error)))?;
    match status {
        Some(200) | None => Ok(()),
        Some(401) if gate.has_users() => Ok(()),
        Some(status) => Err(format!("not ready: {scheme}://{target}/-/ready returned {status}")),
    }
}

/// The status of the response; `None` if the bridge requires a client certificate.
fn status_over_tls(target: SocketAddr) -> io::Result<Option<u16>> {
    match ask_over_tls(target) {
        Ok(status) => Ok(Some(status)),
        Err(error) if requires_certificate(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the handshake failed because the bridge requires a client certificate.
fn requires_certificate(error: &io::Error) -> bool {
    use rustls::AlertDescription::{CertificateRequired, HandshakeFailure};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::AlertReceived(CertificateRequired | HandshakeFailure)))
}

fn ask_over_tls(target: SocketAddr) -> io::Result<u16> {
    // The probe sends no secret, and the certificate is issued for a name that other clients use.
    let config = ask::client_config(&Trust::Any, None).map_err(io::Error::other)?;
    let client = ClientConnection::new(config, ServerName::from(target.ip()));
    let stream = TcpStream::connect_timeout(&target, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut stream = StreamOwned::new(client.map_err(io::Error::other)?, stream);
    stream.write_all(format!("GET /-/ready HTTP/1.0\r\nHost: {target}\r\n\r\n").as_bytes())?;
    // `HTTP/1.0 200`, without the rest.
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    let status = str::from_utf8(&start).ok().and_then(|text| text.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok());
    status.ok_or_else(|| io::Error::other("the response is not HTTP"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn check(response: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = WebAddress::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let n = stream.read(&mut request).unwrap();
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        let result = run(&address, None);
        assert!(server.join().unwrap().starts_with("GET /-/ready HTTP/1.0\r\n"));
        result
    }

    #[test]
    fn only_200_is_ready() {
        assert_eq!(check("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        assert!(check("HTTP/1.1 503 Service Unavailable\r\n\r\n").is_err());
        assert!(check("HTTP/1.1 401 Unauthorized\r\n\r\n").is_err(), "this bridge has no users");
        assert!(check("").is_err());
    }
}
