//! The program `statsd-bridge`. All of it is in [`statsd_bridge::program`].

use std::process::ExitCode;

fn main() -> ExitCode {
    statsd_bridge::program::main()
}
