//! Reads the file of `--push.config.file`: targets, with the keys of `remote_write` in a Prometheus configuration where both have them.
//!
//! ```text
//! target_section   one target            limits: numbers, durations and names within bounds
//!   access_section   basic_auth, authorization, headers, tls_config, proxies
//! environment      the variables of OpenTelemetry, for targets of OTLP
//! ```
//! All errors are reported together, with line and column. Must not know when a file takes effect.

mod access_section;
mod environment;
mod limits;
mod target_section;
#[cfg(test)]
mod tests;

pub(crate) use self::access_section::header;
pub(crate) use self::environment::{complete, target_of};
pub(crate) use self::limits::{BATCH_SAMPLES, QUEUE_BYTES, interval, label, queue_age, timeout};
use self::target_section::HISTOGRAMS;
pub(crate) use self::target_section::NHCB_ADVICE;
use std::path::Path;

use self::target_section::target;
use super::options::{OtelVariables, Protocol, PushTarget};
use crate::exposition::write::HistogramForm;
use crate::mapping::config::tree::{Node, YamlValue};
use crate::program::tls::config_file::{ConfigFileError, LoadedConfig, read_config};
use crate::program::tls::config_reader::{ConfigReader, ConfigSection};

const TOP: ConfigSection = ConfigSection { name: "the push configuration file", keys: &["targets"] };

/// The maximum number of targets.
const MAX_TARGETS: usize = 64;

/// The version of this name.
pub(crate) fn protocol(name: &str) -> Option<Protocol> {
    Protocol::NAMES.iter().find(|(known, _)| *known == name).map(|(_, protocol)| *protocol)
}

/// The form of histograms of this name.
pub(crate) fn histograms(name: &str) -> Option<HistogramForm> {
    HISTOGRAMS.iter().find(|(known, _)| *known == name).map(|(_, form)| *form)
}

/// What a file does not say.
#[derive(Clone, Copy)]
pub(crate) struct Defaults<'a> {
    pub(crate) target: &'a PushTarget,
    pub(crate) otel: &'a OtelVariables,
}

/// Reads a file. `defaults` has what the file does not say, and `taken` the names of other targets. Blocks on file I/O.
pub(crate) fn read(path: &Path, defaults: Defaults<'_>, taken: &[PushTarget]) -> Result<LoadedConfig<Vec<PushTarget>>, ConfigFileError> {
    read_config(path, |root, reader| Some(targets(root, defaults, taken, reader)))
}

fn targets(root: &Node, defaults: Defaults<'_>, taken: &[PushTarget], reader: &mut ConfigReader) -> Vec<PushTarget> {
    let Some(fields) = reader.fields(root, TOP) else { return Vec::new() };
    let items = match fields.get("targets") {
        None => {
            // An editor may truncate a file before it writes it. No targets are written as `targets: []`.
            reader.error(root.at, "the file has no `targets`; write `targets: []` for none");
            return Vec::new();
        }
        Some(Node { value: YamlValue::List(items), .. }) => items,
        Some(node) => {
            reader.error(node.at, "`targets` must be a list, with each target after `- `");
            return Vec::new();
        }
    };
    if items.len() > MAX_TARGETS {
        reader.error(root.at, format!("the file has {} targets; at most {MAX_TARGETS} are allowed", items.len()));
        return Vec::new();
    }
    let mut found: Vec<PushTarget> = Vec::new();
    for item in items {
        let Some(target) = target(item, (defaults.target, defaults.otel), reader) else { continue };
        let others = || found.iter().chain(taken);
        if others().any(|other| other.name == target.name) {
            reader.error(item.at, format!("another target has the name {:?}; set `name`", target.name));
        } else if let Some(other) = others().find(|other| sends_the_same(other, &target)) {
            let name = &other.name;
            let text = format!(
                "this target sends the same series to the same URL as the target {name:?}, and the receiver rejects one of each sample; \
                 remove one, or give them different `labels`, `headers` or `include`"
            );
            reader.warning(item.at, &text);
        }
        found.push(target);
    }
    found
}

/// Whether a receiver cannot tell the series of two targets apart.
fn sends_the_same(one: &PushTarget, other: &PushTarget) -> bool {
    let series = |target: &PushTarget| (target.labels.clone(), target.include.clone(), target.exclude.clone());
    (&one.url, &one.headers, &one.credentials) == (&other.url, &other.headers, &other.credentials) && series(one) == series(other)
}
