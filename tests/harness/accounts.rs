//! The accounting of lines and samples in an exposition.

use crate::page::Page;

/// The reasons of `sample_errors_total` that reject a whole line. The other reasons reject one sample.
const LINE_REASONS: [&str; 9] = [
    "malformed_line",
    "mixed_tagging_styles",
    "not_enough_parts_after_colon",
    "invalid_extended_aggregate_type",
    "line_too_long",
    "truncated_line",
    "source_lines_limit",
    "malformed_event",
    "malformed_service_check",
];

/// The prefix of the self-metrics of an exposition.
pub(super) fn own_prefix(page: &Page) -> &'static str {
    let prefixes = ["statsd_bridge_", "statsd_exporter_"];
    let found = prefixes.into_iter().find(|p| page.family(&format!("{p}lines_total")).is_some());
    found.expect("the page has the bridge's own metrics")
}

/// The value of the only series of a self-metric. Panics if there is none.
pub fn own(page: &Page, name: &str) -> f64 {
    page.value(&format!("statsd_bridge_{name}")).unwrap_or_else(|| panic!("no own metric {name}"))
}

/// The sum over the series of a self-metric, which may have labels. 0 without a series.
pub fn own_sum(page: &Page, name: &str) -> f64 {
    page.sum(&format!("statsd_bridge_{name}"))
}

/// Checks that each line and each sample is counted exactly once. Otherwise returns the sum that is wrong.
pub fn accounts(page: &Page) -> Result<(), String> {
    let prefix = own_prefix(page);
    let own = |name: &str| page.sum(&format!("{prefix}{name}"));
    let errors = |reason: &str| page.sum_where(&format!("{prefix}sample_errors_total"), "reason", reason);
    let equal = |what: &str, left: f64, right: f64| if left == right { Ok(()) } else { Err(format!("{what}: {left} != {right}")) };

    let line_errors: f64 = LINE_REASONS.iter().copied().map(errors).sum();
    let lines = own("lines_empty_total")
        + own("lines_parsed_total")
        + own("dogstatsd_events_total")
        + own("dogstatsd_service_checks_total")
        + line_errors;
    equal("lines = empty + parsed + events + service checks + refused", own("lines_total"), lines)?;

    let sample_errors = own("sample_errors_total") - line_errors;
    let dropped = page.sum_where(&format!("{prefix}events_actions_total"), "action", "drop");
    let samples = own("events_total") + sample_errors + own("events_error_total") + dropped;
    equal("samples = recorded + refused by the grammar + refused + dropped", own("samples_total"), samples)?;

    let conflicts = page.sum_where(&format!("{prefix}events_error_total"), "reason", "conflict");
    equal("conflicts by name = conflicts by reason", own("events_conflict_total"), conflicts)
}

#[apply(test)]
fn wrong_sums_are_found() {
    let counter = |name: &str, lines: &str| format!("# HELP {name} x\n# TYPE {name} counter\n{lines}");
    let page = |lines: u32, samples: u32, conflicts: u32| {
        let errors = "statsd_bridge_sample_errors_total";
        let conflict = "statsd_bridge_events_conflict_total";
        let text = counter("statsd_bridge_lines_total", &format!("statsd_bridge_lines_total {lines}\n"))
            + &counter("statsd_bridge_lines_parsed_total", "statsd_bridge_lines_parsed_total 2\n")
            + &counter("statsd_bridge_samples_total", &format!("statsd_bridge_samples_total {samples}\n"))
            + &counter("statsd_bridge_events_total", "statsd_bridge_events_total{type=\"gauge\"} 4\n")
            + &counter(conflict, &format!("{conflict} {conflicts}\n"))
            + &counter(errors, &format!("{errors}{{reason=\"malformed_line\"}} 1\n{errors}{{reason=\"illegal_event\"}} 1\n"));
        Page::parse(&text).expect("a good page")
    };
    assert_eq!(accounts(&page(3, 5, 0)), Ok(()));
    for (lines, samples, conflicts) in [(4, 5, 0), (3, 6, 0), (2, 5, 0), (3, 4, 0), (3, 5, 1)] {
        assert!(accounts(&page(lines, samples, conflicts)).is_err(), "{lines} lines, {samples} samples, {conflicts} conflicts");
    }
}
