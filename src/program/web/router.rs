//! From path and method to the response. The only module that knows the paths.

use std::sync::Arc;

use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use tokio::task::spawn_blocking;

use super::access::browsers::AllowedHosts;
use super::activity::Activity;
use super::addresses::{ClientAddress, ConnectionAddresses};
use super::api::{Api, ApiReply};
use super::lifecycle::Lifecycle;
use super::pages::LandingPage;
use super::request_path::single_slashes;
use super::response::{NOSNIFF, TEXT, WebBody, WebResponse, text, with_body};
use super::scrape::coding::ContentCoding;
use super::scrape::endpoint::{NoTurn, ScrapeEndpoint};
use crate::exposition::Negotiated;
use crate::options::Prefix;
use crate::telemetry::{RequestRejection, Telemetry};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the paths of one listener lead to.
pub(super) struct Router {
    /// Begins with a slash.
    pub(super) telemetry_path: String,
    pub(super) lifecycle: Arc<Lifecycle>,
    /// Whether `/-/quit` and `/-/reload` are carried out.
    pub(super) has_lifecycle: bool,
    /// Hosts that requests may name.
    pub(super) hosts: AllowedHosts,
    /// Whether a request that names another one is rejected, whatever it asks.
    pub(super) checks_hosts: bool,
    pub(super) telemetry: Arc<Telemetry>,
    /// Whether the paths of the lifecycle and of deletion exist.
    pub(super) answers_admin: bool,
    /// Whose words the health checks use.
    pub(super) prefix: Prefix,
    pub(super) scrape: ScrapeEndpoint,
    pub(super) api: Api,
    pub(super) landing: Arc<LandingPage>,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Exposition,
    Landing,
    Healthy,
    Ready,
    Rules,
    Unmapped,
    Cardinality,
    Conflicts,
    Rejections,
    Delete,
    Quit,
    Reload,
}

impl Resource {
    fn allows(self, method: &Method) -> bool {
        match self {
            Self::Delete => *method == Method::POST,
            Self::Quit | Self::Reload => *method == Method::PUT || *method == Method::POST,
            _ => *method == Method::GET || *method == Method::HEAD,
        }
    }

    fn allow(self) -> HeaderValue {
        match self {
            Self::Delete => HeaderValue::from_static("POST"),
            Self::Quit | Self::Reload => HeaderValue::from_static("PUT, POST"),
            _ => HeaderValue::from_static("GET, HEAD"),
        }
    }
}

impl Router {
    fn find(&self, path: &str) -> Option<Resource> {
        match path {
            path if path == self.telemetry_path => Some(Resource::Exposition),
            "/" => Some(Resource::Landing),
            "/-/healthy" | "/health" | "/healthz" => Some(Resource::Healthy),
            "/-/ready" => Some(Resource::Ready),
            "/api/v1/rules" => Some(Resource::Rules),
            "/api/v1/unmapped" => Some(Resource::Unmapped),
            "/api/v1/cardinality" => Some(Resource::Cardinality),
            "/api/v1/conflicts" => Some(Resource::Conflicts),
            "/api/v1/rejections" => Some(Resource::Rejections),
            "/api/v1/series/delete" if self.answers_admin => Some(Resource::Delete),
            "/-/quit" if self.answers_admin => Some(Resource::Quit),
            "/-/reload" if self.answers_admin => Some(Resource::Reload),
            _ => None,
        }
    }

    /// Whether a path is one of those that ask how the bridge is.
    pub(super) fn is_probe(&self, path: &str) -> bool {
        matches!(self.find(path), Some(Resource::Healthy | Resource::Ready))
    }

    /// The response to one request, to HEAD as to GET: hyper leaves the body out.
    pub(super) async fn respond(&self, request: Request<Incoming>, addresses: ConnectionAddresses, activity: Arc<Activity>) -> WebResponse {
        // The body is dropped unread where nothing takes one.
        let (request, body) = request.into_parts();
        let Some(resource) = self.find(&single_slashes(request.uri.path())) else {
            return text(StatusCode::NOT_FOUND, "Not found.\n");
        };
        if !resource.allows(&request.method) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.\n");
            response.headers_mut().insert(ALLOW, resource.allow());
            return response;
        }
        if let Some(rejection) = self.of_another_site(resource, &request, &addresses) {
            return rejection;
        }
        let client = addresses.client();
        match resource {
            Resource::Exposition => self.exposition(&request, activity).await,
            Resource::Landing => self.landing(addresses).await,
            Resource::Healthy => text(StatusCode::OK, format!("{} is Healthy.\n", self.product())),
            Resource::Ready if self.lifecycle.is_ready() => text(StatusCode::OK, format!("{} is Ready.\n", self.product())),
            Resource::Ready => text(StatusCode::SERVICE_UNAVAILABLE, format!("{} is not Ready.\n", self.product())),
            Resource::Rules => json(self.api.rules(client).await),
            Resource::Unmapped => json(self.api.unmapped(client).await),
            Resource::Cardinality => json(self.api.cardinality(request.uri.query(), client).await),
            Resource::Conflicts => json(self.api.conflicts(client).await),
            Resource::Rejections => json(self.api.rejections(client).await),
            Resource::Delete => json(self.api.delete(&request, body, addresses).await),
            Resource::Quit | Resource::Reload if !self.has_lifecycle => {
                text(StatusCode::FORBIDDEN, "The lifecycle over HTTP is off; start the bridge with --web.enable-lifecycle.\n")
            }
            Resource::Quit => {
                self.lifecycle.request_quit();
                text(StatusCode::OK, "Requesting termination... Goodbye!")
            }
            Resource::Reload => self.reload(client).await,
        }
    }

    /// The rejection of a request that changes something and that a page of another site may have sent.
    fn of_another_site(&self, resource: Resource, request: &Parts, addresses: &ConnectionAddresses) -> Option<WebResponse> {
        let is_read = request.method == Method::GET || request.method == Method::HEAD;
        if is_read || !self.hosts.may_be_forged(&request.uri, &request.headers, addresses.local) {
            return None;
        }
        self.telemetry.web.request_rejected(RequestRejection::CrossSite);
        Some(match resource {
            Resource::Delete => json(ApiReply::of_another_site()),
            _ => text(StatusCode::FORBIDDEN, "A page of another site may not do this; see --web.allowed-hosts.\n"),
        })
    }

    /// The rejection of a request that names a host which is not the bridge's, where that is looked at.
    pub(super) fn of_another_host(&self, uri: &Uri, headers: &HeaderMap, addresses: &ConnectionAddresses) -> Option<WebResponse> {
        if !self.checks_hosts || addresses.local.is_none() || self.hosts.allow(uri, headers, addresses.local) {
            return None;
        }
        self.telemetry.web.request_rejected(RequestRejection::ForeignHost);
        Some(text(StatusCode::FORBIDDEN, "The request names a host that is not the bridge's; see --web.allowed-hosts.\n"))
    }

    async fn exposition(&self, request: &Parts, activity: Arc<Activity>) -> WebResponse {
        let wanted = self.scrape.negotiate(&request.headers);
        let Some(coding) = ContentCoding::of(&request.headers) else {
            return text(
                StatusCode::NOT_ACCEPTABLE,
                "There is no coding that Accept-Encoding allows: gzip, zstd and identity there are.\n",
            );
        };
        // An exposition is not rendered for nobody to see: rendering marks new counters as shown.
        if request.method == Method::HEAD {
            return exposition_response((wanted, coding), Either::Left(Full::default()));
        }
        match self.scrape.begin((wanted, coding), &request.headers, activity).await {
            Ok(body) => exposition_response((wanted, coding), Either::Right(body)),
            Err(NoTurn) => busy("Too many pages are being rendered. Try again.\n"),
        }
    }

    async fn reload(&self, client: ClientAddress) -> WebResponse {
        let Some(_turn) = self.api.turn(client).await else { return busy("Too many requests are waiting. Try again.\n") };
        match self.lifecycle.reload().await {
            Ok(()) => text(StatusCode::OK, "Requesting reload"),
            Err(why) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload the mapping files:\n{why}\n")),
        }
    }

    async fn landing(&self, addresses: ConnectionAddresses) -> WebResponse {
        const BUSY: &str = "Too many pages are being made. Try again.\n";
        let Some(turn) = self.api.turn(addresses.client()).await else { return busy(BUSY) };
        let (landing, is_ready) = (Arc::clone(&self.landing), self.lifecycle.is_ready());
        let html = spawn_blocking(move || {
            let html = landing.html(is_ready, addresses.local);
            drop(turn);
            html
        });
        let Ok(html) = html.await else { return text(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made.\n") };
        let mut response = with_body(StatusCode::OK, HTML, html.into());
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Under the prefix of statsd_exporter the health checks use that program's words too, for whoever compares the text.
    fn product(&self) -> &'static str {
        match self.prefix {
            Prefix::Bridge => "Statsd Bridge",
            Prefix::Exporter => "Statsd Exporter",
        }
    }
}

fn exposition_response((wanted, coding): (Negotiated, ContentCoding), body: WebBody) -> WebResponse {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    // Made of constants; it is always valid in a header.
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(wanted.content_type()).unwrap_or(TEXT));
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(coding) = coding.header() {
        headers.insert(CONTENT_ENCODING, coding);
    }
    response
}

/// What is asked for may be had a little later.
fn busy(words: &'static str) -> WebResponse {
    told_when(text(StatusCode::SERVICE_UNAVAILABLE, words))
}

fn json(reply: ApiReply) -> WebResponse {
    told_when(with_body(reply.status, JSON, reply.body))
}

/// A response that says when to try again, if it is one of a server that is busy, and ends the connection of a client that is too slow.
fn told_when(mut response: WebResponse) -> WebResponse {
    match response.status() {
        StatusCode::SERVICE_UNAVAILABLE => drop(response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"))),
        StatusCode::REQUEST_TIMEOUT => drop(response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"))),
        _ => {}
    }
    response
}
