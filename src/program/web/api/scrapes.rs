//! `/api/v1/scrapes`: who reads the expositions, how often, how long it takes, and what was cut; from the self-metrics.

use serde_json::{Value, json};

use super::live::Live;
use super::reply::ApiData;
use crate::program::history::Measure;
use crate::telemetry::{SelfFamily, SelfValue};

/// The self-metrics about scrapes and HTTP, by what their names contain.
const ABOUT: [&str; 3] = ["scrape", "http_", "page_"];

/// The report.
pub(super) fn scrapes(live: &Live) -> ApiData {
    let now = (live.clock)();
    let past = live.history.until_now(&live.bridge, now);
    let families = live.bridge.telemetry().families();
    let about: Vec<Value> = families.iter().filter(|family| ABOUT.iter().any(|part| family.name().contains(part))).flat_map(rows).collect();
    ApiData::new(json!({
        "path": live.telemetry_path,
        "seconds_since_read": past.last_read.map(|read| now.millis_since(read) / 1000),
        "per_minute": past.rate_over(60_000, |point| point.of(Measure::Scrapes) * 60.0),
        "total": past.now().map(|point| point.of(Measure::Scrapes)),
        "failed": past.now().map(|point| point.of(Measure::FailedScrapes)),
        "self_metrics": about,
    }))
}

/// The series of a family; of a histogram, its count and its mean.
fn rows(family: &SelfFamily) -> Vec<Value> {
    let row = |labels: &str, value: f64, what: &str| json!({ "name": family.name(), "labels": labels, "value": value, "of": what, "help": *family.head.help });
    let each = family.series.iter().flat_map(|series| match &series.value {
        SelfValue::Count(count) => vec![row(&series.labels, *count as f64, "")],
        SelfValue::Number(number) => vec![row(&series.labels, *number, "")],
        SelfValue::Histogram { buckets, sum } => {
            let count = buckets.last().map_or(0, |(_, count)| *count);
            let mean = if count == 0 { 0.0 } else { sum / count as f64 };
            vec![row(&series.labels, count as f64, "count"), row(&series.labels, mean, "mean")]
        }
    });
    each.collect()
}
