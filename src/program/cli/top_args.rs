//! The command line of `top`. Must not send a request.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use clap::builder::PossibleValuesParser;

use super::early_exit::{EarlyExit, early_exit};
use super::reach_args::Reach;
use super::tool_args::AnswerFormat;
use crate::program::duration;

/// The tabs of the display, in the order of their numbers.
pub const TABS: [&str; 10] =
    ["overview", "series", "rejected", "rules", "cardinality", "senders", "scrapes", "push", "events", "configuration"];

/// Show what a running bridge receives, loses and holds.
///
/// In a terminal, a display with tabs is updated until q or Ctrl-C; ? shows the keys. Elsewhere a summary is printed once.
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
    /// Print once and exit: the tab of --tab, or else a summary.
    #[arg(long)]
    pub once: bool,
    /// Tab to begin with.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(TABS))]
    pub tab: Option<String>,
    /// Number of families, of senders and of events, the largest or newest first; at most 1000 [default: 20, in a terminal 200].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: Option<u16>,
    /// Format of the output; JSON is printed once.
    #[arg(long, value_enum, default_value = "text")]
    pub format: AnswerFormat,
    /// The same as --format=json.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl Top {
    /// The format of the output.
    pub fn answer_format(&self) -> AnswerFormat {
        if self.json { AnswerFormat::Json } else { self.format }
    }
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
        assert_eq!((&plain.reach.url, plain.interval), (&None, Duration::from_secs(2)));
        assert!((plain.limit, plain.once, plain.tab.is_none(), plain.answer_format()) == (None, false, true, AnswerFormat::Text));
        let given = top(&["--json", "--tab=rules", "--limit=7"]).expect("good");
        assert!((given.limit, given.tab.as_deref(), given.answer_format()) == (Some(7), Some("rules"), AnswerFormat::Json));
        for (arguments, expected) in [
            (
                &["--url=127.0.0.1:9102"][..],
                "invalid value '127.0.0.1:9102' for '--url <URL>': \"127.0.0.1:9102\" does not start with http:// or https://",
            ),
            (&["--user=me"], "the following required arguments were not provided: --password-file <FILE>"),
            (&["--insecure", "--ca-file=a"], "the argument '--insecure' cannot be used with '--ca-file <FILE>'"),
            (&["--interval=10ms"], "invalid value '10ms' for '--interval <DURATION>': expected at least 100ms"),
            (&["--tab=none"], "invalid value 'none' for '--tab <NAME>'"),
            (&["--json", "--format=text"], "the argument '--json' cannot be used with '--format <FORMAT>'"),
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
