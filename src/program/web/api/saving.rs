//! What to do about a label whose values have no end: a rule that drops it, and what that saves.

use serde_json::{Value, json};

use super::rule_text::{catches, compiled, quoted};
use super::shape::shape;
use crate::arrivals::ArrivedName;
use crate::registry::{Family, FamilyReport};

/// Values of a label below which no rule is suggested.
const VALUES: usize = 10;

/// Raw names of a family that get a rule.
const NAMES: usize = 5;

/// The suggestion for a family; null if no label looks like one without end. `raw` are the raw names of the family.
pub(super) fn suggestion<'n>(family: &Family, report: &FamilyReport, raw: impl Iterator<Item = &'n ArrivedName>) -> Value {
    let wide = report.labels.iter().filter(|label| label.values >= VALUES);
    let Some((label, shape)) = wide.filter_map(|label| Some((label, shape(&label.examples)?))).next() else { return Value::Null };
    let (series, values) = (report.series as u64, label.values as u64);
    let rule = family.rule();
    let yaml = if rule.is_empty() { rules(raw, family.name().as_str(), &label.name) } else { Some(dropped(&label.name)) };
    json!({
        "label": label.name,
        "shape": shape,
        "values": label.values,
        // At most: the other labels may tell the same series apart.
        "saves_series": series.saturating_sub(series.div_ceil(values)),
        "saves_bytes": report.bytes as u64 / values * (values - 1),
        "rule": rule,
        "yaml": yaml,
    })
}

/// Rules for a mapping file; `None` if no pattern matches the raw names.
fn rules<'n>(raw: impl Iterator<Item = &'n ArrivedName>, family: &str, label: &str) -> Option<String> {
    // A star would also match other names.
    let mut names: Vec<&str> = raw.map(|known| &*known.name).filter(|name| !name.contains('*')).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(NAMES);
    let rule = |name: &&str| format!("- match: {}\n  name: {}\n  {}\n", quoted(name), quoted(family), dropped(label));
    let yaml: String = names.iter().map(rule).collect();
    let rules = compiled(&yaml)?;
    (!names.is_empty() && names.iter().all(|name| catches(&rules, name))).then_some(yaml)
}

fn dropped(label: &str) -> String {
    format!("drop_labels: [{}]", quoted(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Bridge;
    use crate::ingest::pipeline::Worker;
    use crate::mapping::Rules;
    use crate::options::Options;
    use crate::time::Timestamp;

    fn suggested(bridge: &Bridge) -> Value {
        let family = bridge.registry().family("app_login").expect("a family");
        let arrived = bridge.engine().arrivals().all().0;
        suggestion(&family, &family.in_report(), arrived.iter())
    }

    #[test]
    fn the_rule_saves_what_it_says() {
        let now = Timestamp::from_millis(1);
        let bridge = Bridge::of_program(Options::default());
        let mut worker = bridge.worker();
        let send = |worker: &mut Worker| {
            for number in 0..40 {
                worker.ingest(format!("app.login:1|c|#ip:10.0.0.{number},zone:{}", number % 2).as_bytes(), now);
            }
        };
        send(&mut worker);
        let found = suggested(&bridge);
        assert_eq!((&found["label"], &found["shape"], &found["saves_series"]), (&json!("ip"), &json!("IP address"), &json!(39)));
        let yaml = found["yaml"].as_str().expect("rules");
        assert_eq!(yaml, "- match: \"app.login\"\n  name: \"app_login\"\n  drop_labels: [\"ip\"]\n");
        bridge.replace_rules(Rules::from_yaml(&format!("mappings:\n{yaml}")).expect("it compiles"));
        bridge.delete_series(&|_, _| true, false);
        send(&mut worker);
        assert_eq!(bridge.registry().series(), 2, "one for each zone");
        assert_eq!(suggested(&bridge), Value::Null);
    }

    #[test]
    fn a_family_of_a_rule_gets_a_line_for_it() {
        let bridge = Bridge::of_program(Options::default());
        bridge.replace_rules(Rules::from_yaml("mappings:\n- match: app.*\n  name: app_login\n").expect("it compiles"));
        let mut worker = bridge.worker();
        (0..20).for_each(|number| worker.ingest(format!("app.x:1|c|#ip:10.0.0.{number}").as_bytes(), Timestamp::from_millis(1)));
        let found = suggested(&bridge);
        assert_eq!((&found["rule"], &found["yaml"]), (&json!("app.*"), &json!("drop_labels: [\"ip\"]")));
    }
}
