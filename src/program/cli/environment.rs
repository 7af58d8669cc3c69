//! Warnings about unknown environment variables with the bridge's prefix, which are likely misspelt settings.
//!
//! The variables that Kubernetes sets for a Service named `statsd-bridge` get no warning.

use std::ffi::OsString;

use crate::mapping::config::nearest::nearest;
use crate::program::flag_names::{PREFIX, variable};

/// A variable of the build, not of the program.
const BUILD_VARIABLE: &str = "STATSD_BRIDGE_REVISION";

/// A warning for each variable that has the bridge's prefix, in any case, and belongs to no flag.
pub(super) fn unknown(variables: impl IntoIterator<Item = (OsString, OsString)>, flags: &[String]) -> Vec<String> {
    let known: Vec<String> = flags.iter().map(|flag| variable(flag)).collect();
    let mut lines: Vec<String> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let name = name.to_str()?;
            let rest = name.get(PREFIX.len()..).filter(|_| same(&name[..PREFIX.len()], PREFIX))?;
            let is_known = name == BUILD_VARIABLE || known.iter().any(|known| known == name);
            (!is_known && !is_from_kubernetes(rest, &value.to_string_lossy())).then(|| line(name, rest, &known))
        })
        .collect();
    lines.sort_unstable();
    lines
}

/// Whether two names are equal but for case and separators.
fn same(a: &str, b: &str) -> bool {
    normal(a) == normal(b)
}

fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace(['.', '-'], "_")
}

fn line(name: &str, rest: &str, known: &[String]) -> String {
    let meant = meant(rest, known).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("{name} belongs to no flag and has no effect{meant}")
}

/// The known variable that the name after the prefix most likely means.
fn meant(rest: &str, known: &[String]) -> Option<String> {
    let rest = normal(rest);
    let candidates: Vec<String> = known.iter().filter_map(|known| known.strip_prefix(PREFIX).map(normal)).collect();
    // LISTEN_UDP means STATSD_LISTEN_UDP: the first part is missing.
    let longer = || candidates.iter().filter(|known| known.strip_suffix(&rest).is_some_and(|front| front.ends_with('_')));
    let found = candidates.iter().find(|known| **known == rest).map(String::as_str);
    let found = found.or_else(|| nearest(&rest, candidates.iter().map(String::as_str)));
    let found = found.or_else(|| longer().min_by_key(|known| known.len()).map(String::as_str));
    found.map(variable)
}

/// Whether Kubernetes sets the variable for a Service: `SERVICE_HOST`, `SERVICE_PORT_HTTP`, `PORT`, `PORT_9125_UDP_ADDR` and the like,
/// also after the rest of a longer Service name.
fn is_from_kubernetes(rest: &str, value: &str) -> bool {
    let (rest, words) = (format!("_{rest}"), rest.split('_').collect::<Vec<_>>());
    let is_port = words.windows(3).any(|words| {
        let [port, number, protocol] = words else { return false };
        let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        *port == "PORT" && is_number && matches!(*protocol, "UDP" | "TCP" | "SCTP")
    });
    let is_url = rest.ends_with("_PORT") && ["udp://", "tcp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    is_port || is_url || rest.ends_with("_SERVICE_HOST") || rest.ends_with("_SERVICE_PORT") || rest.contains("_SERVICE_PORT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(variables: &[(&str, &str)]) -> Vec<String> {
        let flags = ["log.level", "statsd.listen-udp", "web.listen-address", "web.admin-listen-address", "preset"].map(str::to_owned);
        unknown(variables.iter().map(|(name, value)| (name.into(), value.into())), &flags)
    }

    #[test]
    fn a_warning_names_the_nearest_variable() {
        for (name, meant) in [
            ("STATSD_BRIDGE_LOG_LEVLE", "STATSD_BRIDGE_LOG_LEVEL"),
            ("STATSD_BRIDGE_LISTEN_UDP", "STATSD_BRIDGE_STATSD_LISTEN_UDP"),
            ("STATSD_BRIDGE_LISTEN_ADDRESS", "STATSD_BRIDGE_WEB_LISTEN_ADDRESS"),
            ("STATSD_BRIDGE_PRESETS", "STATSD_BRIDGE_PRESET"),
            ("STATSD_BRIDGE_STATSD.LISTEN-UDP", "STATSD_BRIDGE_STATSD_LISTEN_UDP"),
            ("statsd_bridge_log_level", "STATSD_BRIDGE_LOG_LEVEL"),
            ("Statsd_Bridge_Log_Lvel", "STATSD_BRIDGE_LOG_LEVEL"),
        ] {
            assert_eq!(lines(&[(name, "x")]), [format!("{name} belongs to no flag and has no effect; did you mean {meant}?")]);
        }
        assert_eq!(lines(&[("STATSD_BRIDGE_COLOUR", "x")]), ["STATSD_BRIDGE_COLOUR belongs to no flag and has no effect"]);
        assert_eq!(lines(&[("STATSD_BRIDGE_", "")]).len(), 1);
    }

    #[test]
    fn variables_of_flags_other_programs_and_kubernetes_get_no_warning() {
        let address = "udp://10.0.0.1:9125";
        assert!(
            lines(&[("STATSD_BRIDGE_LOG_LEVEL", "loud"), ("STATSD_BRIDGE_REVISION", "1"), ("STATSD_HOST", "x"), ("PATH", "/")]).is_empty()
        );
        for name in [
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_STATSD_UDP",
            "PORT_9125_UDP",
            "PORT_9125_UDP_ADDR",
            "PORT_9102_TCP_PROTO",
            "PORT",
            "WEB_SERVICE_HOST",
            "WEB_PORT",
        ] {
            assert_eq!(lines(&[(&format!("STATSD_BRIDGE_{name}"), address)]), [""; 0], "{name}");
        }
        assert_eq!(lines(&[("STATSD_BRIDGE_PORT", "9125")]).len(), 1);
    }
}
