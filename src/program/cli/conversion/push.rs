//! The settings of push.

use std::path::PathBuf;

use super::wrong_value::{WrongValue, wrong};
use crate::exposition::write::HistogramForm;
use crate::program::cli::args::{Args, PushFlags, all};
use crate::program::push::{self, NHCB_ADVICE, OtelVariables, PushOptions, PushTarget, PushUrl, QueueLimits};

/// The targets of flags, the file, and the defaults of both.
pub(super) fn push_options(args: &Args) -> Result<PushOptions, WrongValue> {
    let flags = &args.push;
    let (defaults, otel) = (defaults(flags, args.state.file.is_empty())?, otel(flags));
    let has_nhcb = defaults.histograms == HistogramForm::Nhcb;
    if has_nhcb && defaults.protocol == push::Protocol::V1 {
        return Err(wrong("push.histograms", "nhcb requires remote write 2.0; add --push.protocol=2.0"));
    }
    if has_nhcb && (flags.push_otlp || defaults.protocol == push::Protocol::Otlp) {
        return Err(wrong("push.histograms", format_args!("nhcb requires remote write 2.0; {NHCB_ADVICE}")));
    }
    let complete = |target| push::complete(&otel, target).map_err(|why| wrong("push.protocol", why));
    let mut targets: Vec<PushTarget> = Vec::new();
    for url in all(&flags.push_url) {
        let target = complete(defaults.with_url(url.clone()))?;
        if targets.iter().any(|other| other.name == target.name) {
            let why =
                format_args!("{} is given twice; targets that differ only in the query need names, in --push.config.file", target.name);
            return Err(wrong("push.url", why));
        }
        targets.push(target);
    }
    if flags.push_otlp {
        let target = push::target_of(&otel, &defaults).and_then(|target| push::complete(&otel, target));
        let target = target.map_err(|why| wrong("push.otlp", why))?;
        if targets.iter().any(|other| other.name == target.name) {
            return Err(wrong("push.otlp", format_args!("{} is also a --push.url; remove one of them", target.name)));
        }
        targets.push(target);
    }
    let file = Some(flags.push_config_file.clone()).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(PushOptions { targets, file, defaults, otel })
}

/// The variables of OpenTelemetry, without those that flags override.
fn otel(flags: &PushFlags) -> OtelVariables {
    let variables = OtelVariables::read(|name| std::env::var_os(name));
    let variables = if flags.push_timeout.is_some() { variables.without_timeout() } else { variables };
    if flags.push_interval.is_some() { variables.without_interval() } else { variables }
}

fn defaults(flags: &PushFlags, has_no_state: bool) -> Result<PushTarget, WrongValue> {
    let header = |(name, value): &(String, String)| push::header(name, value).map_err(|why| wrong("push.header", why));
    Ok(PushTarget {
        protocol: push::protocol(&flags.push_protocol).ok_or_else(|| wrong("push.protocol", "expected auto, 1.0, 2.0 or otlp"))?,
        interval: flags.push_interval.unwrap_or(PushTarget::INTERVAL),
        timeout: flags.push_timeout.unwrap_or(PushTarget::TIMEOUT),
        labels: labels(flags),
        headers: all(&flags.push_header).map(header).collect::<Result<_, _>>()?,
        histograms: push::histograms(&flags.push_histograms).ok_or_else(|| wrong("push.histograms", "expected classic, native or nhcb"))?,
        exemplars: flags.push_exemplars,
        self_metrics: flags.push_self_metrics,
        zero_samples: flags.push_zero_samples,
        stale_at_end: flags.push_stale_at_end && has_no_state,
        legacy_created: flags.push_legacy_created,
        batch_samples: flags.push_batch_samples,
        queue: QueueLimits { bytes: flags.push_queue_bytes, age: flags.push_queue_age },
        ..PushTarget::new(PushUrl::unused())
    })
}

/// The labels of the flags. Of equal names, the last one counts.
fn labels(flags: &PushFlags) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for (name, value) in all(&flags.push_label) {
        labels.retain(|(other, _)| other != name);
        labels.push((name.clone(), value.clone()));
    }
    labels.sort();
    labels
}
