//! Finds rules whose samples are rejected because their name is reserved.
//!
//! Must not know which samples arrive. A name with captures can become any name.

use crate::mapping::spec::{Action, Config, Rule};
use crate::mapping::unit;
use crate::name::{FamilyName, is_prometheus_name};
use crate::options::Options;
use crate::program::tools::{Remark, Severity};
use crate::telemetry::PROCESS_METRICS;

pub(super) fn names(config: &Config, options: &Options) -> Vec<Remark> {
    let mapped = config.rules.iter().filter(|rule| rule.action == Action::Map);
    mapped.filter_map(|rule| of_rule(rule, config, options)).collect()
}

fn of_rule(rule: &Rule, config: &Config, options: &Options) -> Option<Remark> {
    let remark = |severity, code, text| Some(Remark::new(severity, code, &rule.position, text));
    let prefix = options.prefix.as_str();
    let name = rule.unit.map_or_else(|| rule.name.clone().into(), |unit| unit::name_with_unit(&rule.name, unit));
    let name = format!("{}{name}", config.prefix);
    // The text before the first capture is known.
    let (start, has_captures) = name.split_once('$').map_or((&*name, false), |(start, _)| (start, true));
    if start.starts_with(prefix) {
        let text = format!(
            "all samples of this rule are rejected: names that begin with `{prefix}` are reserved for self-metrics; give it another name"
        );
        return remark(Severity::Warning, "own_metric_name", text);
    }
    let family = FamilyName::escape(&name).filter(|_| !has_captures)?;
    let family = family.as_str();
    if !options.without_process_metrics && PROCESS_METRICS.contains(&family) {
        // A note only, because `check` does not know the flags of the bridge.
        let text = format!(
            "samples of this rule are rejected, unless the bridge runs with --no-web.process-metrics: it exposes its own metric `{family}`; \
             give it another name, or use that flag"
        );
        return remark(Severity::Note, "own_metric_name", text);
    }
    let text = || {
        format!(
            "all samples of this rule are rejected: Prometheus writes a metric `{family}` itself; give it another name, or allow such \
             names with --statsd.allow-prometheus-names"
        )
    };
    if is_prometheus_name(family) && !options.prometheus_names {
        return remark(Severity::Warning, "prometheus_name", text());
    }
    None
}
