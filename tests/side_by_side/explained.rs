//! Every kind of difference between the two programs, with the reason in its row of docs/migrating.md.

use regex::Regex;

use super::Outcome;
use crate::peers;

/// A kind of difference.
struct Explained {
    /// The first cell of its row in docs/migrating.md.
    row: &'static str,
    /// A pattern for the lines of the cases in which it can occur.
    lines: &'static str,
    /// A pattern for the mapping file. Unless it is empty, the case must have one.
    rules: &'static str,
    /// A pattern for the texts of [`super::exposition::differences`].
    differs: &'static str,
}

const fn entry(row: &'static str, lines: &'static str, rules: &'static str, differs: &'static str) -> Explained {
    Explained { row, lines, rules, differs }
}

/// Only the bridge accepts the mapping file.
const STARTS: &str = r"^does not start \| starts";

/// A difference belongs to the first entry that fits.
#[rustfmt::skip]
const EXPLAINED: &[Explained] = &[
    entry(
        "sets, `s`",
        r"\|s(\||:|\n|$)",
        "",
        r"^type of .*: \S+ \| gauge$|^\w+(\{.*\})?: \S+ \| \d+$|^self (events_|samples_total|tags_total|tag_errors_total|sample_errors_total)",
    ),
    entry(
        "events, `_e{...}`, and service checks, `_sc`",
        r"^_(e\{|sc\|)",
        "",
        "^self ",
    ),
    entry(
        r"`\r` at the end of a line in a datagram",
        r"\r",
        "",
        r"^(type of )?\w+(\{.*\})?: |^self (events_|samples_total|tags_total|tag_errors_total|sample_errors_total)",
    ),
    entry(
        "fields of a line",
        r"\|[^|\n]*(\|[^|\n]*)*\|([^@#T|\n]|$|\||\n)|(\|[^|\n]*){6}",
        "",
        r"^(type of )?\w+(\{.*\})?: \S+ \| -?[^-\s]\S*$|^self (events_|samples_total|tags_total|tag_errors_total|sample_errors_total)",
    ),
    entry(
        "values `NaN`, `Inf`, hex, `1_000`",
        r"(?i)nan|inf|0x|\d_\d",
        "",
        r"^(type of )?\w+(\{.*\})?: [^-]\S* \| \S+$|^self (events_|samples_total|tags_total|tag_errors_total|sample_errors_total)",
    ),
    entry(
        "a value that becomes infinite by adding or by its rate",
        "e308",
        "",
        r": inf \| |^self (events_|samples_total|tags_total|tag_errors_total|sample_errors_total)",
    ),
    entry(
        "rates that are not numbers",
        r"@([^|\d.+-]|\||:|\n|$)",
        "",
        r#"reason="(invalid_sample_factor|malformed_component)""#,
    ),
    entry(
        "rates outside (0, 1] of timers, histograms and distributions",
        "@",
        "",
        r#"reason="invalid_sample_factor"\}: - \||^(type of )?\w+(\{.*\})?: \S+ \| -$|^self (events_|tags_|tag_errors)"#,
    ),
    entry(
        "`@0.01` on a timer",
        r"@0?\.\d",
        "",
        r#"^self events_(total\{type="observer"|unmapped_total)|^\w+_(count|sum)(\{.*\})?: [\d.]+ \| [\d.]+$"#,
    ),
    entry(
        "a line with several faults",
        "[|:]",
        "",
        r"^self (sample_errors_total.*|tags_total: \d+ \| -|tag_errors_total: - \| \d+)$",
    ),
    entry(
        "`events_conflict_total`",
        "",
        "",
        r#"^self events_error_total\{reason="conflict"\}: - \| "#,
    ),
    entry(
        "labels `le`, `quantile`, `__*`",
        r"__|\|#(le|quantile):",
        "",
        r#"^(ends|fails every scrape) \| works|exported_(le|quantile)=|\{(.*,)?(le|quantile)="[^"]*"(,.*)?\}: \S+ \| -$|_(sum|count)\{le="#,
    ),
    entry(
        "labels `le`, `quantile`, `__*`",
        "",
        r"\n +(le|quantile|__\w+):",
        r"^(ends|fails every scrape) \| works",
    ),
    entry(
        r"`a]b[:1\|c`, a bracket that closes before it opens",
        r"\][^\n:]*\[",
        "",
        r"^ends \| works",
    ),
    entry(
        r"a line whose name is only tags, `,k=v:1\|c`",
        r"(^|\n)[,#\[]",
        "",
        r"^fails every scrape \| works",
    ),
    entry(
        "names of self-metrics",
        "",
        r#"name: "?(statsd_|process_)"#,
        r"^fails every scrape \| works",
    ),
    entry(
        r"`x:1\|ms`, then `x_count:1\|ms`",
        r"_count:1\|ms",
        "",
        r"^fails every scrape \| works",
    ),
    entry(
        "one name with two help texts",
        "",
        "help:",
        r"^fails every scrape \| works",
    ),
    entry(
        "`quantile: 1.5`, `.nan`; below 0",
        "",
        r"quantile: 1\.5",
        r"^fails every scrape \| works",
    ),
    entry(
        "`buckets: [-.inf, 1]`, `[1, .nan]`",
        "",
        r"\.inf|\.nan",
        r#"le="(-Inf|NaN)"\}: 0 \| -$"#,
    ),
    entry(
        r"`x:1\|g`, then `x_count:1\|g`, or `x_sum`, `x_bucket`",
        "_bucket",
        "",
        r"^(type of )?\w+_bucket: - \| |^self events_(conflict_total.*_bucket|total.*: - \| )",
    ),
    entry(
        r#"an empty label: `labels: {x: ""}`, or a capture of empty text"#,
        r"a\.:",
        r#"which: "\$1""#,
        r#"^a(\{which=""\})?: |^self events_(actions_total\{action="map"|unmapped)"#,
    ),
    entry(
        "a rule hidden by a longer one (`a.b.c`, then `a.b`)",
        "",
        r#""?a\.b\.c"?[\s\S]*"?a\.b"?\s"#,
        r"^(type of )?\w+: |^self events_",
    ),
    entry(
        "two rules with one `match`",
        "",
        r#"(match: "a\.b"|match: a\.b)[\s\S]*(match: "a\.b"|match: a\.b)"#,
        r"^(type of )?\w+(\{.*\})?: ",
    ),
    entry(
        r"`a.*:1\|c`, an asterisk in a name that is sent",
        r"\*",
        r"\$1",
        r#"^\w+\{.*="\*?"\}: "#,
    ),
    entry(
        r#"`events_actions_total{action="map"}`"#,
        "",
        "name:",
        r#"^self events_actions_total\{action="map"\}: "#,
    ),
    entry(
        "`$1_total`, `$10`, `%` in a template",
        "",
        r"\$\d+[\w$]|\$\$|%|\$\d",
        r"^(type of )?\w+(\{.*\})?: |^self events_",
    ),
    entry(
        r"one line with several samples, `a:1\|c:2\|g`, and a rule for one kind",
        r"\|c:\d+\|g",
        "match_metric_type",
        r"^foo\{",
    ),
    entry(
        "keys of a rule or a file that only the bridge has",
        "",
        r"(^|\n|[{,])[ -]*(syntax|prefix|unit|limits|match_tags|(keep|drop|rename|set)_labels|map_values|as|signed_gauges|total_suffix|strict_order|tests):|(^|\n)labels:|ttl: \{",
        STARTS,
    ),
    entry("a key of one character in `labels`", "", r#"(labels: \{|\n {4,})"?\w"?: "#, STARTS),
    entry(
        "old keys: `timer_type`, `buckets` and `quantiles` of a rule, `match_metric_type: timer`",
        "",
        r#"timer_type|match_metric_type: "?timer|(^|\n)[ -]{0,4}(buckets|quantiles):"#,
        STARTS,
    ),
];

/// Panics if a difference has no explanation, an explanation no difference, or an entry no row in the document. Otherwise returns how
/// many differences each entry explains.
pub fn check(outcomes: &[Outcome]) -> String {
    let document = std::fs::read_to_string(peers::repository().join("docs/migrating.md")).expect("the document is in the repository");
    let (mut uses, mut unexplained) = (vec![0; EXPLAINED.len()], Vec::new());
    let pattern = |text: &str| Regex::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let patterns: Vec<_> = EXPLAINED.iter().map(|entry| [entry.lines, entry.rules, entry.differs].map(pattern)).collect();
    for outcome in outcomes.iter().filter(|outcome| !outcome.differences.is_empty()) {
        let (lines, rules) = (outcome.case.text(), outcome.case.rules());
        let fits_case: Vec<bool> = EXPLAINED
            .iter()
            .zip(&patterns)
            .map(|(entry, [line, rule, _])| {
                line.is_match(&lines) && (entry.rules.is_empty() || (!rules.is_empty() && rule.is_match(&rules)))
            })
            .collect();
        for difference in &outcome.differences {
            match (0..EXPLAINED.len()).find(|nth| fits_case[*nth] && patterns[*nth][2].is_match(difference)) {
                Some(nth) => uses[nth] += 1,
                None => unexplained.push(format!("{} {:?} {lines:?}\n    {difference}", outcome.case.name, outcome.case.flags)),
            }
        }
    }
    let some = unexplained.iter().take(50).cloned().collect::<Vec<_>>().join("\n");
    assert!(unexplained.is_empty(), "{} differences have no explanation:\n{some}", unexplained.len());
    let idle: Vec<_> = EXPLAINED.iter().zip(&uses).filter(|(_, uses)| **uses == 0).map(|(entry, _)| (entry.row, entry.lines)).collect();
    assert!(idle.is_empty(), "explained, but does not occur: {idle:#?}");
    let absent: Vec<_> = EXPLAINED.iter().map(|entry| entry.row).filter(|row| !document.contains(&format!("\n| {row} |"))).collect();
    assert!(absent.is_empty(), "not a row of docs/migrating.md: {absent:#?}");
    EXPLAINED.iter().zip(&uses).map(|(entry, uses)| format!("{uses:>6}  {}\n", entry.row)).collect()
}
