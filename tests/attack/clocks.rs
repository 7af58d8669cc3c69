//! The wall clock changes by two days while the bridge runs, forwards and backwards, as when a machine with a wrong clock gets the
//! time from the network.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::{Launch, Running, request};
use crate::peers;

/// Two days, in seconds.
const WRONG_BY: f64 = 172_800.0;

/// The tolerance of comparisons, in seconds: longer than any test takes, and far less than two days.
const NEAR: f64 = 3_600.0;

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// A bridge whose wall clock differs by the offset in the file `clock`.
fn launch(library: &Path, clock: &Path, state: &Path) -> Launch {
    Launch::new()
        .env("LD_PRELOAD", &library.display().to_string())
        .env("FAKETIME_TIMESTAMP_FILE", &clock.display().to_string())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .arg(format!("--state.file={}", state.display()))
        .arg("--state.max-age=1h")
        .arg("--ttl.gauges=1h")
        .arg("--ttl.counters=1h")
        .arg("--exemplars.tag=trace")
        .arg("--web.created-lines=true")
        .arg("--statsd.observer-type=summary")
}

/// The number at the end of the first line with this beginning.
fn last_number(text: &str, beginning: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(beginning)).unwrap_or_else(|| panic!("no {beginning} in {text}"));
    line.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number in {line}"))
}

fn openmetrics(bridge: &Running) -> String {
    let answer = request(bridge.web, "GET", "/metrics", &[("Accept", "application/openmetrics-text;version=1.0.0")]);
    answer.expect("an exposition").text()
}

fn is_near(time: f64, other: f64) -> bool {
    (time - other).abs() < NEAR
}

fn the_clock_is_corrected(library: &Path, ahead: f64) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (clock, state) = (folder.path().join("clock"), folder.path().join("state"));
    fs::write(&clock, format!("{ahead:+}\n")).expect("the file is written");
    let bridge = launch(library, &clock, &state).start();
    bridge.send("early_total:1|c|#trace:a\nquantiles:5|h");
    bridge.page_at(2);
    let created = last_number(&openmetrics(&bridge), "early_created");
    assert!(is_near(created, seconds() + ahead), "the bridge uses the wrong clock until it changes: {created}");

    fs::write(&clock, "+0\n").expect("the file is written");
    crate::harness::until("the bridge logs the change", || bridge.process.log().contains("the wall clock was set").then_some(()));
    bridge.send("late_total:2|c|#trace:b\ngauge:7|g");
    bridge.page_at(4);
    let text = openmetrics(&bridge);
    assert_eq!(last_number(&text, "early_created"), created, "a changed created time would be a counter reset");
    assert!(is_near(last_number(&text, "late_created"), seconds()), "{text}");
    for series in ["early_total", "late_total"] {
        assert!(is_near(last_number(&text, series), seconds()), "the exemplar of {series}: {text}");
    }
    // No series expired, and the summary's window still has the earlier observation.
    assert!(text.contains("quantiles{quantile=\"0.5\"} 5"), "{text}");
    bridge.stop();

    let again = launch(library, &clock, &state).start();
    let log = again.process.log();
    assert!(log.contains("series were restored"), "{log}");
    let text = openmetrics(&again);
    for line in ["early_total 1.0", "late_total 2.0", "gauge 7.0", "quantiles{quantile=\"0.5\"} 5"] {
        assert!(text.lines().any(|of| of.starts_with(line)), "{line} in {text}");
    }
    let (again_created, now) = (last_number(&text, "early_created"), seconds());
    if created < now {
        assert_eq!(again_created, created);
    } else {
        assert!(is_near(again_created, now) && again_created <= now, "a created time must not be later than the start: {again_created}");
    }
    again.stop();
}

#[apply(test)]
fn a_clock_that_was_slow_is_corrected() {
    let library = peers::libfaketime();
    the_clock_is_corrected(&library, -WRONG_BY);
}

#[apply(test)]
fn a_clock_that_was_fast_is_corrected() {
    let library = peers::libfaketime();
    the_clock_is_corrected(&library, WRONG_BY);
}
