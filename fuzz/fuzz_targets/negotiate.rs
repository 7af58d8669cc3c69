//! Any text as an `Accept` header gives a format with a content type, and `never` is obeyed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use statsd_bridge::{Format, Negotiated, OpenMetricsOffer};

fuzz_target!(|accept: &str| {
    for offer in [OpenMetricsOffer::Never, OpenMetricsOffer::WithoutText, OpenMetricsOffer::AsAsked] {
        let chosen = Negotiated::of(accept, offer);
        let content_type = chosen.content_type();
        assert!(content_type.is_ascii() && !content_type.contains(['\r', '\n']), "{content_type:?}");
        assert_eq!(content_type.starts_with("application/openmetrics-text"), chosen.format == Format::OpenMetrics);
        assert!(offer != OpenMetricsOffer::Never || chosen.format != Format::OpenMetrics);
        // The content type of the answer, as an `Accept` header, selects the same format.
        if offer == OpenMetricsOffer::AsAsked {
            assert_eq!(Negotiated::of(&content_type, offer).format, chosen.format, "{content_type}");
        }
    }
});
