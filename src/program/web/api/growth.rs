//! New series and rates of families, and when limits are reached, as JSON.

use serde_json::{Map, Value, json};

use super::reply::time_of;
use crate::options::Limits;
use crate::program::family_history::{Growth, MINUTES};
use crate::program::history::{Measure, Past};
use crate::registry::FamilyKind;

/// Milliseconds over which growth is taken for a forecast.
const FORECAST_MS: u64 = 5 * 60_000;

/// The part of a limit that makes a forecast worth reading before the growth of 5 minutes is known.
const MUCH: f64 = 0.2;

/// Seconds beyond which a forecast says nothing.
const FORECAST_SECONDS: f64 = 86_400.0;

/// The new series of a family by minutes; null if the family is not followed.
pub(super) fn new_series(growth: Option<&Growth>) -> Value {
    let Some(growth) = growth else { return Value::Null };
    let by_minutes = MINUTES.iter().zip(growth.new).map(|(minutes, new)| (format!("{minutes}m"), json!(new)));
    let since = growth.since.and_then(|since| time_of(since).1);
    by_minutes.chain([("since".to_owned(), json!(since))]).collect::<Map<_, _>>().into()
}

/// What a rate is about; `None` for a kind without one.
pub(super) const fn rate_of(kind: &FamilyKind) -> Option<&'static str> {
    match kind {
        FamilyKind::Counter => Some("increase"),
        FamilyKind::Histogram { .. } | FamilyKind::Summary(_) => Some("observations"),
        FamilyKind::Gauge | FamilyKind::Set => None,
    }
}

/// The numbers that have a limit, with the seconds until they reach it at the growth of the last 5 minutes; null if they do not grow, or
/// reach it only after a day; and in the first 5 minutes unless a fifth of the limit is used.
pub(super) fn forecasts(past: &Past, limits: &Limits) -> Value {
    let all = [
        ("series", Measure::Series, limits.series),
        ("series_bytes", Measure::SeriesBytes, limits.series_bytes),
        ("families", Measure::Families, limits.families),
    ];
    all.into_iter()
        .map(|(name, measure, limit)| (name.to_owned(), json!(seconds_until(past, measure, limit as f64))))
        .collect::<Map<_, _>>()
        .into()
}

fn seconds_until(past: &Past, measure: Measure, limit: f64) -> Option<f64> {
    let (newest, oldest) = (past.now()?, past.points.first()?);
    let now = newest.of(measure);
    // At the start everything is new.
    if newest.at.millis_since(oldest.at) < FORECAST_MS && now < limit * MUCH {
        return None;
    }
    let rate = past.rate_over(FORECAST_MS, |point| point.of(measure)).filter(|rate| *rate > 0.0)?;
    Some(((limit - now).max(0.0) / rate).round()).filter(|seconds| *seconds <= FORECAST_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Bridge;
    use crate::options::Options;
    use crate::program::history::History;
    use crate::time::Timestamp;

    #[test]
    fn a_limit_is_forecast_at_the_growth_of_five_minutes() {
        let at = |seconds: u64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        let (bridge, history) = (Bridge::of_program(Options::default()), History::default());
        let mut worker = bridge.worker();
        let seconds = |limit, second| seconds_until(&history.until_now(&bridge, at(second)), Measure::Series, limit);
        assert_eq!(seconds(100.0, 0), None, "nothing is known yet");
        worker.ingest(b"a:1|c", at(0));
        history.observe(&bridge, at(0));
        worker.ingest(b"a:1|c|#k:x", at(9));
        assert_eq!((seconds(100.0, 10), seconds(5.0, 10)), (None, Some(30.0)), "at the start everything is new");
        let (bridge, history) = (Bridge::of_program(Options::default()), History::default());
        let mut worker = bridge.worker();
        let seconds = |limit, second| seconds_until(&history.until_now(&bridge, at(second)), Measure::Series, limit);
        for second in (0..400).step_by(5) {
            worker.ingest(format!("a:1|c|#k:{second}").as_bytes(), at(second));
            history.observe(&bridge, at(second));
        }
        assert_eq!(seconds(180.0, 395), Some(500.0), "80 series, and one each 5 s");
        assert_eq!((seconds(70.0, 395), seconds(1e9, 395)), (Some(0.0), None));
        history.observe(&bridge, at(700));
        assert_eq!(seconds(180.0, 1_000), None, "it does not grow any more");
    }
}
