//! The settings of push.

use std::path::PathBuf;

use super::wrong_value::{WrongValue, wrong};
use crate::exposition::write::HistogramForm;
use crate::program::cli::args::{Args, PushFlags, all};
use crate::program::push::{self, PushOptions, PushTarget, PushUrl, QueueLimits};

/// The targets of flags, the file, and the defaults of both.
pub(super) fn push_options(args: &Args) -> Result<PushOptions, WrongValue> {
    let flags = &args.push;
    let defaults = defaults(flags, args.state.file.is_empty())?;
    if defaults.histograms == HistogramForm::Nhcb && defaults.protocol == push::Protocol::V1 {
        return Err(wrong("push.histograms", "nhcb requires remote write 2.0; add --push.protocol=2.0"));
    }
    let mut targets: Vec<PushTarget> = Vec::new();
    for url in all(&flags.push_url) {
        let target = defaults.with_url(url.clone());
        if targets.iter().any(|other| other.name == target.name) {
            let why =
                format_args!("{} is given twice; targets that differ only in the query need names, in --push.config.file", target.name);
            return Err(wrong("push.url", why));
        }
        targets.push(target);
    }
    let file = Some(flags.push_config_file.clone()).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(PushOptions { targets, file, defaults })
}

fn defaults(flags: &PushFlags, has_no_state: bool) -> Result<PushTarget, WrongValue> {
    let header = |(name, value): &(String, String)| push::header(name, value).map_err(|why| wrong("push.header", why));
    Ok(PushTarget {
        protocol: push::protocol(&flags.push_protocol).ok_or_else(|| wrong("push.protocol", "expected auto, 1.0 or 2.0"))?,
        interval: flags.push_interval,
        timeout: flags.push_timeout,
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

/// `job` and `instance`, replaced and extended by the flags. Sorted by name.
fn labels(flags: &PushFlags) -> Vec<(String, String)> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut labels = vec![("instance".to_owned(), host), ("job".to_owned(), env!("CARGO_PKG_NAME").to_owned())];
    for (name, value) in all(&flags.push_label) {
        labels.retain(|(other, _)| other != name);
        labels.push((name.clone(), value.clone()));
    }
    labels.sort();
    labels
}
