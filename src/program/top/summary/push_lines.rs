//! Formats the push targets of a readout as lines.

use serde_json::Value;

use super::line::{add, bytes, head, number};
use crate::program::top::plain::Plain;
use crate::program::top::wording::{list, text};

/// A line for each target, and its last error below. No lines without targets.
pub(super) fn targets(targets: &Value, lines: &mut Vec<Plain>) {
    if list(targets).next().is_none() {
        return;
    }
    let width = list(targets).map(|target| text(&target["name"]).chars().count()).max().unwrap_or(0).clamp(8, 48);
    head(&format!("{:<width$}  {:<8} {:>8} {:>12} {:>10}  STATE", "PUSH TARGET", "PROTOCOL", "QUEUED", "WRITTEN", "REJECTED"), lines);
    for target in list(targets) {
        let state = state(target);
        let samples = &target["samples"];
        let (written, rejected, queued) =
            (number(&samples["written"]), number(&samples["rejected"]), bytes(number(&target["queue"]["bytes"])));
        let (name, protocol) = (text(&target["name"]), target["protocol_in_use"].as_str().unwrap_or("-"));
        let row = format!("{name:<width$}  {protocol:<8} {queued:>8} {written:>12} {rejected:>10}  {state}");
        add(lines, &row);
        error_of(target).into_iter().for_each(|error| add(lines, &format!("  {error}")));
    }
}

/// What a target is doing.
fn state(target: &Value) -> String {
    let (wait, age) = (target["clock_wait_seconds"].as_f64().unwrap_or(0.0), target["queue"]["age_seconds"].as_f64().unwrap_or(0.0));
    match number(&target["failures"]) {
        _ if wait > 0.0 => format!("waits {wait:.0} s for the wall clock, which was set back"),
        0 if target["healthy"] == true => "ok".to_owned(),
        0 => "no success yet".to_owned(),
        failures => format!("{failures} failures in a row, oldest waits {age:.0} s"),
    }
}

/// The last answer of a target that fails, or else the last that rejected samples.
fn error_of(target: &Value) -> Option<String> {
    let (name, answer) = match (number(&target["failures"]) > 0, &target["last_answer"], &target["last_rejection"]) {
        (true, last, _) if last.is_object() => ("last answer", last),
        (false, _, rejection) if rejection.is_object() => ("last rejection", rejection),
        _ => return None,
    };
    let status = answer["status"].as_u64().map_or(String::new(), |status| format!("{status} "));
    Some(format!("{name} {}: {status}{}", text(&answer["time"]), text(&answer["text"])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(target: Value) -> Vec<String> {
        let mut lines = Vec::new();
        targets(&json!([target]), &mut lines);
        lines.into_iter().skip(2).map(|line| line.as_str().to_owned()).collect()
    }

    #[test]
    fn a_target_has_its_state_and_its_last_error() {
        let target = |failures: u64, wait: f64, rejection: Value| {
            json!({
                "name": "main", "protocol_in_use": "2.0", "healthy": failures == 0, "failures": failures, "clock_wait_seconds": wait,
                "last_answer": { "time": "T1", "status": 503, "text": "later" }, "last_rejection": rejection,
                "samples": { "written": 7, "rejected": 1 }, "queue": { "bytes": 20_480, "age_seconds": 31.0 },
            })
        };
        let good = "main      2.0      20.0 KiB            7          1  ";
        assert_eq!(shown(target(0, 0.0, Value::Null)), [format!("{good}ok")]);
        assert_eq!(shown(target(0, 60.0, Value::Null)), [format!("{good}waits 60 s for the wall clock, which was set back")]);
        let rejection = json!({ "time": "T0", "status": 400, "text": "out of\norder" });
        let expected = [format!("{good}ok"), "  last rejection T0: 400 out of\u{fffd}order".to_owned()];
        assert_eq!(shown(target(0, 0.0, rejection)), expected);
        let expected = [format!("{good}3 failures in a row, oldest waits 31 s"), "  last answer T1: 503 later".to_owned()];
        assert_eq!(shown(target(3, 0.0, Value::Null)), expected);
        assert!(shown(json!({ "queue": 7, "samples": [] })).len() == 1 && shown(json!(1)).len() == 1, "odd JSON");
        let mut none = Vec::new();
        targets(&json!([]), &mut none);
        assert!(none.is_empty());
    }
}
