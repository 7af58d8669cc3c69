//! Path and method to response. The only place that knows the paths.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use super::api;
use super::pages::landing;
use super::pages::problems::Troubles;
use super::scrape::body::{self, PageBody, Times};
use super::scrape::coding::Coding;
use crate::exposition::Negotiated;
use crate::options::Prefix;
use crate::program::web::activity::Pulse;
use crate::program::web::connection::accept::{Ends, Site};

/// A response with its whole body, or with a page that comes in pieces.
pub(super) type Answer = Response<Either<Full<Bytes>, PageBody>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Page,
    Landing,
    Healthy,
    Ready,
    Rules,
    Unmapped,
    Cardinality,
    Conflicts,
    Delete,
    Quit,
    Reload,
}

impl Place {
    fn find(path: &str, site: &Site) -> Option<Self> {
        match path {
            path if path == site.telemetry_path => Some(Self::Page),
            "/" => Some(Self::Landing),
            "/-/healthy" | "/health" | "/healthz" => Some(Self::Healthy),
            "/-/ready" => Some(Self::Ready),
            "/api/v1/rules" => Some(Self::Rules),
            "/api/v1/unmapped" => Some(Self::Unmapped),
            "/api/v1/cardinality" => Some(Self::Cardinality),
            "/api/v1/conflicts" => Some(Self::Conflicts),
            "/api/v1/series/delete" if !site.options.admin_elsewhere => Some(Self::Delete),
            "/-/quit" if site.options.enable_lifecycle && !site.options.admin_elsewhere => Some(Self::Quit),
            "/-/reload" if site.options.enable_lifecycle && !site.options.admin_elsewhere => Some(Self::Reload),
            _ => None,
        }
    }

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

/// The answer to one request, HEAD as GET: the server leaves the body out.
pub(super) async fn answer(site: &Arc<Site>, request: Request<Incoming>, ends: Ends) -> Answer {
    // The body is dropped unread where nothing takes one.
    let (request, body) = request.into_parts();
    let Some(place) = Place::find(request.uri.path(), site) else {
        return text(StatusCode::NOT_FOUND, "Not found.\n");
    };
    if !place.allows(&request.method) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.\n");
        refusal.headers_mut().insert(ALLOW, place.allow());
        return refusal;
    }
    match place {
        Place::Page => metrics(site, &request).await,
        Place::Landing => landing_page(site, ends.local),
        Place::Healthy => text(StatusCode::OK, format!("{} is Healthy.\n", product(site))),
        Place::Ready if site.state.is_ready() => text(StatusCode::OK, format!("{} is Ready.\n", product(site))),
        Place::Ready => text(StatusCode::SERVICE_UNAVAILABLE, format!("{} is not Ready.\n", product(site))),
        Place::Rules => json(api::rules(&site.bridge).into()),
        Place::Unmapped => json(api::unmapped(&site.bridge).into()),
        Place::Cardinality => json(api::cardinality(site, request.uri.query()).await),
        Place::Conflicts => json(api::conflicts(&site.bridge).into()),
        Place::Delete => json(api::delete(site, &request, body, ends.peer).await),
        Place::Quit => {
            site.state.quit.send_replace(true);
            text(StatusCode::OK, "Requesting termination... Goodbye!")
        }
        Place::Reload => {
            site.state.reload.notify_one();
            text(StatusCode::OK, "Requesting reload")
        }
    }
}

async fn metrics(site: &Arc<Site>, request: &Parts) -> Answer {
    let wanted = body::negotiated(&request.headers, site.bridge.telemetry().prefix());
    let Some(coding) = Coding::of(&request.headers) else {
        return text(StatusCode::NOT_ACCEPTABLE, "There is no coding that Accept-Encoding allows: gzip, zstd and identity there are.\n");
    };
    // A page is not made for nobody to see: making it marks new counters as shown.
    if request.method == Method::HEAD {
        return page_answer((wanted, coding), Either::Left(Full::default()));
    }
    let times = Times::of(&request.headers, site.options.turn_timeout);
    // Whoever serves a connection says how it does; without that, nothing can be cut.
    let pulse = request.extensions.get::<Arc<Pulse>>().cloned().unwrap_or_else(Pulse::new);
    match body::page(site, (wanted, coding), times, pulse).await {
        Ok(body) => page_answer((wanted, coding), Either::Right(body)),
        Err(body::Busy) => {
            let mut refusal = text(StatusCode::SERVICE_UNAVAILABLE, "Too many pages are being rendered. Try again.\n");
            refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            refusal
        }
    }
}

fn page_answer((wanted, coding): (Negotiated, Coding), body: Either<Full<Bytes>, PageBody>) -> Answer {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    // Made of constants; it is always a header's value.
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(wanted.content_type()).unwrap_or(TEXT));
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(coding) = coding.header() {
        headers.insert(CONTENT_ENCODING, coding);
    }
    answer
}

fn landing_page(site: &Site, local: Option<SocketAddr>) -> Answer {
    let html = landing::html(&landing::Facts {
        telemetry_path: &site.telemetry_path,
        ready: site.state.is_ready(),
        paste: site.options.paste.as_deref(),
        address: local,
        troubles: Troubles::of(&site.bridge),
    });
    let mut answer = with_body(StatusCode::OK, HTML, html.into());
    let headers = answer.headers_mut();
    headers
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Under the prefix of statsd_exporter the checks also say what that program says, for whoever compares the text.
fn product(site: &Site) -> &'static str {
    match site.bridge.telemetry().prefix() {
        Prefix::Bridge => "Statsd Bridge",
        Prefix::Exporter => "Statsd Exporter",
    }
}

fn json(reply: api::Reply) -> Answer {
    with_body(reply.status, JSON, reply.body)
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_body(status, TEXT, body.into())
}

fn with_body(status: StatusCode, kind: HeaderValue, body: Bytes) -> Answer {
    // Said here, because the server leaves it out where HEAD asks for an empty body.
    let length = HeaderValue::from(body.len());
    let mut answer = Response::new(Either::Left(Full::new(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_LENGTH, length);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    answer
}
