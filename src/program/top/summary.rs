//! The summary that is printed once: limits, families, senders, conflicts, rejections and push targets as lines of text.
//!
//! ```text
//! readout     queries the API
//! push_lines  push targets
//! line        lines and numbers
//! ```

mod line;
mod push_lines;
mod readout;

use serde_json::Value;

use self::line::{add, bytes, grouped, head, number};
pub(super) use self::readout::Readout;
use super::plain::Plain;
use super::wording::{joined, list, text};

/// The width of a bar, in characters.
const BAR_WIDTH: usize = 24;

/// All lines.
pub(super) fn lines(now: &Readout) -> Vec<Plain> {
    let mut lines = Vec::new();
    totals(&now.cardinality["totals"], &mut lines);
    limits(now, &mut lines);
    families(now, &mut lines);
    senders(now, &mut lines);
    conflicts(&now.conflicts, &mut lines);
    rejections(now, &mut lines);
    push_lines::targets(&now.push, &mut lines);
    lines
}

fn totals(totals: &Value, lines: &mut Vec<Plain>) {
    for (name, key) in [("series", "series"), ("bytes", "series_bytes"), ("families", "families")] {
        let (used, limit) = (number(&totals[key]), number(&totals[format!("{key}_limit")]));
        let part = if limit == 0 { 0.0 } else { used as f64 / limit as f64 };
        let full = ((part * BAR_WIDTH as f64).round() as usize).min(BAR_WIDTH);
        let show = if key == "series_bytes" { bytes } else { grouped };
        let bar = format!("[{}{}]", "#".repeat(full), ".".repeat(BAR_WIDTH - full));
        add(lines, &format!("{name:<9} {bar} {:>5.1} %  {} of {}", part * 100.0, show(used), show(limit)));
    }
    let in_grace = number(&totals["resting_series"]);
    if in_grace > 0 {
        add(lines, &format!("expired   {} series in the grace period", grouped(in_grace)));
    }
}

/// The limits hit, each with its family; the family is empty for limits on new families.
fn hits(cardinality: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let of_families = list(&cardinality["families"]).flat_map(|family| list(&family["limits_hit"]).map(|hit| (text(&family["name"]), hit)));
    list(&cardinality["families_kept_out"]).map(|hit| ("", hit)).chain(of_families)
}

fn limits(now: &Readout, lines: &mut Vec<Plain>) {
    let mut all = hits(&now.cardinality).peekable();
    if all.peek().is_none() {
        return;
    }
    head("LIMITS HIT", lines);
    for (family, hit) in all {
        let samples = number(&hit["samples"]);
        let what = if family.is_empty() { "new families" } else { family };
        let label = text(&hit["label"]);
        let label = if label.is_empty() { String::new() } else { format!(" of label {label}") };
        let mut line = format!("{what}: {}{label}, {} ", text(&hit["limit"]), text(&hit["action"]));
        line.push_str(&in_samples(samples));
        if let Some(distinct) = hit["distinct_values_refused"].as_u64() {
            line.push_str(&format!(", about {} distinct", grouped(distinct)));
        }
        add(lines, &line);
        let first = (text(&hit["first_hit"]), text(&hit["first_source"]));
        add(lines, &format!("    first {} from {}", first.0, first.1));
        add(lines, &format!("    for example {}", joined(&hit["examples"])));
    }
}

fn families(now: &Readout, lines: &mut Vec<Plain>) {
    let all = || list(&now.cardinality["families"]);
    if all().next().is_none() {
        return;
    }
    // Senders choose the names, so the column width is limited.
    let width = all().map(|family| text(&family["name"]).chars().count()).max().unwrap_or(0).clamp(8, 48);
    head(&format!("{:<width$}  {:<9} {:>10} {:>10}  WIDEST LABELS", "FAMILY", "TYPE", "SERIES", "BYTES"), lines);
    for family in all() {
        let name = text(&family["name"]);
        let series = number(&family["series"]);
        let labels = list(&family["labels"]).take(3).map(|label| {
            let values = number(&label["values"]);
            format!("{} {} ({})", text(&label["name"]), grouped(values), joined(&label["examples"]))
        });
        let labels = labels.collect::<Vec<_>>().join("; ");
        let size = bytes(number(&family["series_bytes"]));
        let row = format!("{name:<width$}  {:<9} {:>10} {size:>10}  {labels}", text(&family["type"]), grouped(series));
        add(lines, &row);
    }
}

fn senders(now: &Readout, lines: &mut Vec<Plain>) {
    if list(&now.sources).next().is_none() {
        return;
    }
    let width = list(&now.sources).map(|sender| name_of_sender(sender).chars().count()).max().unwrap_or(0).clamp(8, 48);
    head(&format!("{:<width$}  {:>12} {:>12} {:>10}  REASONS", "SENDER", "LINES", "SAMPLES", "REJECTED"), lines);
    for sender in list(&now.sources) {
        let (name, received) = (name_of_sender(sender), number(&sender["lines"]));
        let reasons = || sender["rejected"].as_object().into_iter().flatten();
        let rejected: u64 = reasons().map(|(_, count)| number(count)).sum();
        let named = reasons().map(|(reason, count)| format!("{reason} {}", grouped(number(count)))).collect::<Vec<_>>().join(", ");
        let (received_text, samples) = (grouped(received), grouped(number(&sender["samples"])));
        let row = format!("{name:<width$}  {received_text:>12} {samples:>12} {:>10}  {named}", grouped(rejected));
        add(lines, &row);
        if sender["client_telemetry"].is_object() {
            add(lines, &client_telemetry(&sender["client_telemetry"]));
        }
    }
}

/// A sender with the short form of its container's id, which the tools of container runtimes accept.
fn name_of_sender(sender: &Value) -> String {
    let short = sender["container_id"].as_str().map(|id| id.get(..12).unwrap_or(id));
    short.map_or_else(|| text(&sender["source"]).to_owned(), |id| format!("{} container {id}", text(&sender["transport"])))
}

/// What the clients of a sender say they sent and dropped, and what was lost on the way from them.
fn client_telemetry(said: &Value) -> String {
    let [metrics, packets, sent_bytes] = ["metrics", "packets_sent", "bytes_sent"].map(|key| number(&said[key]));
    let mut line = format!("    clients sent {} metrics in {} packets of {}", grouped(metrics), grouped(packets), bytes(sent_bytes));
    let drops = said["packets_dropped"].as_object().into_iter().flatten().filter(|(_, count)| number(count) > 0);
    let drops: Vec<String> = drops.map(|(reason, count)| format!("{reason} {}", grouped(number(count)))).collect();
    if !drops.is_empty() {
        line.push_str(&format!(", dropped {}", drops.join(", ")));
    }
    let on_the_way = [("compared_datagrams", "datagrams"), ("compared_bytes", "bytes")].into_iter().find(|(key, _)| said[*key].is_object());
    if let Some((key, unit)) = on_the_way {
        let [sent, lost] = ["sent", "lost"].map(|of| number(&said[key][of]));
        let part = if sent == 0 { 0.0 } else { lost as f64 / sent as f64 };
        line.push_str(&format!("; lost on the way {} of {} {unit} ({:.1} %)", grouped(lost), grouped(sent), part * 100.0));
    }
    line
}

fn conflicts(conflicts: &Value, lines: &mut Vec<Plain>) {
    if list(conflicts).next().is_none() {
        return;
    }
    head("CONFLICTS", lines);
    for conflict in list(conflicts) {
        let title = format!("{} ({})", text(&conflict["name"]), text(&conflict["reason"]));
        let samples = in_samples(number(&conflict["samples"]));
        add(lines, &format!("{title}: {}; {samples}", text(&conflict["policy"])));
        for (word, side) in [("kept", &conflict["kept"]), ("came", &conflict["came"])].iter().filter(|(_, side)| side.is_object()) {
            let example = side["sample"].as_str().or_else(|| side["help"].as_str()).unwrap_or_default();
            let (kind, name) = (text(&side["type"]), text(&side["name"]));
            add(lines, &format!("    {word} {kind} {name}: {example}   from {}", text(&side["source"])));
        }
    }
}

fn rejections(now: &Readout, lines: &mut Vec<Plain>) {
    if list(&now.rejections).next().is_none() {
        return;
    }
    head("REJECTED", lines);
    for rejection in list(&now.rejections) {
        let (reason, count) = (text(&rejection["reason"]), number(&rejection["count"]));
        add(lines, &format!("{reason}: {}", grouped(count)));
        let last = &rejection["last"];
        if last.is_object() {
            let line = format!("    last {} from {}: {}", text(&last["time"]), text(&last["source"]), text(&last["input"]));
            add(lines, &line);
        }
    }
}

fn in_samples(number: u64) -> String {
    if number == 1 { "1 sample".to_owned() } else { format!("{} samples", grouped(number)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn readout(samples: u64) -> Readout {
        let hit = json!({
            "limit": "values_per_label", "label": "user", "action": "fold", "samples": samples, "distinct_values_refused": 49_900,
            "examples": ["u100", "u\u{1b}[2J"], "first_hit": "2023-11-14T22:13:20Z", "first_source": "udp 127.0.0.1:5",
        });
        let login = json!({
            "name": "login", "type": "counter", "series": 100, "series_bytes": 23_552, "limits_hit": [hit],
            "labels": [{ "name": "user", "values": 100, "examples": ["u0", "u1"] }, { "name": "site", "values": 1, "examples": ["eu"] }],
        });
        let kept_out = json!({ "limit": "families", "label": "", "action": "refuse", "samples": 3, "distinct_values_refused": null });
        let totals = json!({
            "series": 190_000, "series_limit": 200_000, "series_bytes": 23_552, "series_bytes_limit": 134_217_728,
            "families": 1, "families_limit": 0, "resting_series": 7,
        });
        let conflict = json!({
            "name": "up", "reason": "type", "policy": "rejected: for a reason", "samples": 2,
            "kept": { "name": "up", "type": "counter", "sample": "up:1|c", "source": "udp 127.0.0.1:5" },
            "came": { "name": "up", "type": "gauge", "sample": "up:1|g\n", "source": "unknown" },
        });
        let last = json!({ "input": "x\\x1b", "source": "udp 127.0.0.1:5", "time": "2023-11-14T22:13:20Z" });
        let sender = json!({
            "source": "udp 127.0.0.1", "lines": 2 * samples, "samples": 5,
            "rejected": { "malformed_line": samples, "source_lines_limit": 1 },
            "client_telemetry": {
                "metrics": 70_000, "packets_sent": 2_000, "bytes_sent": 20_480, "packets_dropped": { "queue": 0, "writer": 3, "other": 1 },
                "compared_datagrams": { "intervals": 9, "sent": 1_500, "arrived": 1_350, "lost": 150 }, "compared_bytes": null,
            },
        });
        let rejection = json!({ "reason": "malformed_line", "count": samples, "last": last });
        Readout {
            cardinality: json!({ "totals": totals, "families": [login], "families_kept_out": [kept_out] }),
            push: Value::Null,
            conflicts: json!([conflict]),
            rejections: json!([rejection]),
            sources: json!([sender]),
        }
    }

    #[test]
    fn a_container_is_shown_by_its_short_id() {
        let id = "0123456789abcdef".repeat(4);
        let sender = json!({ "source": format!("unixgram container {id}"), "transport": "unixgram", "container_id": id });
        assert_eq!(name_of_sender(&sender), "unixgram container 0123456789ab");
        let process = json!({ "source": "unix pid 7 uid 0", "transport": "unix", "container_id": null, "pid": 7 });
        assert_eq!(name_of_sender(&process), "unix pid 7 uid 0");
    }

    #[test]
    fn lines_show_offenders_and_replace_control_characters() {
        let all = lines(&readout(49_900));
        let all = all.iter().map(Plain::as_str).collect::<Vec<_>>().join("\n");
        assert_eq!(
            all,
            "series    [#######################.]  95.0 %  190,000 of 200,000
bytes     [........................]   0.0 %  23.0 KiB of 128.0 MiB
families  [........................]   0.0 %  1 of 0
expired   7 series in the grace period

LIMITS HIT
new families: families, refuse 3 samples
    first  from
    for example
login: values_per_label of label user, fold 49,900 samples, about 49,900 distinct
    first 2023-11-14T22:13:20Z from udp 127.0.0.1:5
    for example u100, u\u{fffd}[2J

FAMILY    TYPE          SERIES      BYTES  WIDEST LABELS
login     counter          100   23.0 KiB  user 100 (u0, u1); site 1 (eu)

SENDER                LINES      SAMPLES   REJECTED  REASONS
udp 127.0.0.1        99,800            5     49,901  malformed_line 49,900, source_lines_limit 1
    clients sent 70,000 metrics in 2,000 packets of 20.0 KiB, dropped other 1, writer 3; lost on the way 150 of 1,500 datagrams (10.0 %)

CONFLICTS
up (type): rejected: for a reason; 2 samples
    kept counter up: up:1|c   from udp 127.0.0.1:5
    came gauge up: up:1|g\u{fffd}   from unknown

REJECTED
malformed_line: 49,900
    last 2023-11-14T22:13:20Z from udp 127.0.0.1:5: x\\x1b"
        );
    }

    #[test]
    fn unexpected_json_is_shown_without_a_panic() {
        for odd in [json!(null), json!([]), json!({ "families": [1, {}], "families_kept_out": [null], "totals": 7 })] {
            let (cardinality, sources) = (odd.clone(), json!([odd, 1, { "rejected": 7, "client_telemetry": { "compared_bytes": {} } }]));
            let (conflicts, rejections) = (json!([odd]), json!([odd, 1]));
            let now = Readout { cardinality, conflicts, rejections, sources, push: json!(null) };
            assert!(lines(&now).len() >= 3);
        }
    }
}
