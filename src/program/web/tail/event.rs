//! A line and the counts as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::program::wall_time::time_of;
use crate::tap::{Mapping, TapCounts, TappedLine};

/// A line. `line_base64` is there only if the line is not UTF-8; `line` shows U+FFFD then.
pub(super) fn line(line: &TappedLine) -> Value {
    let (millis, time) = time_of(line.at);
    let verdict = &line.verdict;
    let rejected: Vec<_> = verdict.rejected.iter().map(|(reason, count)| json!({ "reason": reason, "count": count })).collect();
    let text = String::from_utf8_lossy(&line.line);
    let mut document = json!({
        "time": time,
        "time_ms": millis,
        "source": line.source.to_string(),
        "line": text,
        "verdict": verdict.as_str(),
        "recorded": verdict.recorded,
        "dropped": verdict.dropped,
        "rejected": rejected,
    });
    if let Some(document) = document.as_object_mut() {
        if matches!(text, std::borrow::Cow::Owned(_)) {
            document.insert("line_base64".to_owned(), STANDARD.encode(&line.line).into());
        }
        if let Some(of_mapping) = &line.mapping {
            document.extend(mapping(of_mapping));
        }
    }
    document
}

fn mapping(mapping: &Mapping) -> Map<String, Value> {
    let labels: Map<_, _> = mapping.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let rule = mapping.rule.as_ref().map(|(number, position)| json!({ "number": number, "position": position }));
    let parts =
        [("family", json!(mapping.family)), ("labels", Value::Object(labels)), ("rule", json!(rule)), ("folded", mapping.is_folded.into())];
    parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect()
}

/// The counts since the stream began.
pub(super) fn counts(counts: &TapCounts) -> Value {
    json!({
        "arrived": counts.arrived,
        "unexamined": counts.unexamined,
        "matched": counts.matched,
        "filtered": counts.filtered,
        "shown": counts.shown,
        "missed": counts.missed,
    })
}
