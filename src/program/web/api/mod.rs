//! `/api/v1/...`: what the bridge knows of rules, series and conflicts, as JSON in the envelope of Prometheus' own API.
//!
//! ```text
//! rules        rules in force, names without a rule
//! cardinality  which families and labels take the room, which limits were hit, and by whom
//! conflicts    names that mean something else already
//! delete       series that somebody wants gone
//!   parameters   of a query or a form
//! ```

mod cardinality;
mod delete;
mod name_conflicts;
mod parameters;
mod rule_use;

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

pub(in crate::program::web) use self::cardinality::cardinality;
pub(in crate::program::web) use self::delete::delete;
pub(in crate::program::web) use self::name_conflicts::conflicts;
pub(in crate::program::web) use self::rule_use::{rules, unmapped};
use super::scrape::body::Held;
use crate::program::web::connection::accept::Site;
use crate::time::Timestamp;

/// A status and a JSON document.
pub(in crate::program::web) struct Reply {
    pub(in crate::program::web) status: StatusCode,
    pub(in crate::program::web) body: Bytes,
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Self { status: StatusCode::OK, body: value.to_string().into() }
    }
}

/// Why there is no answer: in the envelope, with what to do instead.
#[derive(Debug)]
struct Mistake {
    status: StatusCode,
    /// Prometheus' word for it.
    kind: &'static str,
    text: String,
}

impl Mistake {
    fn new(status: StatusCode, kind: &'static str, text: impl Into<String>) -> Self {
        Self { status, kind, text: text.into() }
    }

    /// The request is wrong.
    fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_data", text)
    }
}

impl From<Mistake> for Reply {
    fn from(mistake: Mistake) -> Self {
        let body = json!({ "status": "error", "errorType": mistake.kind, "error": mistake.text });
        Self { status: mistake.status, body: body.to_string().into() }
    }
}

fn success(data: Value) -> Value {
    json!({ "status": "success", "data": data })
}

/// A time in both forms, milliseconds since 1970 and RFC 3339.
fn time_of(now: Timestamp) -> (u64, Option<String>) {
    let millis = now.as_millis();
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    (millis, date.and_then(|date| date.format(&Rfc3339).ok()))
}

/// Does what may take long with many series: on a blocking thread, a few at once. The answer holds its place until it is sent.
async fn in_turn(site: &Arc<Site>, work: impl FnOnce(&Site) -> Result<Value, Mistake> + Send + 'static) -> Reply {
    let waiting = timeout(site.options.turn_timeout, Arc::clone(&site.state.reports).acquire_owned());
    let Ok(Ok(place)) = waiting.await else {
        return Mistake::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Too many answers are being made. Try again.").into();
    };
    let site = Arc::clone(site);
    let made = spawn_blocking(move || work(&site).map(|value| Held::bytes(value.to_string().into(), place))).await;
    match made {
        Ok(Ok(body)) => Reply { status: StatusCode::OK, body },
        Ok(Err(mistake)) => mistake.into(),
        Err(_) => Mistake::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The answer could not be made.").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_both_forms() {
        let text = |millis| time_of(Timestamp::from_millis(millis));
        assert_eq!(text(1_700_000_000_123), (1_700_000_000_123, Some("2023-11-14T22:13:20.123Z".to_owned())));
        assert_eq!(text(0).1.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(text(u64::MAX).1, None, "beyond the calendar");
    }
}
