//! `POST /api/v1/series/delete`: deletes the series that match a selector, or with `dry_run=true` only counts them.
//! Knows neither who may delete nor when.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use serde_json::json;

use super::parameters::Parameters;
use super::reply::{ApiData, ApiError};
use crate::bridge::Bridge;
use crate::program::web::request_body::{BodyError, read_body};
use crate::registry::FamilyKind;
use crate::selector::Selector;

/// Bytes of a form; a longer one is rejected.
const MAX_FORM_BYTES: usize = 64 << 10;

/// Selectors of one request.
const MAX_SELECTORS: usize = 10;

/// What a request asks for.
pub(super) struct Deletion {
    selectors: Vec<Selector>,
    dry_run: bool,
}

/// The error where deletion is not enabled.
pub(super) fn disabled() -> ApiError {
    let text = "Admin APIs are disabled: start the bridge with --web.enable-admin-api to delete series.";
    ApiError::new(StatusCode::FORBIDDEN, "unavailable", text)
}

/// Reads the parameters of a request from its query and its form.
pub(super) fn read(request: &Parts, form: &str) -> Result<Deletion, ApiError> {
    let query = request.uri.query().unwrap_or_default();
    let parameters = Parameters::read(&[query, form], &["match[]", "match", "dry_run"])?;
    let selectors: Vec<&str> = parameters.all("match[]").chain(parameters.all("match")).collect();
    if selectors.is_empty() {
        return Err(ApiError::bad_data(
            "No match[] parameter provided: write match[]=SELECTOR, such as match[]=requests_total{user=\"u1\"}.",
        ));
    }
    if selectors.len() > MAX_SELECTORS {
        return Err(ApiError::bad_data(format!("A request has at most {MAX_SELECTORS} selectors, this one {}.", selectors.len())));
    }
    let read = |text: &&str| Selector::parse(text).map_err(|why| ApiError::bad_data(format!("invalid parameter \"match[]\": {why}")));
    let dry_run = match parameters.last("dry_run") {
        None | Some("false" | "0") => false,
        Some("true" | "1") => true,
        Some(other) => return Err(ApiError::bad_data(format!("dry_run is {other:?}; write dry_run=true or dry_run=false."))),
    };
    Ok(Deletion { selectors: selectors.iter().map(read).collect::<Result<_, _>>()?, dry_run })
}

/// The form in the body of a request, which may take `limit` to come.
pub(super) async fn form(headers: &HeaderMap, body: Incoming, limit: Duration) -> Result<String, ApiError> {
    let bytes = read_body(body, MAX_FORM_BYTES, limit).await.map_err(|error| match error {
        BodyError::TooLong => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_data", format!("A form has at most {MAX_FORM_BYTES} bytes."))
        }
        BodyError::TooSlow => ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body came too slowly."),
        BodyError::Broken => ApiError::bad_data("The body could not be read."),
    })?;
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !bytes.is_empty() && !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let text = "A body is a form, with Content-Type: application/x-www-form-urlencoded.";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_data", text));
    }
    String::from_utf8(bytes).map_err(|_| ApiError::bad_data("The form is not UTF-8."))
}

impl Deletion {
    /// Deletes, or counts. Takes as long as there are series; not for an async thread.
    pub(super) fn carry_out(&self, bridge: &Bridge, peer: Option<SocketAddr>) -> Result<ApiData, ApiError> {
        let kind_of = |name: &str| bridge.registry().kind_of(name);
        if let Some(error) = self.selectors.iter().flat_map(Selector::names).find_map(|name| names_a_line(name, &kind_of)) {
            return Err(error);
        }
        let wanted = |name: &str, labels: &[(&str, String)]| self.selectors.iter().any(|selector| selector.matches(name, labels));
        let deleted = bridge.delete_series(&wanted, self.dry_run);
        if !self.dry_run {
            let texts: Vec<String> = self.selectors.iter().map(ToString::to_string).collect();
            let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
            tracing::info!(%peer, matching = texts.join(" or "), series = deleted.series, "series deleted on request");
        }
        Ok(ApiData::new(json!({ "dry_run": self.dry_run, "series": deleted.series, "examples": deleted.examples })))
    }
}

/// `x_sum` is a line of the histogram `x`, and no series of its own.
fn names_a_line(name: &str, kind_of: &dyn Fn(&str) -> Option<FamilyKind>) -> Option<ApiError> {
    if kind_of(name).is_some() {
        return None;
    }
    let parts = ["_bucket", "_sum", "_count"].into_iter().filter_map(|suffix| Some((suffix, name.strip_suffix(suffix)?)));
    let (family, kind) = parts.into_iter().find_map(|(suffix, part)| {
        let kind = kind_of(part)?;
        kind.suffixes().contains(&suffix).then(|| (part, kind.as_str()))
    })?;
    Some(ApiError::bad_data(format!(
        "{name} is a line of the {kind} {family}, whose series go as a whole: write {family} in place of {name}, without le or quantile."
    )))
}
