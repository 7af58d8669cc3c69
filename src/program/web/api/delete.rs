//! `POST /api/v1/series/delete`: deletes the series that match any selector, or only counts them with `dry_run=true`.

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
use crate::registry::{FamilyKind, SET_TIME_SUFFIX};
use crate::selector::Selector;

/// The maximum size of a form.
const MAX_FORM_BYTES: usize = 64 << 10;

/// The maximum number of selectors of one request.
const MAX_SELECTORS: usize = 10;

/// A deletion request.
pub(super) struct Deletion {
    selectors: Vec<Selector>,
    dry_run: bool,
}

/// The error if deletion is not enabled.
pub(super) fn disabled() -> ApiError {
    let text = "admin APIs disabled; start the bridge with --web.enable-admin-api";
    ApiError::new(StatusCode::FORBIDDEN, "unavailable", text)
}

/// Reads the parameters of a request from its query and its form.
pub(super) fn read(request: &Parts, form: &str) -> Result<Deletion, ApiError> {
    let query = request.uri.query().unwrap_or_default();
    let parameters = Parameters::read(&[query, form], &["match[]", "match", "dry_run"])?;
    let selectors: Vec<&str> = parameters.all("match[]").chain(parameters.all("match")).collect();
    if selectors.is_empty() {
        return Err(ApiError::bad_data(
            "no match[] parameter provided; add match[]=SELECTOR, for example match[]=requests_total{user=\"u1\"}",
        ));
    }
    if selectors.len() > MAX_SELECTORS {
        let text = format!("too many match[] parameters: {} given, at most {MAX_SELECTORS} allowed", selectors.len());
        return Err(ApiError::bad_data(text));
    }
    let parse = |text: &&str| Selector::parse(text).map_err(|error| ApiError::bad_data(format!("invalid parameter \"match[]\": {error}")));
    let dry_run = match parameters.last("dry_run") {
        None | Some("false" | "0") => false,
        Some("true" | "1") => true,
        Some(other) => {
            let text = format!("invalid parameter \"dry_run\": {other:?} is neither true nor false");
            return Err(ApiError::bad_data(text));
        }
    };
    Ok(Deletion { selectors: selectors.iter().map(parse).collect::<Result<_, _>>()?, dry_run })
}

/// Reads the form in the body of a request, for at most `timeout`.
pub(super) async fn form(headers: &HeaderMap, body: Incoming, timeout: Duration) -> Result<String, ApiError> {
    let bytes = read_body(body, MAX_FORM_BYTES, timeout).await.map_err(|error| match error {
        BodyError::TooLong => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_data", format!("the form is larger than {MAX_FORM_BYTES} bytes"))
        }
        BodyError::TooSlow => ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "timed out while reading the request body"),
        BodyError::Broken => ApiError::bad_data("failed to read the request body"),
    })?;
    if !bytes.is_empty() && !is_form(headers) {
        let text = "unsupported content type; a request body must be application/x-www-form-urlencoded";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_data", text));
    }
    String::from_utf8(bytes).map_err(|_| ApiError::bad_data("the form is not valid UTF-8"))
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| {
        let media_type = value.split_once(';').map_or(value, |(media_type, _)| media_type);
        media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

impl Deletion {
    /// Deletes or counts the series. Its cost is proportional to the number of series; do not call it on an async thread.
    pub(super) fn carry_out(&self, bridge: &Bridge, peer: Option<SocketAddr>) -> Result<ApiData, ApiError> {
        let kind_of = |name: &str| bridge.registry().kind_of(name);
        let has_set_times = bridge.options().gauges_set_time;
        if let Some(error) =
            self.selectors.iter().flat_map(Selector::names).find_map(|name| reject_sample_name(name, &kind_of, has_set_times))
        {
            return Err(error);
        }
        let matches = |name: &str, labels: &[(&str, String)]| self.selectors.iter().any(|selector| selector.matches(name, labels));
        let deleted = bridge.delete_series(&matches, self.dry_run);
        if !self.dry_run {
            let texts: Vec<String> = self.selectors.iter().map(ToString::to_string).collect();
            let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
            tracing::info!(%peer, matching = texts.join(" or "), series = deleted.series, "series deleted over HTTP");
        }
        Ok(ApiData::new(json!({ "dry_run": self.dry_run, "series": deleted.series, "examples": deleted.examples })))
    }
}

/// Rejects a name such as `x_sum` of a histogram `x`, which is not a series that can be deleted on its own. `has_set_times`: neither are
/// the times at which gauges were set.
fn reject_sample_name(name: &str, kind_of: &dyn Fn(&str) -> Option<FamilyKind>, has_set_times: bool) -> Option<ApiError> {
    if kind_of(name).is_some() {
        return None;
    }
    let parts = ["_bucket", "_sum", "_count"].into_iter().filter_map(|suffix| Some((suffix, name.strip_suffix(suffix)?)));
    let part_of = parts.into_iter().find_map(|(suffix, part)| {
        let kind = kind_of(part)?;
        kind.suffixes().contains(&suffix).then(|| (part, kind.as_str()))
    });
    let of_time = name.strip_suffix(SET_TIME_SUFFIX).filter(|_| has_set_times);
    let time_of = || of_time.filter(|gauge| kind_of(gauge) == Some(FamilyKind::Gauge));
    let (family, kind) = part_of.or_else(|| Some((time_of()?, "gauge")))?;
    Some(ApiError::bad_data(format!(
        "{name} is part of the {kind} {family}, whose series are deleted as a whole; select {family} instead, without le or quantile"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_gauge_is_deleted_with_its_gauge_only_if_it_is_exposed() {
        let kind_of = |name: &str| (name == "level").then_some(FamilyKind::Gauge);
        let is_rejected = |name, has_set_times| reject_sample_name(name, &kind_of, has_set_times).is_some();
        assert!(is_rejected("level_last_set_timestamp_seconds", true));
        assert!(!is_rejected("level_last_set_timestamp_seconds", false));
        assert!(!is_rejected("other_last_set_timestamp_seconds", true) && !is_rejected("level_sum", true) && !is_rejected("level", true));
    }
}
