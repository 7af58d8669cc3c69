//! The golden cases of proto-examples: the bytes of one or more datagrams, and the expected exposition.
//!
//! Every case runs through the pipeline, with its flags parsed as the program parses them. Cases that need a socket run against the
//! program. proto-examples/README.md describes the files of a case.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use statsd_bridge::internals::SampleRejection;
use statsd_bridge::internals::cli::{self, Invocation};
use statsd_bridge::internals::protocol::SampleError;
use statsd_bridge::name::Escaping;
use statsd_bridge::options::Prefix;
use statsd_bridge::{Bridge, Format, Timestamp};

use crate::harness::{self, Launch};
use crate::page::Page;
use crate::peers;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The file endings of expected expositions, and the escaping of each.
const ESCAPINGS: [(&str, Escaping); 4] = [
    ("prom", Escaping::Underscores),
    ("dots.prom", Escaping::Dots),
    ("values.prom", Escaping::Values),
    ("allow-utf-8.prom", Escaping::AllowUtf8),
];

/// Fewer cases than this mean that the folder is incomplete.
const CASES_AT_LEAST: usize = 360;

/// One case: its path without an ending, and its datagrams in order.
struct Case {
    stem: PathBuf,
    datagrams: Vec<Vec<u8>>,
}

impl Case {
    fn beside(&self, ending: &str) -> Option<String> {
        let path = self.stem.with_extension(ending);
        path.exists().then(|| fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn name(&self) -> String {
        self.stem.strip_prefix(folder()).expect("below the folder").display().to_string()
    }

    fn flags(&self) -> Vec<String> {
        let mapping = self.mapping().map(|path| format!("--statsd.mapping-config={}", path.display()));
        self.beside("flags").unwrap_or_default().lines().map(str::to_owned).chain(mapping).collect()
    }

    /// The mapping file beside the case, or the shared file that the case names.
    fn mapping(&self) -> Option<PathBuf> {
        let own = self.stem.with_extension("mapping.yml");
        let shared = self.beside("shared").map(|name| peers::shared_mapping(name.trim()));
        shared.or_else(|| own.exists().then_some(own))
    }

    /// Whether the case needs no mapping file from outside this repository.
    fn is_whole(&self) -> bool {
        self.beside("shared").is_none()
    }
}

fn folder() -> PathBuf {
    peers::repository().join("proto-examples")
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    gather(&folder(), &mut cases);
    cases.sort_by(|a, b| a.stem.cmp(&b.stem));
    assert!(cases.len() >= CASES_AT_LEAST, "{} cases below {}", cases.len(), folder().display());
    cases
}

fn gather(folder: &Path, cases: &mut Vec<Case>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            gather(&path, cases);
        } else if path.extension().is_some_and(|ending| ending == "prom") && path.with_extension("statsd").exists() {
            let stem = path.with_extension("");
            let mut datagrams = vec![fs::read(path.with_extension("statsd")).expect("readable")];
            datagrams.extend((2..).map_while(|n| fs::read(stem.with_extension(format!("{n}.statsd"))).ok()));
            cases.push(Case { stem, datagrams });
        }
    }
}

/// Calls `visit` for each case that needs neither a socket nor a shared file, with its name and a bridge that ingested its lines.
pub fn each_bridge(visit: &mut dyn FnMut(&str, &Bridge)) {
    for case in cases() {
        if case.beside("socket").is_none() && case.is_whole() {
            visit(&case.name(), &bridge_of(&case));
        }
    }
}

/// A bridge with the flags and rules of a case, after its lines.
fn bridge_of(case: &Case) -> Bridge {
    let arguments = ["statsd-bridge".to_owned()].into_iter().chain(case.flags()).map(OsString::from);
    let Ok(Invocation::Run(settings)) = cli::parse(arguments) else { panic!("{}: the flags are refused", case.name()) };
    let book = settings.mapping.read().unwrap_or_else(|mistakes| panic!("{}: the rules are refused:\n{mistakes}", case.name()));
    let bridge = Bridge::new(settings.bridge);
    bridge.replace_rules(book.rules);
    let mut worker = bridge.worker();
    case.datagrams.iter().for_each(|datagram| worker.ingest(datagram, NOW));
    bridge
}

/// The exposition of a case under each escaping for which it has an expected one. The first escaping is the default.
fn run(case: &Case) -> Vec<(&'static str, String)> {
    if case.beside("socket").is_some() {
        let bridge = case.flags().into_iter().fold(Launch::new(), Launch::arg).start();
        case.datagrams.iter().for_each(|datagram| bridge.send(datagram));
        bridge.page_when("the datagrams are counted", |page| page.sum("statsd_bridge_udp_packets_total") >= case.datagrams.len() as f64);
        let text = bridge.page_text();
        bridge.stop();
        return vec![("prom", text)];
    }
    let bridge = bridge_of(case);
    assert!(bridge.accounting().adds_up(), "{}", case.name());
    let asked = ESCAPINGS.into_iter().filter(|(ending, _)| case.beside(ending).is_some());
    let page = |(ending, escaping)| {
        let (mut page, mut text) = (bridge.exposition_escaped(Format::Text, escaping, NOW), Vec::new());
        while page.more(&mut text) {}
        (ending, String::from_utf8(text).expect("a page is UTF-8"))
    };
    asked.map(page).collect()
}

/// The differences from the expected expositions of a case, line by line.
fn differences(case: &Case) -> Vec<String> {
    run(case).iter().flat_map(|(ending, text)| page_differences(case, ending, text)).collect()
}

fn page_differences(case: &Case, ending: &str, text: &str) -> Vec<String> {
    let page = match Page::parse(text) {
        Ok(page) => page,
        Err(error) => return vec![format!("the page is bad: {error}")],
    };
    let prefix = if case.flags().iter().any(|flag| flag == "--compat=statsd_exporter") { Prefix::Exporter } else { Prefix::Bridge };
    let mut found = Vec::new();
    if let Err(why) = harness::accounts(&page) {
        found.push(why);
    }
    let got = crate::page::without_own(text, prefix.as_str());
    let want = case.beside(ending).expect("it was asked for");
    let (got, want): (Vec<&str>, Vec<&str>) = (got.lines().collect(), want.lines().collect());
    if got != want {
        found.extend(want.iter().filter(|line| !got.contains(line)).map(|line| format!("missing: {line}")));
        found.extend(got.iter().filter(|line| !want.contains(line)).map(|line| format!("not expected: {line}")));
        found.push(format!("or the order of lines differs, in .{ending}"));
    }
    if ending != "prom" {
        return found;
    }
    for own in case.beside("own").unwrap_or_default().lines() {
        let (series, value) = own.rsplit_once(' ').expect("an own metric and its value");
        let got = page.value(&format!("{}{series}", prefix.as_str()));
        if got != value.parse().ok() {
            found.push(format!("{series} is {got:?}, expected {value}"));
        }
    }
    found
}

/// Asserts that each of these cases gives its expected exposition, and that there are at least this many cases.
fn expect_pages(at_least: usize, is_asked: impl Fn(&Case) -> bool) {
    let cases: Vec<Case> = cases().into_iter().filter(is_asked).collect();
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .map(|case| (case, differences(case)))
        .filter(|(_, differences)| !differences.is_empty())
        .map(|(case, differences)| format!("{}\n    {}", case.name(), differences.join("\n    ")))
        .collect();
    assert!(wrong.is_empty(), "{} cases differ from their pages:\n{}", wrong.len(), wrong.join("\n"));
}

#[apply(test)]
fn every_case_gives_its_page() {
    expect_pages(CASES_AT_LEAST, Case::is_whole);
}

#[apply(test)]
fn every_case_with_the_mapping_file_of_an_application_gives_its_page() {
    expect_pages(4, |case| !case.is_whole());
}

#[apply(test)]
fn every_reason_of_rejection_has_a_case() {
    let cases = cases();
    let own: String = cases.iter().filter(|case| case.name().starts_with("malformed")).filter_map(|case| case.beside("own")).collect();
    let reasons = SampleError::ALL.map(SampleError::as_str).into_iter().chain(SampleRejection::ALL.map(SampleRejection::as_str));
    let without: Vec<&str> = reasons.filter(|reason| !own.contains(&format!("reason=\"{reason}\""))).collect();
    assert!(without.is_empty(), "no case in proto-examples/malformed for {without:?}");
}
