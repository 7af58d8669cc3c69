//! Maps path and method to a response. The only module that knows the paths.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use tokio::task::spawn_blocking;

use super::access::browsers::AllowedHosts;
use super::activity::Activity;
use super::addresses::ConnectionAddresses;
use super::api::{Api, ApiReply};
use super::lifecycle::Lifecycle;
use super::pages::assets::Asset;
use super::pages::{Pages, Visit};
use super::request_path::collapse_slashes;
use super::response::{NOSNIFF, TEXT, WebBody, WebResponse, text, with_body};
use super::scrape::coding::ContentCoding;
use super::scrape::endpoint::{NotAdmitted, ScrapeEndpoint};
use super::scrape::representation::Representation;
use super::tail::{TailEndpoint, TailFormat};
use super::view::View;
use crate::options::Prefix;
use crate::program::net::ClientAddress;
use crate::telemetry::{RequestRejection, Telemetry};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Pages load nothing but the bridge's own script, style sheet and data.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The resources of one listener.
pub(super) struct Router {
    /// The path of the exposition; starts with a slash.
    pub(super) telemetry_path: String,
    pub(super) lifecycle: Arc<Lifecycle>,
    /// Whether `/-/quit` and `/-/reload` are enabled.
    pub(super) enable_lifecycle: bool,
    /// Hosts that requests may name.
    pub(super) allowed_hosts: AllowedHosts,
    /// Whether every request that names another host is rejected.
    pub(super) check_hosts: bool,
    pub(super) telemetry: Arc<Telemetry>,
    /// Whether this listener serves the lifecycle and deletion paths.
    pub(super) serves_admin_paths: bool,
    /// Selects the product name in health check responses.
    pub(super) prefix: Prefix,
    pub(super) scrape: ScrapeEndpoint,
    pub(super) api: Api,
    pub(super) tail: TailEndpoint,
    pub(super) pages: Arc<Pages>,
}

/// The resource that a path identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Exposition,
    Page(View),
    Asset(Asset),
    /// The data of a view.
    Data(View),
    Healthy,
    Ready,
    Rules,
    Unmapped,
    Conflicts,
    Rejections,
    Proposals,
    Push,
    Tail,
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

    fn allow_header(self) -> HeaderValue {
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
            "/-/healthy" | "/health" | "/healthz" => Some(Resource::Healthy),
            "/-/ready" => Some(Resource::Ready),
            "/api/v1/rules" => Some(Resource::Rules),
            "/api/v1/unmapped" => Some(Resource::Unmapped),
            "/api/v1/cardinality" => Some(Resource::Data(View::Cardinality)),
            "/api/v1/conflicts" => Some(Resource::Conflicts),
            "/api/v1/rejections" => Some(Resource::Rejections),
            "/api/v1/sources" => Some(Resource::Data(View::Senders)),
            "/api/v1/push" => Some(Resource::Push),
            "/api/v1/events" => Some(Resource::Data(View::Events)),
            "/api/v1/ask" => Some(Resource::Data(View::Ask)),
            "/api/v1/configuration" => Some(Resource::Data(View::Configuration)),
            "/api/v1/scrapes" => Some(Resource::Data(View::Scrapes)),
            "/api/v1/proposals" => Some(Resource::Proposals),
            "/api/v1/tail" if self.serves_admin_paths => Some(Resource::Tail),
            "/api/v1/overview" => Some(Resource::Data(View::Overview)),
            "/api/v1/series" => Some(Resource::Data(View::Series)),
            "/api/v1/series/delete" if self.serves_admin_paths => Some(Resource::Delete),
            "/-/quit" if self.serves_admin_paths => Some(Resource::Quit),
            "/-/reload" if self.serves_admin_paths => Some(Resource::Reload),
            path => View::at(path).map(Resource::Page).or_else(|| Asset::at(path).map(Resource::Asset)),
        }
    }

    /// Whether a path is a health check.
    pub(super) fn is_probe(&self, path: &str) -> bool {
        matches!(self.find(path), Some(Resource::Healthy | Resource::Ready))
    }

    /// Answers one request. HEAD is answered like GET; hyper omits the body.
    pub(super) async fn respond(&self, request: Request<Incoming>, addresses: ConnectionAddresses, activity: Arc<Activity>) -> WebResponse {
        // Only `/api/v1/series/delete` reads the body.
        let (request, body) = request.into_parts();
        let Some(resource) = self.find(&collapse_slashes(request.uri.path())) else {
            return text(StatusCode::NOT_FOUND, "Not found.\n");
        };
        if !resource.allows(&request.method) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.\n");
            response.headers_mut().insert(ALLOW, resource.allow_header());
            return response;
        }
        if let Some(rejection) = self.reject_cross_site(resource, &request, &addresses) {
            return rejection;
        }
        let client = addresses.client();
        match resource {
            Resource::Exposition => self.exposition(&request, activity).await,
            Resource::Page(view) => self.page(view, &request, addresses).await,
            Resource::Asset(asset) => asset_response(asset, &request.headers),
            Resource::Data(view) => json(self.api.view(view, request.uri.query(), client).await),
            Resource::Healthy => text(StatusCode::OK, format!("{} is Healthy.\n", self.product_name())),
            Resource::Ready if self.lifecycle.is_ready() => text(StatusCode::OK, format!("{} is Ready.\n", self.product_name())),
            Resource::Ready => text(StatusCode::SERVICE_UNAVAILABLE, format!("{} is not Ready.\n", self.product_name())),
            Resource::Rules => json(self.api.rules(client).await),
            Resource::Unmapped => json(self.api.unmapped(client).await),
            Resource::Conflicts => json(self.api.conflicts(client).await),
            Resource::Rejections => json(self.api.rejections(client).await),
            Resource::Proposals => json(self.api.proposals(client).await),
            Resource::Push => json(self.api.push(client).await),
            Resource::Tail => self.tail(&request, activity),
            Resource::Delete => json(self.api.delete(&request, body, addresses).await),
            Resource::Quit | Resource::Reload if !self.enable_lifecycle => {
                text(StatusCode::FORBIDDEN, "Lifecycle API is not enabled; start the bridge with --web.enable-lifecycle.\n")
            }
            Resource::Quit => {
                self.lifecycle.request_quit();
                text(StatusCode::OK, "Requesting termination... Goodbye!")
            }
            Resource::Reload => self.reload(client).await,
        }
    }

    /// Rejects a request that changes state and that a browser may have sent for another website.
    fn reject_cross_site(&self, resource: Resource, request: &Parts, addresses: &ConnectionAddresses) -> Option<WebResponse> {
        let is_read = request.method == Method::GET || request.method == Method::HEAD;
        if is_read || !self.allowed_hosts.may_be_cross_site(&request.uri, &request.headers, addresses.local) {
            return None;
        }
        self.telemetry.web.request_rejected(RequestRejection::CrossSite);
        Some(match resource {
            Resource::Delete => json(ApiReply::cross_site()),
            _ => text(
                StatusCode::FORBIDDEN,
                "Cross-site requests are rejected. A reverse proxy must pass on the Host header; --web.allowed-hosts adds names of the bridge.\n",
            ),
        })
    }

    /// Rejects a request whose host is not one of the bridge's, if this listener checks hosts.
    pub(super) fn reject_foreign_host(&self, uri: &Uri, headers: &HeaderMap, addresses: &ConnectionAddresses) -> Option<WebResponse> {
        if !self.check_hosts || addresses.local.is_none() || self.allowed_hosts.allow(uri, headers, addresses.local) {
            return None;
        }
        self.telemetry.web.request_rejected(RequestRejection::ForeignHost);
        Some(text(StatusCode::FORBIDDEN, "Host is not allowed; see --web.allowed-hosts.\n"))
    }

    async fn exposition(&self, request: &Parts, activity: Arc<Activity>) -> WebResponse {
        let format = self.scrape.negotiate(&request.headers, request.uri.query());
        let Some(coding) = ContentCoding::of(&request.headers) else {
            return text(StatusCode::NOT_ACCEPTABLE, "Accept-Encoding allows none of the supported encodings: gzip, zstd, identity.\n");
        };
        let representation = Representation { format, coding };
        // HEAD renders nothing: rendering marks new counters as shown.
        if request.method == Method::HEAD {
            return exposition_response(representation, Either::Left(Full::default()));
        }
        match self.scrape.begin(representation, &request.headers, activity).await {
            Ok(body) => exposition_response(representation, Either::Right(Either::Left(body))),
            Err(NotAdmitted) => busy("Too many scrapes in progress. Try again.\n"),
        }
    }

    fn tail(&self, request: &Parts, activity: Arc<Activity>) -> WebResponse {
        let query = request.uri.query();
        if request.method == Method::HEAD {
            return self.tail.format(query).map_or_else(json, |format| tail_response(format, Either::Left(Full::default())));
        }
        let begun = self.tail.begin(query, activity);
        begun.map_or_else(json, |(format, body)| tail_response(format, Either::Right(Either::Right(body))))
    }

    async fn reload(&self, client: ClientAddress) -> WebResponse {
        let Some(_turn) = self.api.turn(client).await else { return busy("Too many requests are waiting. Try again.\n") };
        match self.lifecycle.reload().await {
            Ok(()) => text(StatusCode::OK, "Requesting reload"),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload the mapping files:\n{error}\n")),
        }
    }

    async fn page(&self, view: View, request: &Parts, addresses: ConnectionAddresses) -> WebResponse {
        let Some(turn) = self.api.turn(addresses.client()).await else { return busy("Too many requests are waiting. Try again.\n") };
        let at_root = !collapse_slashes(request.uri.path()).starts_with("/ui/");
        let query = request.uri.query().map(str::to_owned);
        let visit = Visit { view, query, at_root, is_ready: self.lifecycle.is_ready(), address: addresses.local };
        let pages = Arc::clone(&self.pages);
        let html = spawn_blocking(move || {
            let html = pages.html(&visit);
            drop(turn);
            html
        });
        let Ok((status, html)) = html.await else { return text(StatusCode::INTERNAL_SERVER_ERROR, "Failed to render the page.\n") };
        let mut response = with_body(status, HTML, html.into());
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// With statsd_exporter's metric prefix, health checks use that program's name, because scripts may compare the text.
    fn product_name(&self) -> &'static str {
        match self.prefix {
            Prefix::Bridge => "Statsd Bridge",
            Prefix::Exporter => "Statsd Exporter",
        }
    }
}

fn exposition_response(representation: Representation, body: WebBody) -> WebResponse {
    let content_type = HeaderValue::try_from(representation.format.content_type());
    debug_assert!(content_type.is_ok(), "content types consist of constants that are valid in a header");
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(TEXT));
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(coding) = representation.coding.header() {
        headers.insert(CONTENT_ENCODING, coding);
    }
    response
}

fn tail_response(format: TailFormat, body: WebBody) -> WebResponse {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        match format {
            TailFormat::Events => HeaderValue::from_static("text/event-stream"),
            TailFormat::Json => HeaderValue::from_static("application/x-ndjson"),
        },
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would otherwise collect the stream before it sends any of it.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// An asset, which a browser may keep: pages name it with its version.
fn asset_response(asset: Asset, headers: &HeaderMap) -> WebResponse {
    let tag = format!("\"{}\"", asset.version());
    let is_known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|tags| tags.contains(&tag));
    let mut response = if is_known {
        let mut response = with_body(StatusCode::NOT_MODIFIED, TEXT, Bytes::new());
        response.headers_mut().remove(CONTENT_LENGTH);
        response
    } else {
        with_body(StatusCode::OK, HeaderValue::from_static(asset.content_type()), Bytes::from_static(asset.text().as_bytes()))
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (ETAG, tag)));
    response
}

/// 503 with `Retry-After`.
fn busy(message: &'static str) -> WebResponse {
    with_status_headers(text(StatusCode::SERVICE_UNAVAILABLE, message))
}

fn json(reply: ApiReply) -> WebResponse {
    with_status_headers(with_body(reply.status, JSON, reply.body))
}

/// Adds `Retry-After` to a 503, and `Connection: close` to a 408.
fn with_status_headers(mut response: WebResponse) -> WebResponse {
    let header = match response.status() {
        StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
        StatusCode::REQUEST_TIMEOUT => Some((CONNECTION, HeaderValue::from_static("close"))),
        _ => None,
    };
    response.headers_mut().extend(header);
    response
}
