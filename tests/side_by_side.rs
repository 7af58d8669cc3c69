//! statsd_exporter itself beside the bridge with `--compat=statsd_exporter`: the same lines, the same mapping files, and their
//! expositions compared. [`explained`] lists every difference, with its row of docs/migrating.md.

mod cases;
mod explained;
mod exposition;
mod pair;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

use tempfile::TempDir;

use self::cases::Case;
use self::exposition::{Facts, differences};
use self::pair::{Pair, Seen};
use crate::{compatibility, peers};

/// More cases than this in two processes make their expositions slow.
const CASES_A_PAIR: u32 = 60;

/// A case and how the two programs differ in it.
struct Outcome {
    case: Case,
    differences: Vec<String>,
}

#[apply(test)]
fn every_difference_from_statsd_exporter_is_explained() {
    let exporter = peers::built("statsd-exporter", "statsd_exporter");
    let folder = TempDir::new().expect("a temporary directory");
    // Cases with the same flags stand together, so that they share processes.
    let mut groups: BTreeMap<_, Vec<Case>> = BTreeMap::new();
    for case in cases::all(&folder) {
        groups.entry((case.flags.clone(), case.mapping.clone())).or_default().push(case);
    }
    let (mut halves, mut sizes) = ([const { Vec::new() }; 2], [0, 0]);
    for group in groups.into_values() {
        let smaller = usize::from(sizes[0] > sizes[1]);
        sizes[smaller] += group.len();
        halves[smaller].push(group);
    }
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let exporter = exporter.as_path();
        let run =
            |half: Vec<Vec<Case>>| scope.spawn(move || half.into_iter().flat_map(|group| compare(exporter, group)).collect::<Vec<_>>());
        let threads = halves.map(run);
        threads.into_iter().flat_map(|thread| thread.join().expect("no comparison panics")).collect()
    });
    let summary = explained::check(&outcomes);
    let version = peers::module_version("statsd-exporter", "github.com/prometheus/statsd_exporter");
    let equal = outcomes.iter().filter(|outcome| outcome.differences.is_empty()).count();
    assert!(outcomes.len() > 1_800 && equal > 1_000, "{equal} of {} cases are equal", outcomes.len());
    eprintln!("{equal} of {} cases are equal", outcomes.len());
    let compared = "more than 1,800 cases over UDP with `--compat=statsd_exporter`: published lines, packets and mapping files, proto-examples, \
                    presets; types, helps, labels and values of families, shared self-metrics";
    let result = "equal, or different as a row of [migrating](migrating.md#what-differs-and-why) explains";
    eprintln!("differences by row:\n{summary}");
    compatibility::seen("statsd_exporter", &version, compared, result);
}

/// Runs cases of one set of flags and one mapping file.
fn compare(exporter: &Path, group: Vec<Case>) -> Vec<Outcome> {
    let (mut pair, mut outcomes): (Option<Pair>, _) = (None, Vec::new());
    for case in group {
        let shares = case.takes_prefix();
        let kept = pair.take().filter(|pair| shares && pair.cases() < CASES_A_PAIR);
        let mut current = match kept.map_or_else(|| Pair::start(exporter, &case), Ok) {
            Ok(pair) => pair,
            Err((theirs, ours)) => {
                let does = |ended: bool| if ended { "does not start" } else { "starts" };
                let differences = if theirs == ours { Vec::new() } else { vec![format!("{} | {}", does(theirs), does(ours))] };
                outcomes.push(Outcome { case, differences });
                continue;
            }
        };
        let prefix = if shares { format!("n{}_", current.cases()) } else { String::new() };
        let seen = current.run(&case.with_prefix(&prefix));
        let is_well = Pair::is_well(&seen);
        let differences = match seen {
            (Seen::Exposes(theirs), Seen::Exposes(ours)) => differences(&without(&theirs, &prefix), &without(&ours, &prefix)),
            (theirs, ours) => {
                let does = |seen: &Seen| match seen {
                    Seen::Exposes(_) => "works",
                    Seen::Ended => "ends",
                    Seen::FailsScrapes => "fails every scrape",
                };
                vec![format!("{} | {}", does(&theirs), does(&ours))]
            }
        };
        outcomes.push(Outcome { case, differences });
        pair = Some(current).filter(|_| is_well && shares);
    }
    outcomes
}

/// The facts with the names that the sender of the case chose.
fn without(facts: &Facts, prefix: &str) -> Facts {
    let strip = |name: &str| name.replacen(prefix, "", 1);
    let families = facts.families.iter().map(|(name, family)| (strip(name), family.clone())).collect();
    let own = facts.own.iter().map(|(series, value)| (strip(series), *value)).collect();
    Facts { families, own, lines: facts.lines }
}
