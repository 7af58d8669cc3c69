//! A line as text for a terminal. Senders choose names and lines, so characters that would control the terminal are escaped.

use serde_json::Value;

use super::document::text;
use crate::program::plain_text::is_hidden;

/// One line: time, verdict, sender, the line as sent, and what it became.
pub(super) fn line(line: &Value, has_colour: bool) -> String {
    let verdict = text(line, "verdict");
    let reasons: Vec<_> = list(&line["rejected"]).map(|rejected| text(rejected, "reason")).collect();
    let word = if reasons.is_empty() { verdict.to_owned() } else { format!("{verdict}: {}", reasons.join(", ")) };
    let word = format!("{word:<10}");
    let word = if has_colour { format!("\x1b[{}m{word}\x1b[0m", colour(verdict)) } else { word };
    let time = text(line, "time").split_once('T').map_or("", |(_, time)| time);
    let became = became(line);
    let arrow = if became.is_empty() { "" } else { "  -> " };
    format!("{time}  {word}  {}  {}{arrow}{}", escaped(text(line, "source")), escaped(text(line, "line")), escaped(&became))
}

/// The series and the rule.
fn became(line: &Value) -> String {
    let mut parts = Vec::new();
    if let Some(family) = line["family"].as_str() {
        let labels = line["labels"].as_object().map(|labels| {
            labels.iter().map(|(name, value)| format!("{name}={:?}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(",")
        });
        let labels = labels.filter(|labels| !labels.is_empty()).map(|labels| format!("{{{labels}}}"));
        parts.push(format!("{family}{}", labels.unwrap_or_default()));
    }
    if line["folded"] == true {
        parts.push("folded by a limit".to_owned());
    }
    if let Some(number) = line["rule"]["number"].as_u64() {
        parts.push(format!("rule {number} ({})", text(&line["rule"], "position")));
    }
    parts.join("  ")
}

/// The parameter of the SGR sequence.
fn colour(verdict: &str) -> &'static str {
    match verdict {
        "recorded" => "32",
        "rejected" => "1;31",
        "partly_recorded" => "31",
        _ => "33",
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Escapes control characters and characters that are invisible or change the direction of text.
fn escaped(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_shows_what_it_became() {
        let document = json!({
            "time": "2026-01-02T03:04:05.678Z", "source": "udp 127.0.0.1:9", "line": "shop.x.paid:1|c", "verdict": "recorded", "rejected": [],
            "family": "paid_total", "labels": {"shop": "x"}, "rule": {"number": 2, "position": "rules.yml:4:3"}, "folded": false,
        });
        let expected = "03:04:05.678Z  recorded    udp 127.0.0.1:9  shop.x.paid:1|c  -> paid_total{shop=\"x\"}  rule 2 (rules.yml:4:3)";
        assert_eq!(line(&document, false), expected);
        assert!(line(&document, true).contains("\x1b[32mrecorded  \x1b[0m"));
        let document =
            json!({ "time": "T1Z", "source": "unknown", "line": "bad", "verdict": "rejected", "rejected": [{"reason": "malformed_line"}] });
        assert_eq!(line(&document, false), "1Z  rejected: malformed_line  unknown  bad");
    }

    #[test]
    fn nothing_controls_the_terminal() {
        let hostile = "\u{1b}[2J\u{7}\u{202e}abc\r\n\u{9b}31m\u{feff}";
        let document = json!({ "time": "T1Z", "source": hostile, "line": hostile, "verdict": "recorded", "family": hostile, "labels": {hostile: hostile} });
        let shown = line(&document, false);
        assert!(shown.chars().all(|c| !c.is_control() && !"\u{202e}\u{feff}".contains(c)), "{shown:?}");
        assert!(shown.contains("\\u{1b}[2J\\u{7}\\u{202e}abc\\r\\n"), "{shown}");
    }
}
