//! `--check-config`: checks the mapping files and the web configuration file and prints what is wrong. Must not start anything.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::program::console::{fail, say};
use crate::program::run::StartError;
use crate::program::settings::Settings;
use crate::program::{tools, web};

/// The remarks of `check`, and statsd_exporter's line and exit codes.
pub(super) fn check_config(settings: &Settings) -> ExitCode {
    let report = tools::check::check(&settings.mapping, &settings.bridge);
    let _ = write!(io::stderr(), "{}", report.remarks_text());
    if report.exit_code(false) == 1 {
        return fail(1, &format!("the configuration cannot be used; {}", report.summary()));
    }
    if let Some(path) = &settings.web_config {
        match web::check_config(path) {
            Ok(warnings) => warnings.iter().for_each(|warning| drop(writeln!(io::stderr(), "{warning}"))),
            Err(error) => return fail(1, &StartError::from(error).to_string()),
        }
    }
    say("Configuration check successful, exiting")
}
