//! `/api/v1/cardinality`: series against their limits, the families that have the most, and who hit which limit. Modelled after
//! Prometheus' `/api/v1/status/tsdb`.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::parameters::Parameters;
use super::{Mistake, Reply, in_turn, success, time_of};
use crate::program::web::connection::accept::Site;
use crate::registry::{Cardinality, FamilyReport, Limited};

/// Families that are listed, and how many may be asked for.
const FAMILIES: usize = 10;
const MOST_FAMILIES: usize = 1000;

/// The answer to a query `limit=N`.
pub(in crate::program::web) async fn cardinality(site: &Arc<Site>, query: Option<&str>) -> Reply {
    match limit(query) {
        Ok(limit) => in_turn(site, move |site| Ok(success(report(&site.bridge.cardinality(limit))))).await,
        Err(mistake) => mistake.into(),
    }
}

fn limit(query: Option<&str>) -> Result<usize, Mistake> {
    let parameters = Parameters::read(&[query.unwrap_or_default()], &["limit"])?;
    let Some(text) = parameters.last("limit") else { return Ok(FAMILIES) };
    let number = text.parse().ok().filter(|number| (1..=MOST_FAMILIES).contains(number));
    number.ok_or_else(|| {
        let text = format!("limit is {text:?}; write a whole number from 1 to {MOST_FAMILIES}, such as limit={FAMILIES}.");
        Mistake::new(StatusCode::BAD_REQUEST, "bad_data", text)
    })
}

fn report(all: &Cardinality) -> Value {
    json!({
        "totals": {
            "series": all.series,
            "series_limit": all.series_limit,
            "series_bytes": all.series_bytes,
            "series_bytes_limit": all.series_bytes_limit,
            "families": all.families,
            "families_limit": all.families_limit,
            "resting_series": all.resting,
        },
        "families": all.top.iter().map(family).collect::<Vec<_>>(),
        "families_kept_out": all.limited.iter().map(|hit| limited(hit)).collect::<Vec<_>>(),
    })
}

fn family(family: &FamilyReport) -> Value {
    let labels = family.labels.iter().map(|label| json!({ "name": label.name, "values": label.values, "examples": label.examples }));
    json!({
        "name": family.name,
        "type": family.kind,
        "series": family.series,
        "series_bytes": family.bytes,
        "labels": labels.collect::<Vec<_>>(),
        "limits_hit": family.limited.iter().map(|hit| limited(hit)).collect::<Vec<_>>(),
    })
}

/// A limit that was hit.
fn limited(hit: &Limited) -> Value {
    let (millis, text) = time_of(hit.first);
    json!({
        "limit": hit.limit.as_str(),
        "label": *hit.label,
        "action": hit.action.as_str(),
        "samples": hit.samples(),
        "distinct_values_refused": hit.distinct().map(|distinct| distinct.round() as u64),
        "examples": hit.examples(),
        "first_hit": text,
        "first_hit_ms": millis,
        "first_source": hit.source.to_string(),
    })
}
