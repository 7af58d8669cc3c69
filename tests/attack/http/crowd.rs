//! Hundreds of bad clients on their own runtime. Dropping the crowd ends them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use h2::client::SendRequest;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Addresses that only bad clients use.
pub const OTHERS: &[Ipv4Addr] = &[Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3), Ipv4Addr::new(127, 0, 0, 4)];
pub const SAME: &[Ipv4Addr] = &[Ipv4Addr::LOCALHOST];

/// The pause after an error, before a client tries again.
const PAUSE: Duration = Duration::from_millis(5);

/// Many bad clients.
pub struct Crowd {
    runtime: Option<Runtime>,
    to: SocketAddr,
    addresses: &'static [Ipv4Addr],
}

impl Crowd {
    pub fn new(to: SocketAddr, addresses: &'static [Ipv4Addr]) -> Self {
        // Each client needs a file descriptor.
        let limits = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).expect("as many as there may be");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        Self { runtime: Some(runtime), to, addresses }
    }

    /// Starts this many clients. Each repeats the action, each time on a new connection.
    fn repeat<F>(&self, count: usize, act: impl Fn(TcpStream) -> F + Clone + Send + 'static)
    where
        F: Future<Output = io::Result<()>> + Send,
    {
        let runtime = self.runtime.as_ref().expect("until it is dropped");
        for from in self.addresses.iter().copied().cycle().take(count) {
            let (to, act) = (self.to, act.clone());
            runtime.spawn(async move {
                loop {
                    let done = match connect(from, to).await {
                        Ok(stream) => act(stream).await,
                        Err(error) => Err(error),
                    };
                    if done.is_err() {
                        sleep(PAUSE).await;
                    }
                }
            });
        }
    }

    /// Requests a path repeatedly on one connection.
    pub fn ask_again_and_again(&mut self, count: usize, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.to);
        self.repeat(count, move |mut stream| {
            let request = request.clone();
            async move {
                let mut answer = vec![0; 64 << 10];
                loop {
                    stream.write_all(request.as_bytes()).await?;
                    if stream.read(&mut answer).await? == 0 {
                        return Ok(());
                    }
                }
            }
        });
    }

    /// Scrapes with different wrong passwords.
    pub fn guess_passwords(&mut self, count: usize) {
        let tried = Arc::new(AtomicU64::new(0));
        self.repeat(count, move |mut stream| {
            let tried = Arc::clone(&tried);
            async move {
                let mut answer = vec![0; 4096];
                loop {
                    let guess = STANDARD.encode(format!("user0:{}", tried.fetch_add(1, Relaxed)));
                    let request = format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {guess}\r\n\r\n");
                    stream.write_all(request.as_bytes()).await?;
                    if stream.read(&mut answer).await? == 0 {
                        return Ok(());
                    }
                }
            }
        });
    }

    /// Scrapes, each time on a new connection.
    pub fn scrape_on_new_connections(&mut self, count: usize) {
        self.repeat(count, |mut stream| async move {
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await?;
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        });
    }

    /// Sends a request body at one byte a second.
    pub fn drip_bodies(&mut self, count: usize) {
        self.repeat(count, |mut stream| async move {
            let head = b"POST /api/v1/series/delete HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\n";
            stream.write_all(head).await?;
            let (mut reader, mut writer) = stream.split();
            let drip = async {
                while writer.write_all(b"m").await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
            };
            let mut answer = [0; 1024];
            tokio::select! { () = drip => {}, _ = reader.read(&mut answer) => {} }
            Ok(())
        });
    }

    /// Sends these bytes, and waits until the server closes the connection.
    pub fn send_and_wait(&mut self, count: usize, bytes: Vec<u8>) {
        self.repeat(count, move |mut stream| {
            let bytes = bytes.clone();
            async move {
                stream.write_all(&bytes).await?;
                let mut answer = [0; 4096];
                while stream.read(&mut answer).await? > 0 {}
                Ok(())
            }
        });
    }

    /// Repeats TLS handshakes.
    pub fn shake_hands(&mut self, count: usize) {
        let to = self.to;
        self.repeat(count, move |stream| async move { secure(stream, to, b"http/1.1").await.map(drop) });
    }

    /// Keeps a hundred HTTP/2 requests open at a time; with `resets`, resets each request.
    pub fn open_streams(&mut self, count: usize, path: &'static str, resets: bool) {
        let to = self.to;
        self.repeat(count, move |stream| async move {
            let stream = secure(stream, to, b"h2").await?;
            let (requests, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
            let asking = async move {
                let mut answers: Vec<_> = (0..100).map(|_| tokio::spawn(ask(requests.clone(), path, resets))).collect();
                for answer in answers.drain(..) {
                    let _ = answer.await;
                }
            };
            tokio::select! { () = asking => {}, _ = connection => {} }
            Ok(())
        });
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // With a linger of zero, closing resets the connection, so that its port is free at once.
    SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

async fn ask(requests: SendRequest<Bytes>, path: &str, resets: bool) -> Result<(), h2::Error> {
    let request = || hyper::Request::get(format!("https://127.0.0.1{path}")).body(()).expect("a request");
    for _ in 0..100 {
        let mut ready = requests.clone().ready().await?;
        let (answer, mut stream) = ready.send_request(request(), !resets)?;
        if resets {
            stream.send_reset(h2::Reason::CANCEL);
        } else {
            let mut body = answer.await?.into_body();
            while let Some(piece) = body.data().await {
                body.flow_control().release_capacity(piece?.len())?;
            }
        }
    }
    Ok(())
}

async fn secure(stream: TcpStream, to: SocketAddr, protocol: &[u8]) -> io::Result<TlsStream<TcpStream>> {
    TlsConnector::from(config(protocol)).connect(ServerName::from(to.ip()), stream).await
}

/// The first message of a TLS handshake.
pub fn client_hello() -> Vec<u8> {
    let mut client = ClientConnection::new(config(b"http/1.1"), ServerName::try_from("127.0.0.1").expect("a name")).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("into memory");
    bytes
}

fn config(protocol: &[u8]) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().expect("versions");
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// Accepts any certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
