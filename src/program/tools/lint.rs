//! What can be proved about rules that load: dead rules, captures that do not exist, families that contradict themselves,
//! regular expressions that match more than they seem to; and what is most likely a mistake, because it has been one elsewhere.
//!
//! Must not repeat what the loader finds, and knows nothing but the rules and their text.

mod automaton;
mod bounds;
mod captures;
mod exporter;
mod families;
mod include;
mod kinds;
mod names;
mod patterns;
mod places;
mod rest;
mod shadow;
mod target_labels;
mod units;

use super::Remark;
use crate::mapping::Rules;
use crate::mapping::config::MappingText;
use crate::options::{Options, Prefix};

/// Everything, in no particular order. `texts` are those of the rules.
pub(super) fn lint(rules: &Rules, options: &Options, texts: &[MappingText]) -> Vec<Remark> {
    let config = rules.config();
    let mut remarks = shadow::dead(rules);
    // The prefix of the self-metrics is that of --compat=statsd_exporter.
    if options.prefix == Prefix::Exporter {
        remarks.extend(exporter::differences(rules, texts, &remarks));
    }
    remarks.extend(shadow::order(rules));
    remarks.extend(captures::captures(rules));
    remarks.extend(families::families(config, options));
    remarks.extend(kinds::kinds(config));
    remarks.extend(names::names(config, options));
    remarks.extend(patterns::patterns(config));
    remarks.extend(rest::rest(config));
    remarks.extend(target_labels::target_labels(config, texts));
    remarks.extend(units::units(config, options));
    remarks
}
