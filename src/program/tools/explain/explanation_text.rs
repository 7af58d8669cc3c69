//! Formats an explanation as text. Must not use the bridge.

use std::fmt::Write as _;

use super::{Explained, Explanation, TriedRule};
use crate::mapping::tried::Outcome;
use crate::program::tools::advice;
use crate::program::tools::parsed_exposition::{ParsedFamily, row};

/// Limit of rules without a match that are shown.
const SHOWN: usize = 20;

/// The indentation of lines after the first line of a heading.
const INDENT: &str = "             ";

impl Explanation {
    /// The text output; with `all`, with all rules that were tried.
    pub(crate) fn to_text(&self, all: bool) -> String {
        let mut out = format!("{}\n", self.line);
        let several = self.samples.len() > 1;
        for (number, sample) in self.samples.iter().enumerate() {
            if several {
                let _ = writeln!(out, "  sample {} of {}", number + 1, self.samples.len());
            }
            match sample {
                Ok(explained) => explained.write(all, &mut out),
                Err(reason) => say("rejected", &format!("{reason}: {}", advice::of_reason(reason)), &mut out),
            }
        }
        match self.reading {
            "empty" => say("read as", "an empty line", &mut out),
            "event" => say("read as", "a DogStatsD event", &mut out),
            "service_check" => say("read as", "a DogStatsD service check", &mut out),
            _ => {}
        }
        for (at, (name, part)) in self.stated.iter().enumerate() {
            say(if at == 0 { "parts" } else { "" }, &format!("{name} {part}"), &mut out);
        }
        let said = |reason: &str| self.samples.iter().any(|sample| matches!(sample, Err(known) if *known == reason));
        for (reason, advice) in self.rejected.iter().filter(|(reason, _)| !said(reason)) {
            say("rejected", &format!("{reason}: {advice}"), &mut out);
        }
        self.write_families(&mut out);
        self.write_counters(&mut out);
        out
    }

    fn write_families(&self, out: &mut String) {
        for (name, family) in &self.families {
            say("becomes", &format!("{} {name}", family.kind), out);
            rows(family).iter().enumerate().for_each(|(at, row)| say(if at == 0 { "exposition" } else { "" }, row, out));
        }
        let recorded = self.counters.iter().any(|(series, _)| series.contains("events_total{"));
        if self.families.is_empty() && recorded {
            say("exposition", "no change: the series has this value already", out);
        }
    }

    /// Counters of lost, skipped or changed samples.
    fn write_counters(&self, out: &mut String) {
        let words = ["errors_total", "error_total", "limited_", "conflict_", "unknown_", "renamed_"];
        let shown = self.counters.iter().filter(|(series, _)| words.iter().any(|word| series.contains(word)));
        shown.enumerate().for_each(|(at, (series, by))| say(if at == 0 { "counted" } else { "" }, &format!("{series} +{by}"), out));
    }
}

impl Explained {
    fn write(&self, all: bool, out: &mut String) {
        let mut read = format!("name {}, kind {}, value {}", self.name, self.kind, self.value);
        if self.weight != 1.0 {
            let _ = write!(read, ", counts {} times", self.weight);
        }
        say("read as", &read, out);
        if !self.tags.is_empty() {
            let tags: Vec<String> = self.tags.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
            say("tags", &tags.join(" "), out);
        }
        if self.tag_errors > 0 {
            say("", &format!("tags skipped: {}; a tag needs a key and a value, or must be a valid label name", self.tag_errors), out);
        }
        if self.unknown_fields > 0 {
            say("", &format!("unknown fields skipped: {}", self.unknown_fields), out);
        }
        self.write_rules(all, out);
        if !self.captures.is_empty() {
            let captures: Vec<String> = self.captures.iter().enumerate().map(|(at, text)| format!("${} = {text:?}", at + 1)).collect();
            say("captures", &captures.join(", "), out);
        }
        match self.converted {
            Some(number) if self.value.parse() != Ok(number) => say("converted", &format!("{} -> {number}", self.value), out),
            None if self.dropped => say("dropped", "by the rule", out),
            _ => {}
        }
        self.effect.iter().for_each(|effect| say("effect", effect, out));
    }

    fn write_rules(&self, all: bool, out: &mut String) {
        let mut failed: Vec<&TriedRule> = self.tried.iter().filter(|tried| !tried.has_matched()).collect();
        failed.sort_by_key(|tried| std::cmp::Reverse(tried.nearness()));
        let shown: Vec<usize> = failed.iter().take(if all { usize::MAX } else { SHOWN }).map(|tried| tried.number).collect();
        let tried: Vec<&TriedRule> = self.tried.iter().filter(|tried| tried.has_matched() || shown.contains(&tried.number)).collect();
        let width = tried.iter().map(|tried| tried.pattern.chars().count()).max().unwrap_or(0).min(60);
        let digits = tried.iter().map(|tried| tried.number.to_string().len()).max().unwrap_or(1);
        for (at, rule) in tried.iter().enumerate() {
            let mark = if rule.outcome == Outcome::Matched { ">" } else { " " };
            let (number, pattern, outcome) = (rule.number, &rule.pattern, &rule.outcome);
            let line = format!("{mark} {number:>digits$}  {pattern:width$}  {outcome}  ({})", rule.position);
            say(if at == 0 { "rules" } else { "" }, &line, out);
        }
        let hidden = failed.len() - shown.len().min(failed.len());
        if hidden > 0 {
            say("", &format!("  and {hidden} more that do not match; --all shows them"), out);
        }
        if !self.tried.iter().any(|tried| tried.outcome == Outcome::Matched) {
            let what = if self.tried.is_empty() { "no rules" } else { "no rule matches" };
            say(if tried.is_empty() { "rules" } else { "" }, &format!("{what}: name and tags are used as sent"), out);
        }
    }
}

/// The lines of a family. Of its buckets, only the first one above 0 is shown, with the number of the others.
fn rows(family: &ParsedFamily) -> Vec<String> {
    let is_bucket = |series: &str| family.kind == "histogram" && series.contains("_bucket{");
    let mut rows = Vec::new();
    let above_zero = family.rows.iter().filter(|(series, value)| is_bucket(series) && value != "0").count();
    let mut is_first = true;
    for (series, value) in &family.rows {
        if !is_bucket(series) {
            rows.push(row(series, value));
        } else if value != "0" && is_first {
            is_first = false;
            let more = if above_zero > 1 { format!("   and {} higher buckets", above_zero - 1) } else { String::new() };
            rows.push(row(series, value) + &more);
        }
    }
    rows
}

fn say(head: &str, text: &str, out: &mut String) {
    let _ = writeln!(out, "  {head:width$}{text}", width = INDENT.len() - 2);
}
