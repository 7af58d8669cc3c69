//! One target of the file.

use super::access_section::{credentials, headers, proxy, tls};
use super::environment;
use super::limits;
use crate::exposition::write::HistogramForm;
use crate::mapping::config::tree::Node;
use crate::program::push::dialect::Coding;
use crate::program::push::options::{OtelVariables, Protocol, PushTarget, PushTls, QueueLimits};
use crate::program::push::url::PushUrl;
use crate::program::tls::config_reader::{ConfigReader, ConfigSection, SectionEntries};
use crate::selector::Selector;

const TARGET: ConfigSection = ConfigSection {
    name: "a target",
    keys: &[
        "name",
        "url",
        "protocol",
        "compression",
        "interval",
        "timeout",
        "labels",
        "headers",
        "basic_auth",
        "authorization",
        "tls_config",
        "proxy_url",
        "proxy_from_environment",
        "histograms",
        "include",
        "exclude",
        "exemplars",
        "self_metrics",
        "zero_samples",
        "stale_at_end",
        "legacy_created",
        "batch_samples",
        "queue_bytes",
        "queue_age",
    ],
};

/// The longest name of a target, in bytes.
const MAX_NAME: usize = 200;

/// What to write instead of custom buckets in OTLP.
pub(crate) const NHCB_ADVICE: &str = "with OTLP, `classic` sends all buckets in one point, which Prometheus stores as such a histogram if `convert_histograms_to_nhcb` is set";

/// The names of the forms of histograms.
pub(crate) const HISTOGRAMS: [(&str, HistogramForm); 3] =
    [("classic", HistogramForm::Classic), ("native", HistogramForm::Native), ("nhcb", HistogramForm::Nhcb)];

/// A target; `None` if it has no valid URL. If `reader` has errors, the result is unusable.
pub(super) fn target(node: &Node, (defaults, otel): (&PushTarget, &OtelVariables), reader: &mut ConfigReader) -> Option<PushTarget> {
    let fields = reader.fields(node, TARGET)?;
    let protocol = one_of(fields, "protocol", &Protocol::NAMES, defaults.protocol, reader);
    let base = match fields.get("url") {
        Some(url) => match PushUrl::parse(reader.text(url, "`url`")?) {
            Ok(parsed) => defaults.with_url(parsed),
            Err(why) => {
                reader.error(url.at, format!("`url`: {why}"));
                return None;
            }
        },
        None if protocol == Protocol::Otlp => environment::target_of(otel, defaults).map_err(|why| reader.error(node.at, why)).ok()?,
        None => {
            reader.error(node.at, "a target needs a `url`; only a target of `protocol: otlp` can have that of OTEL_EXPORTER_OTLP_ENDPOINT");
            return None;
        }
    };
    let queue = queue(fields, base.queue, reader);
    let target = PushTarget {
        name: name(fields, &base.name, reader),
        protocol,
        compression: one_of(fields, "compression", &Coding::NAMES, base.compression, reader),
        interval: parsed(fields, "interval", limits::interval, reader).unwrap_or(base.interval),
        timeout: parsed(fields, "timeout", limits::timeout, reader).unwrap_or(base.timeout),
        labels: labels(fields, &base.labels, reader),
        headers: headers(fields, &base.headers, reader),
        credentials: credentials(fields, &base.credentials, reader),
        tls: tls(fields, &base.tls, reader),
        proxy: proxy(fields, &base.proxy, reader),
        histograms: one_of(fields, "histograms", &HISTOGRAMS, base.histograms, reader),
        include: selectors(fields, "include", reader),
        exclude: selectors(fields, "exclude", reader),
        exemplars: flag(fields, "exemplars", base.exemplars, reader),
        self_metrics: flag(fields, "self_metrics", base.self_metrics, reader),
        zero_samples: flag(fields, "zero_samples", base.zero_samples, reader),
        stale_at_end: flag(fields, "stale_at_end", base.stale_at_end, reader),
        legacy_created: flag(fields, "legacy_created", base.legacy_created, reader),
        batch_samples: number(fields, "batch_samples", limits::BATCH_SAMPLES, base.batch_samples, reader),
        queue,
        ..base
    };
    check_together(node, fields, &target, reader);
    environment::complete(otel, target).map_err(|why| reader.error(node.at, why)).ok()
}

/// Keys that exclude each other.
fn check_together(node: &Node, fields: SectionEntries<'_>, target: &PushTarget, reader: &mut ConfigReader) {
    if target.histograms == HistogramForm::Nhcb && target.protocol == Protocol::V1 {
        let at = fields.get("histograms").map_or(node.at, |node| node.at);
        reader.error(at, "`histograms: nhcb` needs remote write 2.0; set `protocol: \"2.0\"` or `protocol: auto`");
    }
    if target.histograms == HistogramForm::Nhcb && target.protocol == Protocol::Otlp {
        let at = fields.get("histograms").map_or(node.at, |node| node.at);
        reader.error(at, format!("`histograms: nhcb` needs remote write 2.0; {NHCB_ADVICE}"));
    }
    if let Some(coding) = fields.get("compression").filter(|_| target.protocol != Protocol::Otlp) {
        reader.error(coding.at, "`compression` needs `protocol: otlp`, because remote write always has snappy; remove it");
    }
    if let Some(section) = fields.get("tls_config").filter(|_| !target.url.has_tls() && target.tls != PushTls::default()) {
        reader.error(section.at, "`tls_config` has no effect on an http URL; write https, or remove it");
    }
}

fn name(fields: SectionEntries<'_>, default: &str, reader: &mut ConfigReader) -> String {
    let Some(node) = fields.get("name") else { return default.to_owned() };
    let name = reader.text(node, "`name`").unwrap_or(default);
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        reader.error(node.at, format!("`name` must have 1 to {MAX_NAME} bytes, without control characters"));
    }
    name.to_owned()
}

fn one_of<T: Copy>(fields: SectionEntries<'_>, key: &str, names: &[(&str, T)], default: T, reader: &mut ConfigReader) -> T {
    let Some(node) = fields.get(key) else { return default };
    let Some(text) = reader.text(node, &format!("`{key}`")) else { return default };
    let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        reader.error(node.at, format!("`{key}` must be one of {}", names.join(", ")));
    }
    found.unwrap_or(default)
}

fn parsed<T>(fields: SectionEntries<'_>, key: &str, parse: impl Fn(&str) -> Result<T, String>, reader: &mut ConfigReader) -> Option<T> {
    let node = fields.get(key)?;
    let value = parse(reader.text(node, &format!("`{key}`"))?);
    value.map_err(|why| reader.error(node.at, format!("`{key}`: {why}"))).ok()
}

fn number(fields: SectionEntries<'_>, key: &str, (min, max): (usize, usize), default: usize, reader: &mut ConfigReader) -> usize {
    let parse = |text: &str| match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from {min} to {max}")),
    };
    parsed(fields, key, parse, reader).unwrap_or(default)
}

fn flag(fields: SectionEntries<'_>, key: &str, default: bool, reader: &mut ConfigReader) -> bool {
    fields.get(key).and_then(|node| reader.flag(node, &format!("`{key}`"))).unwrap_or(default)
}

fn queue(fields: SectionEntries<'_>, base: QueueLimits, reader: &mut ConfigReader) -> QueueLimits {
    let bytes = number(fields, "queue_bytes", limits::QUEUE_BYTES, base.bytes, reader);
    QueueLimits { bytes, age: parsed(fields, "queue_age", limits::queue_age, reader).unwrap_or(base.age) }
}

/// `labels`, added to those of `defaults`, sorted by name.
fn labels(fields: SectionEntries<'_>, defaults: &[(String, String)], reader: &mut ConfigReader) -> Vec<(String, String)> {
    let mut labels = defaults.to_vec();
    for (key, at, value) in fields.get("labels").map(|node| reader.pairs(node, "`labels`")).unwrap_or_default() {
        match limits::label(&key.name, value) {
            Ok(()) => {
                labels.retain(|(name, _)| *name != key.name);
                labels.push((key.name.clone(), value.to_owned()));
            }
            Err(why) => reader.error(at, why),
        }
    }
    labels.sort();
    labels
}

fn selectors(fields: SectionEntries<'_>, key: &str, reader: &mut ConfigReader) -> Vec<String> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    let mut selectors = Vec::new();
    for (at, text) in reader.texts(node, &format!("`{key}`")) {
        match Selector::parse(text) {
            Ok(_) => selectors.push(text.to_owned()),
            Err(why) => reader.error(at, format!("`{key}`: {why}")),
        }
    }
    selectors
}
