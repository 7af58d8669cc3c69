//! Connections to a target: direct, through a proxy, or through a tunnel of a proxy.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, PROXY_AUTHORIZATION};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{Request, Response, Uri};
use hyper_rustls::builderstates::WantsProtocols2;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::legacy::{Builder, Client, Error};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tower_service::Service;

use super::trust::tls_config;
use crate::program::push::options::{Proxy, PushTls};
use crate::program::push::url::PushUrl;

/// The time limit of a connection, name resolution excluded.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

type Body = Full<Bytes>;

/// A client of one kind of connections.
pub(super) enum PushClient {
    /// To the receiver.
    Direct(Client<HttpsConnector<HttpConnector>, Body>),
    /// To a proxy that passes on requests. They have the password of the proxy.
    Forwarded(Client<ProxyConnector, Body>, Option<HeaderValue>),
    /// Through a tunnel of a proxy, for https.
    Tunnelled(Client<HttpsConnector<Tunnel<HttpConnector>>, Body>),
}

impl PushClient {
    pub(super) fn new(url: &PushUrl, tls: &PushTls, proxy: &Proxy) -> Result<Self, String> {
        let config = if url.has_tls() { Some(tls_config(tls)?) } else { None };
        let https = |config| https(config, tls);
        Ok(match (intercept(url, proxy)?, config) {
            (None, config) => Self::Direct(client().build(https(config)?.wrap_connector(http()))),
            (Some(proxy), None) => Self::Forwarded(client().build(ProxyConnector::new(proxy.uri())), proxy.basic_auth().cloned()),
            (Some(proxy), Some(config)) => {
                let tunnel = Tunnel::new(proxy.uri().clone(), http());
                let tunnel = proxy.basic_auth().cloned().into_iter().fold(tunnel, Tunnel::with_auth);
                Self::Tunnelled(client().build(https(Some(config))?.wrap_connector(tunnel)))
            }
        })
    }

    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Error> {
        match self {
            Self::Direct(client) => client.request(request).await,
            Self::Tunnelled(client) => client.request(request).await,
            Self::Forwarded(client, password) => {
                password.iter().for_each(|password| {
                    request.headers_mut().insert(PROXY_AUTHORIZATION, password.clone());
                });
                client.request(request).await
            }
        }
    }
}

/// The proxy of a URL.
fn intercept(url: &PushUrl, proxy: &Proxy) -> Result<Option<Intercept>, String> {
    let matcher = match proxy {
        Proxy::None => return Ok(None),
        Proxy::Environment => Matcher::from_env(),
        Proxy::Url(proxy) => Matcher::builder().all(proxy.uri().to_string()).build(),
    };
    match matcher.intercept(url.uri()) {
        Some(found) if found.uri().scheme_str() != Some("http") => {
            let scheme = found.uri().scheme_str().unwrap_or_default();
            Err(format!("the proxy is a {scheme} proxy; only http proxies are supported"))
        }
        found => Ok(found),
    }
}

fn client() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT).pool_max_idle_per_host(4);
    builder
}

/// Connects to hosts. It must not reject https, which is the business of the connector around it.
fn http() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http
}

type Https = HttpsConnectorBuilder<WantsProtocols2>;

/// The connector around others that adds TLS for https.
fn https(config: Option<Arc<ClientConfig>>, tls: &PushTls) -> Result<Https, String> {
    let config = match config {
        Some(config) => ClientConfig::clone(&config),
        // For http, no certificate is ever verified.
        None => ClientConfig::clone(&*tls_config(&PushTls { accept_any: true, ..PushTls::default() })?),
    };
    let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
    Ok(match &tls.server_name {
        Some(name) => {
            let name = ServerName::try_from(name.clone()).map_err(|error| format!("the server name {name:?} cannot be used: {error}"))?;
            builder.with_server_name_resolver(FixedServerNameResolver::new(name)).enable_http1()
        }
        None => builder.enable_http1(),
    })
}

/// Connects to a proxy instead of the host of a request.
#[derive(Clone)]
pub(super) struct ProxyConnector {
    proxy: Uri,
    http: HttpConnector,
}

impl ProxyConnector {
    fn new(proxy: &Uri) -> Self {
        Self { proxy: proxy.clone(), http: http() }
    }
}

type HttpError = <HttpConnector as Service<Uri>>::Error;

impl Service<Uri> for ProxyConnector {
    type Response = ProxyConnection;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<ProxyConnection, HttpError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        self.http.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = self.http.call(self.proxy.clone());
        Box::pin(async move { connecting.await.map(ProxyConnection) })
    }
}

/// A connection to a proxy. The client sends the whole URL over it.
pub(super) struct ProxyConnection(TokioIo<TcpStream>);

impl Connection for ProxyConnection {
    fn connected(&self) -> Connected {
        self.0.connected().proxy(true)
    }
}

impl Read for ProxyConnection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for ProxyConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
