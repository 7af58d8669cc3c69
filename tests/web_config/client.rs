//! A client of HTTP/1.1, or of lines, over TLS, with rustls.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::authority::Issued;
use crate::harness::{DEADLINE, Response, parse_response};

/// A client: the authorities that it trusts, its certificate, and its TLS versions.
#[derive(Clone)]
pub struct Client {
    roots: RootCertStore,
    identity: Option<Issued>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Client {
    /// Trusts this authority, in PEM, and presents no certificate.
    pub fn trusting(authority: String) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM")).expect("an authority");
        Self { roots, identity: None, versions: rustls::ALL_VERSIONS.to_vec() }
    }

    /// Presents this certificate.
    pub fn with(mut self, identity: Issued) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Uses this TLS version only.
    pub fn only(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    /// Connects and completes the client's part of the handshake. With TLS 1.3, the server can still reject the client.
    pub fn connect(&self, to: SocketAddr) -> Result<Connection, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&self.versions).expect("versions");
        let builder = builder.with_root_certificates(self.roots.clone());
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(vec![certificate], key).expect("a pair")
            }
        };
        let name = ServerName::from(to.ip());
        let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
        let tcp = TcpStream::connect(to).map_err(|error| error.to_string())?;
        tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let mut stream = StreamOwned::new(tls, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
        }
        Ok(Connection { stream, to })
    }

    /// One GET on a new connection. Without a response, returns the error as text.
    pub fn get(&self, to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Response, String> {
        self.connect(to)?.ask(path, headers, true)
    }
}

/// An open connection.
pub struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    to: SocketAddr,
}

impl Connection {
    /// One GET that leaves the connection open.
    pub fn get(&mut self, path: &str) -> Result<Response, String> {
        self.ask(path, &[], false)
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends the closing message of TLS, and closes the connection.
    pub fn close(mut self) {
        self.stream.conn.send_close_notify();
        self.stream.flush().expect("the server is there");
    }

    /// Whether the server closed the connection. Waits for that.
    pub fn is_ended(&mut self) -> bool {
        self.stream.read(&mut [0]).map_or_else(|error| error.kind() != std::io::ErrorKind::WouldBlock, |read| read == 0)
    }

    /// The TCP connection.
    pub fn tcp(&self) -> &TcpStream {
        &self.stream.sock
    }

    /// The server's certificate.
    pub fn server_certificate(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().expect("a handshake was done")[0].to_vec()
    }

    fn ask(&mut self, path: &str, headers: &[(&str, &str)], last: bool) -> Result<Response, String> {
        let words = |error: std::io::Error| error.to_string();
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.to);
        for (key, value) in headers {
            request += &format!("{key}: {value}\r\n");
        }
        request += if last { "Connection: close\r\n\r\n" } else { "\r\n" };
        self.stream.write_all(request.as_bytes()).map_err(words)?;
        self.stream.flush().map_err(words)?;
        let mut bytes = Vec::new();
        let mut part = [0; 16 << 10];
        // `parse_response` rejects incomplete responses, so the first response that it accepts is complete.
        loop {
            let n = self.stream.read(&mut part).map_err(words)?;
            bytes.extend_from_slice(&part[..n]);
            let whole = bytes.windows(4).any(|w| w == b"\r\n\r\n") && (!last || n == 0);
            match parse_response(&bytes).filter(|_| whole) {
                Some(response) if !response.body.is_empty() || n == 0 => return Ok(response),
                _ if n == 0 => return Err(format!("no whole answer: {:?}", String::from_utf8_lossy(&bytes))),
                _ => {}
            }
        }
    }
}
