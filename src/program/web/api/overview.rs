//! `/api/v1/overview`: the way of a datagram with rates and losses, charts of the last 15 minutes, and what needs attention.

mod way;

use serde_json::{Value, json};

use self::way::way;
use super::configuration::failed_reloads;
use super::growth::forecasts;
use super::live::Live;
use super::problems::Problems;
use super::reply::ApiData;
use crate::program::history::{Measure, Past, Point, reasons};
use crate::program::tools::advice;
use crate::program::wall_time::time_of;

/// Milliseconds without a scrape or a push after which the overview says so.
const UNREAD_MS: u64 = 5 * 60 * 1000;

/// The report.
pub(in crate::program::web) fn overview(live: &Live) -> ApiData {
    let now = (live.clock)();
    let past = live.history.until_now(&live.bridge, now);
    let limits = live.bridge.registry().limits();
    let started = live.bridge.options().started.unwrap_or(past.began);
    ApiData::new(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time_ms": time_of(now).0,
        "uptime_seconds": now.millis_since(started) / 1000,
        "seconds_since_read": past.last_read.map(|read| now.millis_since(read) / 1000),
        "unread": is_unread(&past),
        "failed_reloads": failed_reloads(&live.configuration),
        "full_in_seconds": forecasts(&past, limits),
        "way": way(&past, has_push(live)),
        "losses": losses(&past),
        "charts": charts(&past, limits.series as f64, has_push(live)),
        "problems": problems(&Problems::of(&live.bridge)),
    }))
}

fn has_push(live: &Live) -> bool {
    live.pushers.as_ref().is_some_and(|pushers| !pushers.targets().is_empty())
}

/// Whether there was no scrape and no push for 5 minutes.
fn is_unread(past: &Past) -> bool {
    past.now().is_some_and(|now| now.at.millis_since(past.last_read.unwrap_or(past.began)) >= UNREAD_MS)
}

/// The reasons of rejections that occurred, the most frequent of the last seconds first.
fn losses(past: &Past) -> Vec<Value> {
    let mut all: Vec<(f64, f64, &str)> = reasons()
        .enumerate()
        .map(|(place, reason)| {
            let total = past.now().map_or(0.0, |now| now.of_reason(place));
            (past.rate(|point| point.of_reason(place)).unwrap_or_default(), total, reason)
        })
        .filter(|(_, total, _)| *total > 0.0)
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.total_cmp(&a.1)));
    let entry = |(rate, total, reason)| json!({ "reason": reason, "rate": rate, "total": total, "advice": advice::of_reason(reason) });
    all.into_iter().map(entry).collect()
}

fn charts(past: &Past, series_limit: f64, has_push: bool) -> Vec<Value> {
    let lost = |point: &Point| {
        let all = [Measure::KernelDrops, Measure::ReceiveLosses, Measure::Malformed, Measure::Rejected, Measure::PushLosses];
        all.iter().map(|measure| point.of(*measure)).sum::<f64>()
    };
    let rate = |name: &str, title: &str, unit: &str, read: &dyn Fn(&Point) -> f64| json!({ "name": name, "title": title, "unit": unit, "latest": past.rate(read), "points": pairs(past.rates(read)) });
    let value = |name: &str, title: &str, unit: &str, limit: Option<f64>, read: &dyn Fn(&Point) -> f64| {
        let latest = past.now().map(read);
        json!({ "name": name, "title": title, "unit": unit, "latest": latest, "limit": limit, "points": pairs(past.values(read)) })
    };
    let per_minute = |point: &Point| point.of(Measure::Scrapes) * 60.0;
    let mut scrapes = rate("scrapes", "Scrapes", "per_minute", &per_minute);
    // A scrape is rarer than the points.
    scrapes["latest"] = past.rate_over(60_000, per_minute).into();
    let mut all = vec![
        rate("samples", "Samples", "per_second", &|point| point.of(Measure::Samples)),
        rate("losses", "Losses", "per_second", &lost),
        value("series", "Series", "count", Some(series_limit), &|point| point.of(Measure::Series)),
        scrapes,
        value("memory", "Memory", "bytes", None, &|point| point.of(Measure::MemoryBytes)),
        rate("cpu", "CPU", "cores", &|point| point.of(Measure::CpuSeconds)),
    ];
    if has_push {
        all.insert(4, rate("pushed", "Pushed samples", "per_second", &|point| point.of(Measure::Pushed)));
    }
    all
}

/// Points as `[age in seconds, value]`, rounded, because a chart of a few pixels needs no more.
fn pairs(points: Vec<(f64, f64)>) -> Vec<Value> {
    points.into_iter().map(|(age, value)| json!([age.round(), (value * 1000.0).round() / 1000.0])).collect()
}

fn problems(problems: &Problems) -> Value {
    json!({
        "rejections": problems.rejections,
        "limits": problems.limits,
        "conflicts": problems.conflicts,
        "unmapped": problems.unmapped,
        "more": problems.more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Bridge;
    use crate::options::Options;
    use crate::program::history::History;
    use crate::time::Timestamp;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    #[test]
    fn five_minutes_without_a_scrape_are_noted() {
        let (bridge, history) = (Bridge::of_program(Options::default()), History::default());
        let is_unread = |seconds| is_unread(&history.until_now(&bridge, at(seconds)));
        history.observe(&bridge, at(0));
        assert!(!is_unread(299) && is_unread(300));
        bridge.telemetry().scrape.pages.increment(1);
        history.observe(&bridge, at(310));
        assert!(!is_unread(609) && is_unread(610));
    }
}
