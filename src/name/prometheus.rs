//! Names that Prometheus gives to series of its own. A scraped series of such a name stands beside or in place of Prometheus' own:
//! `up` shows a target as healthy that is down, `ALERTS` fires.

/// What Prometheus writes about each scrape, some of it only with the feature `extra-scrape-metrics`, and about alerts.
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

/// Whether Prometheus writes series of this name itself. The type does not matter: a summary has lines of its family's very name, and
/// so has a histogram with native buckets.
pub fn is_prometheus_name(name: &str) -> bool {
    NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_names_are_prometheus_own() {
        for name in NAMES {
            assert!(is_prometheus_name(name), "{name}");
        }
        for name in ["Up", "up_", "ups", "up_total", "alerts", "ALERTS_", "scrape_duration", "scrape_duration_seconds_sum", "scrape_", ""] {
            assert!(!is_prometheus_name(name), "{name}");
        }
    }

    /// No family of another name has lines of such a name, in any format.
    #[test]
    fn no_suffix_leads_to_such_a_name() {
        for suffix in ["_bucket", "_sum", "_count", "_total", "_created", "_info", "_gsum", "_gcount"] {
            assert!(NAMES.iter().all(|name| !name.ends_with(suffix)), "{suffix}");
        }
    }
}
