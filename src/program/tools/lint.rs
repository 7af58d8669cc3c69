//! Checks of valid rules: dead rules, missing captures, rules that describe one family differently, regular expressions that match more than
//! they appear to, and frequent mistakes.
//!
//! Must not repeat findings of the loader. Knows only the rules and their text.

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

/// All remarks, in any order. `texts` are the texts of the rules.
pub(super) fn lint(rules: &Rules, options: &Options, texts: &[MappingText]) -> Vec<Remark> {
    let config = rules.config();
    let mut remarks = shadow::dead(rules);
    // Only --compat=statsd_exporter sets this prefix.
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
