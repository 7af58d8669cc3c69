//! The command line of `doctor`. Must not send anything.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;

use super::early_exit::{EarlyExit, early_exit};
use super::reach_args::Reach;
use super::tool_args::AnswerFormat;
use crate::program::duration;

/// Send numbered probes as clients do, read them back from the bridge, and say why any are missing.
///
/// The probes are samples of the counter statsd_doctor_probes, which stays until it expires or is deleted.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "statsd-bridge doctor",
    bin_name = "statsd-bridge doctor",
    max_term_width = 120,
    after_help = "Exit code 0: probes arrived; 1: probes were lost, or the bridge cannot be reached; 2: wrong usage."
)]
pub struct Doctor {
    /// Where clients send: HOST:PORT, or the path or @NAME of a Unix socket [default: those of the bridge at --url or on this machine, else localhost:9125].
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    #[command(flatten)]
    pub reach: Reach,
    /// Path of the exposition.
    #[arg(long, value_name = "PATH", default_value = "/metrics")]
    pub metrics_path: String,
    /// How long to wait for probes; at most 1m.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = timeout)]
    pub timeout: Duration,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,
}

/// Parses the command line of `doctor`; `None` if the first argument is another.
pub(super) fn parse(arguments: &[OsString]) -> Option<Result<Doctor, EarlyExit>> {
    let (_, rest) = arguments.split_first()?;
    (rest.first()?.to_str()? == "doctor").then(|| Doctor::try_parse_from(rest).map_err(|error| early_exit(&error, arguments)))
}

fn timeout(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_secs(60);
    duration::parse(text).and_then(|timeout| if timeout > MAX { Err("expected at most 1m".to_owned()) } else { Ok(timeout) })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn defaults_and_wrong_usage() {
        Doctor::command().debug_assert();
        let parsed = |arguments: &[&str]| {
            let arguments: Vec<OsString> = ["statsd-bridge", "doctor"].iter().chain(arguments).map(OsString::from).collect();
            parse(&arguments).expect("it is doctor")
        };
        let plain = parsed(&[]).expect("defaults");
        assert!(plain.addresses.is_empty() && plain.metrics_path == "/metrics" && plain.timeout == Duration::from_secs(3));
        assert_eq!(parsed(&["a:1", "/run/s"]).expect("addresses").addresses, ["a:1", "/run/s"]);
        assert!(matches!(parsed(&["--timeout=2m"]), Err(EarlyExit::Usage(line)) if line.ends_with("expected at most 1m")));
    }
}
