//! What both programs are sent: published lines and mapping files, the examples, and a line for each rule of each mapping file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

use crate::peers;

/// Datagrams, the flags that both programs understand, and their mapping file.
#[derive(Debug, Clone, Default)]
pub struct Case {
    pub name: String,
    pub flags: Vec<String>,
    pub mapping: Option<PathBuf>,
    pub datagrams: Vec<Vec<u8>>,
}

impl Case {
    /// Whether a prefix before each line changes no more than the names: then the case can share its processes with others.
    pub fn takes_prefix(&self) -> bool {
        let mut lines = self.datagrams.iter().flat_map(|datagram| datagram.split(|byte| *byte == b'\n'));
        self.mapping.is_none() && lines.all(|line| line.first().is_none_or(u8::is_ascii_alphabetic))
    }

    /// The datagrams with a prefix before each line.
    pub fn with_prefix(&self, prefix: &str) -> Vec<Vec<u8>> {
        let line = |line: &[u8]| if line.is_empty() { Vec::new() } else { [prefix.as_bytes(), line].concat() };
        let datagram = |datagram: &Vec<u8>| datagram.split(|byte| *byte == b'\n').map(line).collect::<Vec<_>>().join(&b'\n');
        self.datagrams.iter().map(datagram).collect()
    }

    /// The mapping file; empty without one.
    pub fn rules(&self) -> String {
        let text = self.mapping.as_ref().map(|path| fs::read_to_string(path).expect("a mapping file is text"));
        text.unwrap_or_default()
    }

    /// The lines.
    pub fn text(&self) -> String {
        let lines: Vec<_> = self.datagrams.iter().map(|datagram| String::from_utf8_lossy(datagram).into_owned()).collect();
        lines.join("\n")
    }
}

/// Every case; files that it needs are written to the folder.
pub fn all(folder: &TempDir) -> Vec<Case> {
    let mut cases = lines();
    cases.extend(examples(folder));
    cases.extend(packets(folder));
    cases.extend(mappings(folder));
    cases.extend(files_in_use(folder));
    cases.retain(|case| !is_endless(case));
    cases
}

/// Whether statsd_exporter would observe a sample so many times that it takes minutes or longer.
fn is_endless(case: &Case) -> bool {
    static SMALL_RATE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"@(\d*(\.\d+)?e-|0?\.00000)").expect("a pattern"));
    SMALL_RATE.is_match(&case.text())
}

fn of<'v>(corpus: &'v Value, key: &str) -> &'v Vec<Value> {
    corpus[key].as_array().expect("a list")
}

fn bytes_of_hex(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("hex"), 16).expect("hex")).collect()
}

/// `input`, or `input_hex` where it is not UTF-8.
fn bytes_of(case: &Value, key: &str) -> Vec<u8> {
    let text = case[key].as_str().map(|text| text.as_bytes().to_vec());
    text.unwrap_or_else(|| bytes_of_hex(case[format!("{key}_hex")].as_str().expect("text or hex")))
}

/// The flags that switch off the styles of tags that are not listed.
fn flags_of(case: &Value) -> Vec<String> {
    let has = |style: &str| of(case, "flags").iter().any(|flag| flag == style);
    let styles = ["dogstatsd", "influxdb", "librato", "signalfx"];
    styles.into_iter().filter(|style| !has(style)).map(|style| format!("--no-statsd.parse-{style}-tags")).collect()
}

/// The published lines of statsd_exporter's own tests, and more.
fn lines() -> Vec<Case> {
    let mut cases = Vec::new();
    for file in ["statsd_exporter_lines.json", "statsd_exporter_lines_extra.json"] {
        for (nth, case) in of(&peers::shared_corpus(file), "cases").iter().enumerate() {
            // Half of the lines that were generated at random: all of them take a minute.
            if case["group"] == "generated" && nth % 2 == 1 {
                continue;
            }
            let datagrams = vec![bytes_of(case, "input")];
            cases.push(Case { name: file.to_owned(), flags: flags_of(case), mapping: None, datagrams });
        }
    }
    assert!(cases.len() >= 1_200, "{}", cases.len());
    cases
}

/// Published packets, some with a mapping file. Those that also need a clock or a reload are left out.
fn packets(folder: &TempDir) -> Vec<Case> {
    let mut cases = Vec::new();
    for case in of(&peers::shared_corpus("statsd_exporter_bridge.json"), "packet_to_events") {
        let name = case["name"].as_str().unwrap_or_default().to_owned();
        cases.push(Case { name, flags: flags_of(case), mapping: None, datagrams: vec![bytes_of(case, "packet")] });
    }
    for (nth, case) in of(&peers::shared_corpus("statsd_exporter_pipeline_extra.json"), "cases").iter().enumerate() {
        let steps = of(case, "steps");
        if steps.iter().all(|step| step.get("packet_hex").or(step.get("gather")).is_some()) {
            let datagrams = steps.iter().filter_map(|step| step["packet_hex"].as_str()).map(bytes_of_hex).collect();
            let mapping = case["config"].as_str().map(|config| write(folder, &format!("pipeline-{nth}.yml"), config));
            cases.push(Case { name: case["name"].as_str().unwrap_or_default().to_owned(), flags: Vec::new(), mapping, datagrams });
        }
    }
    cases
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a file in a temporary directory");
    path
}

/// The published mapping files, with their probes and a line for each rule.
fn mappings(folder: &TempDir) -> Vec<Case> {
    let mut cases = Vec::new();
    for file in ["statsd_exporter_mappings.json", "statsd_exporter_mappings_extra.json"] {
        for (nth, case) in of(&peers::shared_corpus(file), "cases").iter().enumerate() {
            let text = case["config"].as_str().expect("a case has a file");
            let probes = ["probes", "mappings"].iter().filter_map(|key| case[key].as_array()).flatten();
            let mut lines: Vec<String> = probes.filter_map(probe).collect();
            lines.extend(lines_for(text));
            let mapping = Some(write(folder, &format!("{file}-{nth}.yml"), text));
            let name = format!("{file}: {}", case["name"].as_str().unwrap_or_default());
            cases.push(Case { name, flags: Vec::new(), mapping, datagrams: vec![lines.join("\n").into_bytes()] });
        }
    }
    cases
}

fn probe(probe: &Value) -> Option<String> {
    let metric = probe["metric"].as_str().or(probe["statsd_metric"].as_str())?;
    let kind = match probe["type"].as_str().or(probe["metric_type_probed"].as_str())? {
        "counter" => "c",
        "gauge" => "g",
        _ => "h",
    };
    Some(format!("{metric}:3|{kind}"))
}

/// Lines of every kind for each pattern of a mapping file: the pattern itself with names in place of the asterisks.
fn lines_for(yaml: &str) -> Vec<String> {
    let pattern = Regex::new(r#"(?m)^[\s-]*"?match"?:\s*["']?([A-Za-z_][\w.*-]*)["']?\s*$"#).expect("a pattern");
    let mut lines = Vec::new();
    for (nth, found) in pattern.captures_iter(yaml).enumerate() {
        let name = found[1].replace('*', &format!("part-{nth}"));
        let kind = ["c", "g", "ms", "h", "d"][nth % 5];
        lines.push(format!("{name}:{}|{kind}|#tag_{nth}:x", nth + 1));
        lines.push(format!("{name}.more:1|c"));
    }
    lines
}

/// Mapping files in use, and the presets.
fn files_in_use(folder: &TempDir) -> Vec<Case> {
    let presets = fs::read_dir(peers::repository().join("presets")).expect("the presets are in the repository");
    let mut files: Vec<PathBuf> = presets.map(|entry| common_part(folder, &entry.expect("an entry can be read").path())).collect();
    files.sort_unstable();
    assert!(files.len() >= 9, "{files:?}");
    files.extend(["airflow-chart.yml", "envoy.yml", "envoy-ratelimit.yml", "openstack-swift.yml"].map(peers::shared_mapping));
    let case = |mapping: PathBuf| {
        let text = fs::read_to_string(&mapping).expect("a mapping file is text");
        let datagrams = lines_for(&text).chunks(20).map(|lines| lines.join("\n").into_bytes()).collect();
        Case { name: mapping.display().to_string(), flags: Vec::new(), mapping: Some(mapping), datagrams }
    };
    files.into_iter().map(case).collect()
}

/// A preset without its tests and units, which statsd_exporter does not have.
fn common_part(folder: &TempDir, preset: &Path) -> PathBuf {
    let text = fs::read_to_string(preset).unwrap_or_else(|error| panic!("{}: {error}", preset.display()));
    let rules = text.split_once("\ntests:").map_or(&*text, |(rules, _)| rules);
    let lines = rules.lines().filter(|line| !line.trim_start().starts_with("unit: "));
    let name = preset.file_name().expect("a file has a name").to_string_lossy();
    write(folder, &format!("preset-{name}"), &(lines.collect::<Vec<_>>().join("\n") + "\n"))
}

/// The examples, without the flags that statsd_exporter does not have. A preset is its file.
fn examples(files: &TempDir) -> Vec<Case> {
    let mut cases = Vec::new();
    gather(files, &peers::repository().join("proto-examples"), &mut cases);
    assert!(cases.len() >= 360, "{}", cases.len());
    cases
}

fn gather(files: &TempDir, folder: &Path, cases: &mut Vec<Case>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort_unstable();
    for path in paths {
        if path.is_dir() {
            gather(files, &path, cases);
        } else if path.extension().is_some_and(|ending| ending == "prom") && path.with_extension("statsd").exists() {
            cases.push(example(files, &path));
        }
    }
}

fn example(files: &TempDir, path: &Path) -> Case {
    let mut datagrams = vec![fs::read(path.with_extension("statsd")).expect("readable")];
    datagrams.extend((2..).map_while(|n| fs::read(path.with_extension(format!("{n}.statsd"))).ok()));
    let flags = fs::read_to_string(path.with_extension("flags")).unwrap_or_default();
    let own = path.with_extension("mapping.yml");
    let shared = fs::read_to_string(path.with_extension("shared")).ok().map(|name| peers::shared_mapping(name.trim()));
    let preset = flags.lines().find_map(|flag| flag.strip_prefix("--preset="));
    let preset = preset.map(|name| common_part(files, &peers::repository().join(format!("presets/{name}.yml"))));
    let styles = ["dogstatsd", "influxdb", "librato", "signalfx"].map(|style| format!("statsd.parse-{style}-tags"));
    Case {
        name: path.strip_prefix(peers::repository()).unwrap_or(path).with_extension("").display().to_string(),
        flags: flags.lines().filter(|flag| styles.iter().any(|style| flag.contains(style))).map(str::to_owned).collect(),
        mapping: own.exists().then_some(own).or(shared).or(preset),
        datagrams,
    }
}
