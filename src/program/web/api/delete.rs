//! `POST /api/v1/series/delete`: series that match a selector go at once, or with `dry_run=true` are only counted.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::parameters::Parameters;
use super::{Mistake, Reply, in_turn, success};
use crate::program::web::connection::accept::Site;
use crate::registry::Family;
use crate::selector::Selector;

/// Bytes of a form.
const FORM_BYTES: usize = 64 << 10;

/// Selectors of one request.
const SELECTORS: usize = 10;

/// What is to go.
struct Deletion {
    selectors: Vec<Selector>,
    dry_run: bool,
}

/// The answer to a request with its parameters in the query, in a form, or in both.
pub(in crate::program::web) async fn delete(site: &Arc<Site>, request: &Parts, body: Incoming, peer: Option<SocketAddr>) -> Reply {
    if !site.options.enable_admin_api {
        let text = "Admin APIs are disabled: start the bridge with --web.enable-admin-api to delete series.";
        return Mistake::new(StatusCode::FORBIDDEN, "unavailable", text).into();
    }
    match asked(request, body).await {
        Ok(deletion) => in_turn(site, move |site| carry_out(site, &deletion, peer)).await,
        Err(mistake) => mistake.into(),
    }
}

async fn asked(request: &Parts, body: Incoming) -> Result<Deletion, Mistake> {
    if is_of_another_site(&request.headers) {
        return Err(Mistake::new(StatusCode::FORBIDDEN, "unavailable", "A page of another site may not delete series."));
    }
    let form = form(&request.headers, body).await?;
    let query = request.uri.query().unwrap_or_default();
    let parameters = Parameters::read(&[query, &form], &["match[]", "match", "dry_run"])?;
    let selectors: Vec<&str> = parameters.all("match[]").chain(parameters.all("match")).collect();
    if selectors.is_empty() {
        return Err(Mistake::bad("No match[] parameter provided: write match[]=SELECTOR, such as match[]=requests_total{user=\"u1\"}."));
    }
    if selectors.len() > SELECTORS {
        return Err(Mistake::bad(format!("A request has at most {SELECTORS} selectors, this one {}.", selectors.len())));
    }
    let read = |text: &&str| Selector::parse(text).map_err(|why| Mistake::bad(format!("invalid parameter \"match[]\": {why}")));
    let dry_run = match parameters.last("dry_run") {
        None | Some("false" | "0") => false,
        Some("true" | "1") => true,
        Some(other) => return Err(Mistake::bad(format!("dry_run is {other:?}; write dry_run=true or dry_run=false."))),
    };
    Ok(Deletion { selectors: selectors.iter().map(read).collect::<Result<_, _>>()?, dry_run })
}

/// A browser says from where a form was sent. Another site's page must not delete what its reader may.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let Some(origin) = headers.get(ORIGIN).map(text) else { return false };
    let host = headers.get(HOST).map(text).unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, origin)| !origin.eq_ignore_ascii_case(&host))
}

async fn form(headers: &HeaderMap, body: Incoming) -> Result<String, Mistake> {
    let bytes = Limited::new(body, FORM_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Mistake::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_data", format!("A form has at most {FORM_BYTES} bytes."))
        } else {
            Mistake::bad("The body could not be read.")
        }
    })?;
    let bytes = bytes.to_bytes();
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !bytes.is_empty() && !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let text = "A body is a form, with Content-Type: application/x-www-form-urlencoded.";
        return Err(Mistake::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_data", text));
    }
    String::from_utf8(bytes.into()).map_err(|_| Mistake::bad("The form is not UTF-8."))
}

/// Takes as long as there are series; not for an async thread.
fn carry_out(site: &Site, Deletion { selectors, dry_run }: &Deletion, peer: Option<SocketAddr>) -> Result<Value, Mistake> {
    let families = site.bridge.registry().families();
    if let Some(mistake) = selectors.iter().flat_map(Selector::names).find_map(|name| names_a_line(name, &families)) {
        return Err(mistake);
    }
    let wanted = |name: &str, labels: &[(&str, String)]| selectors.iter().any(|selector| selector.matches(name, labels));
    let deleted = site.bridge.delete_series(&wanted, *dry_run);
    if !dry_run {
        let texts: Vec<String> = selectors.iter().map(ToString::to_string).collect();
        let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
        tracing::info!(%peer, matching = texts.join(" or "), series = deleted.series, "series deleted on request");
    }
    Ok(success(json!({ "dry_run": dry_run, "series": deleted.series, "examples": deleted.examples })))
}

/// `x_sum` is a line of the histogram `x`, and no series of its own.
fn names_a_line(name: &str, families: &[Arc<Family>]) -> Option<Mistake> {
    let exists = |name: &str| families.iter().find(|family| family.name().as_str() == name);
    if exists(name).is_some() {
        return None;
    }
    let parts = ["_bucket", "_sum", "_count"].into_iter().filter_map(|suffix| Some((suffix, name.strip_suffix(suffix)?)));
    let (family, kind) = parts.into_iter().find_map(|(suffix, part)| {
        let family = exists(part)?;
        family.kind().suffixes().contains(&suffix).then(|| (part, family.kind().as_str()))
    })?;
    Some(Mistake::bad(format!(
        "{name} is a line of the {kind} {family}, whose series go as a whole: write {family} in place of {name}, without le or quantile."
    )))
}
