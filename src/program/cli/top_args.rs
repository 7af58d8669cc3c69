//! The command line of `top`. Must not send a request.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;

use super::early_exit::{EarlyExit, early_exit};
use super::reach_args::Reach;
use super::tool_args::AnswerFormat;
use crate::program::duration;

/// Show the families, labels and senders that use most of a running bridge.
///
/// In a terminal, the output is updated until q or Ctrl-C. Elsewhere it is printed once.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "statsd-bridge top",
    bin_name = "statsd-bridge top",
    max_term_width = 120,
    after_help = "Exit code 0: success; 1: the bridge cannot be reached; 2: wrong usage."
)]
pub struct Top {
    #[command(flatten)]
    pub reach: Reach,
    /// Interval between requests; at least 100ms.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = interval)]
    pub interval: Duration,
    /// Print once and exit.
    #[arg(long)]
    pub once: bool,
    /// Number of families and of senders to show, the largest first; at most 1000.
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Format of the output; JSON is printed once.
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,
}

/// Parses the command line of `top`; `None` if the first argument is another.
pub(super) fn parse(arguments: &[OsString]) -> Option<Result<Top, EarlyExit>> {
    let (_, rest) = arguments.split_first()?;
    (rest.first()?.to_str()? == "top").then(|| Top::try_parse_from(rest).map_err(|error| early_exit(&error, arguments)))
}

fn interval(text: &str) -> Result<Duration, String> {
    const MIN: Duration = Duration::from_millis(100);
    duration::parse(text).and_then(|interval| if interval < MIN { Err("expected at least 100ms".to_owned()) } else { Ok(interval) })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn top(arguments: &[&str]) -> Result<Top, EarlyExit> {
        let arguments: Vec<OsString> = ["statsd-bridge", "top"].iter().chain(arguments).map(OsString::from).collect();
        parse(&arguments).expect("it is top")
    }

    #[test]
    fn defaults_and_wrong_usage() {
        Top::command().debug_assert();
        let plain = top(&[]).expect("defaults");
        assert_eq!((plain.reach.url, plain.interval), (None, Duration::from_secs(2)));
        assert!((plain.limit, plain.once, plain.format) == (20, false, AnswerFormat::Text));
        for (arguments, expected) in [
            (
                &["--url=127.0.0.1:9102"][..],
                "invalid value '127.0.0.1:9102' for '--url <URL>': \"127.0.0.1:9102\" does not start with http:// or https://",
            ),
            (&["--user=me"], "the following required arguments were not provided: --password-file <FILE>"),
            (&["--insecure", "--ca-file=a"], "the argument '--insecure' cannot be used with '--ca-file <FILE>'"),
            (&["--interval=10ms"], "invalid value '10ms' for '--interval <DURATION>': expected at least 100ms"),
            (&["--limit=0"], "invalid value '0' for '--limit <N>'"),
            (&["--limit=1001"], "invalid value '1001' for '--limit <N>'"),
            (&["--statsd.listen-udp=:1"], "unexpected argument '--statsd.listen-udp'"),
        ] {
            let Err(EarlyExit::Usage(line)) = top(arguments) else { panic!("{arguments:?}") };
            assert!(line.starts_with(expected) && !line.contains('\n'), "{line}");
        }
        assert!(parse(&["statsd-bridge".into(), "--top".into()]).is_none());
    }
}
