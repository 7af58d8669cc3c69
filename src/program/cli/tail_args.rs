//! The command lines of `tail` and `capture`. Must not send a request.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::early_exit::{EarlyExit, early_exit};
use super::reach_args::Reach;
use super::tool_args::AnswerFormat;
use crate::program::duration;

/// Which lines to show.
#[derive(Debug, Clone, clap::Args)]
pub struct LineFilter {
    /// Raw name, as sent: a text that it contains, or a pattern for all of it in which * stands for any characters.
    #[arg(value_name = "PATTERN")]
    pub name: Option<String>,
    /// Sender, as in `udp 10.0.0.1:5353`; a text or a pattern.
    #[arg(long, value_name = "PATTERN")]
    pub source: Option<String>,
    /// What became of it: recorded, rejected, dropped, or a reason of rejection such as conflict.
    #[arg(long, value_name = "WORD")]
    pub verdict: Option<String>,
    /// Number of the rule that matched, or none.
    #[arg(long, value_name = "N")]
    pub rule: Option<String>,
    /// Label of the series, with a text or a pattern for its value.
    #[arg(long, value_name = "NAME[=PATTERN]")]
    pub label: Option<String>,
}

/// Show lines as they arrive at a running bridge, and what became of each.
///
/// The bridge needs --web.enable-tail=true. If more lines match than are shown, the numbers are printed to stderr.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "statsd-bridge tail",
    bin_name = "statsd-bridge tail",
    max_term_width = 120,
    after_help = "Exit code 0: success; 1: the bridge cannot be reached, or ended the stream; 2: wrong usage."
)]
pub struct Tail {
    #[command(flatten)]
    pub filter: LineFilter,
    #[command(flatten)]
    pub reach: Reach,
    /// Lines a second at most.
    #[arg(long, value_name = "N", default_value = "200", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub rate: u32,
    /// Exit after this number of lines.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Exit after this time.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub time: Option<Duration>,
    /// Format of the output.
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,
}

/// Write lines to a file as they arrive at a running bridge, for `replay`.
///
/// The bridge needs --web.enable-tail=true. At the end, the numbers of lines that arrived and that were written are printed to stderr.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "statsd-bridge capture",
    bin_name = "statsd-bridge capture",
    max_term_width = 120,
    after_help = "Exit code 0: success; 1: the bridge cannot be reached or ended the stream, or the file cannot be written; 2: wrong usage."
)]
pub struct Capture {
    #[command(flatten)]
    pub filter: LineFilter,
    #[command(flatten)]
    pub reach: Reach,
    /// File to write, which must not exist; - is stdout.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Time after which it ends.
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    pub time: Duration,
    /// Lines a second at most.
    #[arg(long, value_name = "N", default_value = "50000", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub rate: u32,
}

/// One of the two.
#[derive(Debug, Clone)]
pub enum Watching {
    /// Show lines.
    Tail(Tail),
    /// Write them to a file.
    Capture(Capture),
}

/// Parses the command line of `tail` or `capture`; `None` if the first argument is another.
pub(super) fn parse(arguments: &[OsString]) -> Option<Result<Watching, EarlyExit>> {
    let (_, rest) = arguments.split_first()?;
    let parsed = match rest.first()?.to_str()? {
        "tail" => Tail::try_parse_from(rest).map(Watching::Tail),
        "capture" => Capture::try_parse_from(rest).map(Watching::Capture),
        _ => return None,
    };
    Some(parsed.map_err(|error| early_exit(&error, arguments)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Watching, EarlyExit> {
        let arguments: Vec<OsString> = std::iter::once(&"statsd-bridge").chain(arguments).map(OsString::from).collect();
        parse(&arguments).expect("tail or capture")
    }

    #[test]
    fn defaults_and_wrong_usage() {
        Tail::command().debug_assert();
        Capture::command().debug_assert();
        let Ok(Watching::Tail(tail)) = parsed(&["tail", "shop.*"]) else { panic!("a pattern") };
        assert_eq!((tail.filter.name.as_deref(), tail.rate, tail.count, tail.time), (Some("shop.*"), 200, None, None));
        let Ok(Watching::Capture(capture)) = parsed(&["capture", "-o", "x"]) else { panic!("a file") };
        assert_eq!((capture.output, capture.time, capture.rate), ("x".into(), Duration::from_secs(60), 50_000));
        for (arguments, expected) in [
            (&["capture"][..], "the following required arguments were not provided: --output <FILE>"),
            (&["tail", "a", "b"], "unexpected argument 'b' found"),
            (&["tail", "--rate=0"], "invalid value '0' for '--rate <N>'"),
            (&["capture", "-o", "x", "--for=1"], "invalid value '1' for '--for <DURATION>'"),
        ] {
            let Err(EarlyExit::Usage(line)) = parsed(arguments) else { panic!("{arguments:?}") };
            assert!(line.starts_with(expected) && !line.contains('\n'), "{line}");
        }
        assert!(parse(&["statsd-bridge".into(), "top".into()]).is_none());
    }
}
