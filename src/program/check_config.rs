//! `--check-config`: checks the mapping files and the web, TLS and push configuration files, and prints the problems. Must not start
//! anything.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::program::console::{fail, say, warn};
use crate::program::run::StartError;
use crate::program::settings::Settings;
use crate::program::tls::listener_tls;
use crate::program::{push, tools, web};

/// Prints the problems that `check` finds, with the final line and the exit codes of statsd_exporter.
pub(super) fn check_config(settings: &Settings) -> ExitCode {
    settings.unknown_variables.iter().for_each(|line| warn(line));
    let report = tools::check::check(&settings.mapping, &settings.bridge);
    let _ = write!(io::stderr(), "{}", report.remarks_text());
    if report.exit_code(false) == 1 {
        let set = settings.flag_names.set_by_variables(&["statsd.mapping-config", "preset"]);
        return fail(1, &format!("the configuration has errors{set}; {}", report.summary()));
    }
    if let Some(path) = &settings.web_config {
        match web::check_config(path) {
            Ok(warnings) => warnings.iter().for_each(|warning| drop(writeln!(io::stderr(), "{warning}"))),
            Err(error) => return fail(1, &StartError::from(error).line(&settings.flag_names)),
        }
    }
    if let Some(path) = &settings.tcp_tls {
        match listener_tls::check(path) {
            Ok(warnings) => warnings.iter().for_each(|warning| drop(writeln!(io::stderr(), "{warning}"))),
            Err(error) => return fail(1, &StartError::Tls(error).line(&settings.flag_names)),
        }
    }
    match push::check_config(&settings.push) {
        Ok(config) => config.into_iter().flat_map(|config| config.warnings).for_each(|warning| drop(writeln!(io::stderr(), "{warning}"))),
        Err(error) => return fail(1, &StartError::PushConfig(error).line(&settings.flag_names)),
    }
    say("Configuration check successful, exiting")
}
