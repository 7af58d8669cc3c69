//! Maps names by the rules of a file: StatsD lines from standard input, the exposition to standard output.
//!
//! ```sh
//! echo 'shop.paris.orders:3|c' | cargo run --example rules -- rules.yml
//! ```

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::SystemTime;
use std::{env, fs};

use statsd_bridge::mapping::{MappingText, Rules};
use statsd_bridge::options::NameValidation;
use statsd_bridge::{Bridge, Format, Options};

fn main() -> io::Result<ExitCode> {
    let Some(path) = env::args().nth(1) else {
        eprintln!("usage: rules FILE < LINES");
        return Ok(ExitCode::from(2));
    };
    let text = MappingText { text: fs::read_to_string(&path)?, name: path.into() };
    let rules = match Rules::from_texts(&[text], NameValidation::default(), &|name| env::var(name).ok()) {
        Ok(rules) => rules,
        // Each mistake with its file, line and column, and what to write instead.
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    rules.warnings().iter().for_each(|warning| eprintln!("{warning}"));

    let bridge = Bridge::new(Options::default());
    bridge.replace_rules(rules);
    let mut worker = bridge.worker();
    for line in io::stdin().lock().lines() {
        worker.ingest(line?.as_bytes(), SystemTime::now().into());
    }

    let mut exposition = Vec::new();
    bridge.exposition(Format::Text, SystemTime::now().into()).without_self_metrics().render(&mut exposition);
    io::stdout().write_all(&exposition)?;
    bridge.rejections().iter().for_each(|rejection| eprintln!("{} rejected: {}", rejection.count, rejection.reason));
    bridge.rule_use().unmapped.iter().for_each(|(name, samples)| eprintln!("no rule matches {name} ({samples} samples)"));
    Ok(ExitCode::SUCCESS)
}
