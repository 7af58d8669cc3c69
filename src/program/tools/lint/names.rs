//! Finds rules whose families no sample reaches, because the name is not theirs to give.
//!
//! Must not know which samples arrive; a name with captures may become anything.

use crate::mapping::spec::{Action, Config};
use crate::mapping::unit;
use crate::name::{FamilyName, is_prometheus_name};
use crate::options::Options;
use crate::program::tools::{Remark, Severity};

/// Names that Prometheus writes itself.
pub(super) fn names(config: &Config, options: &Options) -> Vec<Remark> {
    if options.prometheus_names {
        return Vec::new();
    }
    let plain = config.rules.iter().filter(|rule| rule.action == Action::Map && !rule.name.contains('$'));
    let remarks = plain.filter_map(|rule| {
        let name = rule.unit.map_or_else(|| rule.name.clone().into(), |unit| unit::name_with_unit(&rule.name, unit));
        let family = FamilyName::escape(&format!("{}{name}", config.prefix))?;
        let text = || {
            format!(
                "all samples of this rule are rejected: Prometheus itself writes a metric `{family}`; give it another name, or allow \
                 such names by --statsd.allow-prometheus-names"
            )
        };
        is_prometheus_name(family.as_str()).then(|| Remark::new(Severity::Warning, "prometheus_name", &rule.position, text()))
    });
    remarks.collect()
}
