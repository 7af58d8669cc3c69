//! The program `statsd-bridge`. Its code is in [`statsd_bridge::program`].

use std::process::ExitCode;

fn main() -> ExitCode {
    statsd_bridge::program::main()
}
