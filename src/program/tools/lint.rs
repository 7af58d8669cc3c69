//! What can be proved about rules that load: dead rules, captures that do not exist, families that contradict themselves,
//! regular expressions that match more than they seem to. Makes no remark without proof.
//!
//! Must not repeat what the loader finds, and knows nothing but the rules.

mod captures;
mod families;
mod include;
mod names;
mod patterns;
mod shadow;

use super::Remark;
use crate::mapping::Rules;
use crate::options::Options;

/// Everything, in no particular order.
pub(super) fn lint(rules: &Rules, options: &Options) -> Vec<Remark> {
    let mut remarks = shadow::dead(rules);
    remarks.extend(shadow::order(rules));
    remarks.extend(captures::captures(rules));
    remarks.extend(families::families(rules.config(), options));
    remarks.extend(names::names(rules.config(), options));
    remarks.extend(patterns::patterns(rules.config()));
    remarks
}
