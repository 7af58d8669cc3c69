//! prometheus: names of series that Prometheus writes itself. A scraped series with such a name conflicts with them: a scraped `up` can
//! show a target as healthy that is down, and a scraped `ALERTS` looks like a firing alert.

/// The series that Prometheus writes for each scrape and for alerts. Some need the feature `extra-scrape-metrics`.
const NAMES: [&str; 10] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
    "ALERTS",
    "ALERTS_FOR_STATE",
];

/// Whether Prometheus writes series of this name itself. The check does not depend on the type, because summaries and histograms with
/// native buckets have series with exactly the family's name.
pub fn is_prometheus_name(name: &str) -> bool {
    NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_reserved() {
        for name in NAMES {
            assert!(is_prometheus_name(name), "{name}");
        }
        for name in ["Up", "up_", "ups", "up_total", "alerts", "ALERTS_", "scrape_duration", "scrape_duration_seconds_sum", "scrape_", ""] {
            assert!(!is_prometheus_name(name), "{name}");
        }
    }

    /// A family's suffixed series never have a reserved name, in any format.
    #[test]
    fn no_reserved_name_ends_with_a_suffix() {
        for suffix in ["_bucket", "_sum", "_count", "_total", "_created", "_info", "_gsum", "_gcount"] {
            assert!(NAMES.iter().all(|name| !name.ends_with(suffix)), "{suffix}");
        }
    }
}
