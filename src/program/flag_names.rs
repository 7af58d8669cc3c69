//! The names of flags in messages: the flag, or its environment variable if that was set.
//!
//! Knows no flag by name, and reads no environment.

use std::collections::BTreeSet;

/// The prefix of all environment variables.
pub(crate) const PREFIX: &str = "STATSD_BRIDGE_";

/// The environment variable of a flag.
pub(crate) fn variable(flag: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    PREFIX.chars().chain(flag.chars().map(upper)).collect()
}

/// The flags that were set by their environment variables. Messages name the variable then, so that the reader finds the setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlagNames {
    from_environment: BTreeSet<String>,
}

impl FlagNames {
    /// `from_environment`: flags, without dashes, that were set by their environment variables.
    pub(crate) fn new(from_environment: impl IntoIterator<Item = String>) -> Self {
        Self { from_environment: from_environment.into_iter().collect() }
    }

    /// The environment variables that set any of these flags, as ` (set by STATSD_BRIDGE_PRESET)`; empty if there are none.
    pub(crate) fn set_by_variables(&self, flags: &[&str]) -> String {
        let set = flags.iter().filter(|flag| self.from_environment.contains(**flag)).map(|flag| variable(flag));
        let set: Vec<String> = set.collect();
        if set.is_empty() { String::new() } else { format!(" (set by {})", set.join(", ")) }
    }

    /// The name of a flag in messages: `--log.level`, or `STATSD_BRIDGE_LOG_LEVEL`.
    pub(crate) fn of(&self, flag: &str) -> String {
        if self.from_environment.contains(flag) { variable(flag) } else { format!("--{flag}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_named_as_it_was_set() {
        let names = FlagNames::new(["statsd.listen-udp".to_owned()]);
        assert_eq!(names.of("statsd.listen-udp"), "STATSD_BRIDGE_STATSD_LISTEN_UDP");
        assert_eq!(names.of("log.level"), "--log.level");
        assert_eq!(names.set_by_variables(&["log.level", "statsd.listen-udp"]), " (set by STATSD_BRIDGE_STATSD_LISTEN_UDP)");
        assert_eq!(names.set_by_variables(&["log.level"]), "");
    }
}
