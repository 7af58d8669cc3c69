//! The built-in mapping files, one per application: their names and texts.
//!
//! They are the mapping files in `presets/`, with their own `tests:`. Must not parse them: a preset is parsed like any other mapping file.

/// Names and texts, sorted by name.
const PRESETS: [(&str, &str); 9] = [
    ("airflow", include_str!("../../presets/airflow.yml")),
    ("airflow-tags", include_str!("../../presets/airflow-tags.yml")),
    ("consul", include_str!("../../presets/consul.yml")),
    ("envoy", include_str!("../../presets/envoy.yml")),
    ("envoy-ratelimit", include_str!("../../presets/envoy-ratelimit.yml")),
    ("gunicorn", include_str!("../../presets/gunicorn.yml")),
    ("kong", include_str!("../../presets/kong.yml")),
    ("swift", include_str!("../../presets/swift.yml")),
    ("vault", include_str!("../../presets/vault.yml")),
];

const NAMES: [&str; PRESETS.len()] = {
    let mut names = [""; PRESETS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = PRESETS[at].0;
        at += 1;
    }
    names
};

/// The names of all presets, sorted.
pub(super) fn names() -> &'static [&'static str] {
    &NAMES
}

/// The text of a preset, a mapping file in YAML; `None` if the name is unknown.
pub(super) fn text(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The name and description of each preset, sorted by name. The description is the comment in the first line of the text.
pub(super) fn descriptions() -> impl Iterator<Item = (&'static str, &'static str)> {
    PRESETS.iter().map(|(name, text)| {
        let first = text.split_once('\n').map_or(*text, |(first, _)| first);
        (*name, first.trim_start_matches("# ").trim_end_matches('.'))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::bridge::Bridge;
    use crate::options::Options;
    use crate::program::rulebook::Sources;
    use crate::time::Timestamp;

    #[test]
    fn every_file_is_a_preset() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets");
        let entries = std::fs::read_dir(folder).expect("the folder of presets");
        let files: BTreeSet<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter_map(|name| name.strip_suffix(".yml").map(str::to_owned))
            .collect();
        let names: Vec<String> = files.into_iter().collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn presets_are_found_by_exact_name() {
        for (name, description) in descriptions() {
            let text = text(name).expect("a text");
            assert!(text.starts_with(&format!("# {description}.\n")) && description.len() < 110, "{name}: {description}");
            assert!(text.contains("\nmappings:\n") && text.contains("\ntests:\n"), "{name}");
        }
        assert_eq!(text("airflow.yml"), None);
        assert_eq!(text(""), None);
    }

    /// Two presets share many rules of Airflow. They must stay equal.
    #[test]
    fn the_shared_rules_of_both_airflow_presets_are_equal() {
        let shared = |name| {
            let text = text(name).expect("a text");
            let (_, after) = text.split_once("  # ---- shared:").expect("where it begins");
            let (shared, _) = after.split_once("  # ---- end of shared ----").expect("where it ends");
            shared
        };
        assert!(shared("airflow").contains("airflow_scheduler_heartbeat_total"));
        assert_eq!(shared("airflow"), shared("airflow-tags"));
    }

    /// Checks each preset alone, and all presets that work together.
    #[test]
    fn every_preset_loads_without_a_finding_and_passes_its_tests() {
        let together: Vec<&str> = NAMES.iter().copied().filter(|name| *name != "airflow-tags").collect();
        for presets in NAMES.iter().map(std::slice::from_ref).chain([&*together]) {
            let sources = Sources { presets: presets.iter().map(|name| (*name).to_owned()).collect(), ..Sources::default() };
            let book = sources.read().unwrap_or_else(|mistakes| panic!("{presets:?}: {mistakes}"));
            assert!(book.findings.is_empty(), "{presets:?}: {:?}", book.findings);
            let tests = book.rules.config().tests.clone();
            assert!(!tests.is_empty(), "{presets:?}");
            for test in tests {
                let exposition = exposition_of(&sources, &test.lines);
                let missing: Vec<_> = test.expect.iter().filter(|line| !exposition.lines().any(|found| found == *line)).collect();
                assert!(missing.is_empty(), "{}: {missing:#?} is missing in\n{exposition}", test.position);
                for family in &test.absent {
                    assert!(!exposition.contains(&format!("# TYPE {family} ")), "{}: {family} is there", test.position);
                }
            }
        }
    }

    /// The exposition of a new bridge after these lines. The presets must map all lines.
    fn exposition_of(sources: &Sources, lines: &[String]) -> String {
        let bridge = Bridge::new(Options::default());
        bridge.replace_rules(sources.read().expect("it was read before").rules);
        let now = Timestamp::from_millis(0);
        bridge.worker().ingest(lines.join("\n").as_bytes(), now);
        let mut exposition = Vec::new();
        bridge.render(now, &mut exposition);
        let exposition = String::from_utf8(exposition).expect("an exposition is UTF-8");
        assert!(exposition.contains("\nstatsd_bridge_events_unmapped_total 0\n"), "{lines:?}");
        exposition
    }
}
