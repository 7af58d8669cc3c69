//! Instructions per line, counted by callgrind. The count does not depend on the load of the machine.
//!
//! ```text
//! cargo bench --bench instructions                   # the table, with the change against the baseline
//! cargo bench --bench instructions -- --check        # fails and names the cases that are more than 5 % above the baseline
//! cargo bench --bench instructions -- --record       # writes the baseline
//! cargo bench --bench instructions -- ingest/known   # cases whose names contain a word
//! ```
//! Requires valgrind. The baseline, `instructions.baseline.json`, has the compiler and processor that it was recorded with.
//!
//! - **The compiler**: another version changes counts. They are compared nevertheless, so that a new toolchain hides no regression,
//!   and the output has both versions. To find out whether only the compiler changed the counts, count the previous commit with
//!   both. Then record the baseline in a separate commit.
//! - **The processor**: without AVX2, or with another architecture, other code runs. Then counts are shown and not compared.
//! - **Seeds**: each table of bindings has a random seed, so collisions differ from run to run: by up to 0.5 % of a case.
//!
//! Instructions do not include memory latency; `--bench ingest` and `--bench end_to_end` do. `cargo test --benches` runs every case
//! once without valgrind, and counts nothing.

#[path = "instructions/baseline.rs"]
mod baseline;
#[path = "instructions/cases.rs"]
mod cases;
#[path = "instructions/counting.rs"]
mod counting;
mod kinds;
mod load;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Parser;

use crate::baseline::{Baseline, MadeBy};
use crate::cases::Case;

/// Tolerance above the baseline, in percent.
const ALLOWED: f64 = 5.0;

/// Counts instructions per line of parsing, ingesting and scraping with callgrind.
#[derive(Debug, Parser)]
#[command(name = "instructions")]
struct Args {
    /// Run only cases whose names contain this.
    filter: Option<String>,
    /// Fail if a case is more than 5 % above the baseline.
    #[arg(long, conflicts_with_all = ["record", "filter"])]
    check: bool,
    /// Write the baseline.
    #[arg(long, conflicts_with = "filter")]
    record: bool,
    /// Set by `cargo bench`. Without it, every case runs once and nothing is counted.
    #[arg(long, hide = true)]
    bench: bool,
    /// Run a case as the child process.
    #[arg(long, hide = true)]
    case: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let cases = cases::all();
    let outcome = match &args.case {
        Some(name) => match cases.iter().find(|case| case.name == *name) {
            Some(case) => {
                counting::run(case);
                Ok(())
            }
            None => Err(format!("no case {name:?}")),
        },
        None if !args.bench => {
            println!("instructions: no --bench, so every case is run once; `cargo bench` counts");
            cases.iter().for_each(counting::run);
            Ok(())
        }
        None => count(&args, &cases),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("instructions: {why}");
            ExitCode::FAILURE
        }
    }
}

fn count(args: &Args, cases: &[Case]) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.baseline.json");
    let made_by = MadeBy { rustc: counting::rustc()?, processor: counting::processor() };
    let text = std::fs::read_to_string(&path).map_err(|e| e.to_string());
    let baseline = text.and_then(|text| Baseline::read(&text)).map_err(|why| format!("{}: {why}", path.display()));
    let wanted: Vec<&Case> = cases.iter().filter(|case| args.filter.as_ref().is_none_or(|word| case.name.contains(word))).collect();
    let counts = counts(&wanted)?;
    println!("{:<32} {:>18} {:>9} {:>8}", "case", "instructions/line", "baseline", "change");
    for case in wanted {
        let Some(count) = counts.get(&case.name) else { continue };
        let recorded = baseline.as_ref().ok().and_then(|b| Some((b.cases.get(&case.name)?, b.change(&case.name, *count)?)));
        let recorded = recorded.map_or_else(String::new, |(recorded, change)| format!("{recorded:>9.1} {change:>+7.1}%"));
        println!("{:<32} {count:>18.1} {recorded}", case.name);
    }
    if args.record {
        let text = Baseline { made_by, cases: counts }.write();
        return std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()));
    }
    let compared = baseline.and_then(|baseline| compare(&baseline, &made_by, &counts));
    match compared {
        Err(why) if args.check => Err(why),
        Err(why) => {
            println!("nothing to compare with: {why}");
            Ok(())
        }
        Ok(objections) if objections.is_empty() || !args.check => Ok(()),
        Ok(objections) => Err(format!("against the baseline:\n{}\n`--record` writes a new one", objections.join("\n"))),
    }
}

/// The faults of these counts. Prints both compilers and processors if they differ.
fn compare(baseline: &Baseline, here: &MadeBy, counts: &BTreeMap<String, f64>) -> Result<Vec<String>, String> {
    let there = &baseline.made_by;
    if there.rustc != here.rustc {
        println!("note: the baseline was made by {}, this by {}: a change may be the compiler's", there.rustc, here.rustc);
    }
    if there.processor != here.processor {
        println!("note: not compared: the baseline is of {}, this machine is {}", there.processor, here.processor);
        return Ok(Vec::new());
    }
    let is_better = |(name, count): &(&String, &f64)| baseline.change(name, **count).is_some_and(|change| change < -ALLOWED);
    let better: Vec<&str> = counts.iter().filter(is_better).map(|(name, _)| name.as_str()).collect();
    if !better.is_empty() {
        println!("note: more than {ALLOWED} % below the baseline, so record them, or they can rise again unseen: {}", better.join(", "));
    }
    Ok(baseline.objections(counts, ALLOWED))
}

/// Counts by name. One case per processor runs at a time, which does not change counts.
fn counts(cases: &[&Case]) -> Result<BTreeMap<String, f64>, String> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut counted = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            counted.push((case.name.clone(), counting::count(case)?));
        }
        Ok::<_, String>(counted)
    };
    let many = thread::available_parallelism().map_or(1, usize::from);
    let counted = thread::scope(|scope| {
        let threads: Vec<_> = (0..many).map(|_| scope.spawn(some)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a counting thread died".to_owned())?).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(counted.into_iter().flatten().collect())
}
