//! label_steps: applies the label steps of a rule: keep, drop, rename, set and map.

use super::spec::LabelStep;
use super::wild::Wild;

/// Applies `steps` in order to `labels`, which contain each name once. New labels are appended; the other labels keep their order.
pub(crate) fn apply(steps: &[LabelStep], labels: &mut Vec<(String, String)>) {
    for step in steps {
        match step {
            LabelStep::Keep(names) => labels.retain(|(name, _)| names.contains(name)),
            LabelStep::Drop(names) => labels.retain(|(name, _)| !names.contains(name)),
            LabelStep::Rename(from, to) => rename(from, to, labels),
            LabelStep::Set(name, value) => match labels.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.clone_from(value),
                None => labels.push((name.clone(), value.clone())),
            },
            LabelStep::MapValues(name, pairs) => {
                for (_, value) in labels.iter_mut().filter(|(known, _)| known == name) {
                    if let Some((_, becomes)) = pairs.iter().find(|(glob, _)| value_fits(glob, value)) {
                        value.clone_from(becomes);
                    }
                }
            }
        }
    }
}

fn rename(from: &str, to: &str, labels: &mut Vec<(String, String)>) {
    if from == to || !labels.iter().any(|(name, _)| name == from) {
        return;
    }
    labels.retain(|(name, _)| name != to);
    for (name, _) in labels.iter_mut().filter(|(name, _)| name == from) {
        to.clone_into(name);
    }
}

/// Whether a glob of one segment matches all of `value`. An invalid glob matches only its own text; compiled rules have no invalid globs.
fn value_fits(glob: &str, value: &str) -> bool {
    if glob.contains(['*', '{', '}']) { Wild::parse(glob).map_or(glob == value, |wild| wild.fits(value)) } else { glob == value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn after(steps: &[LabelStep]) -> Vec<(String, String)> {
        let mut labels = pairs(&[("a", "1"), ("code", "404"), ("z", "x.y")]);
        apply(steps, &mut labels);
        labels
    }

    #[test]
    fn each_step_changes_the_labels() {
        let names = |of: &[&str]| of.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let rename = |from: &str, to: &str| LabelStep::Rename(from.to_owned(), to.to_owned());
        let set = |name: &str, value: &str| LabelStep::Set(name.to_owned(), value.to_owned());
        assert_eq!(after(&[LabelStep::Keep(names(&["z", "no"]))]), pairs(&[("z", "x.y")]));
        assert_eq!(after(&[LabelStep::Drop(names(&["z", "no"]))]), pairs(&[("a", "1"), ("code", "404")]));
        assert_eq!(after(&[rename("a", "b")]), pairs(&[("b", "1"), ("code", "404"), ("z", "x.y")]));
        assert_eq!(after(&[rename("a", "z")]), pairs(&[("z", "1"), ("code", "404")]));
        assert_eq!(after(&[rename("a", "a"), rename("no", "z")]), after(&[]));
        assert_eq!(after(&[set("a", "2"), set("n", "3")]), pairs(&[("a", "2"), ("code", "404"), ("z", "x.y"), ("n", "3")]));
        let map = |name: &str, of: &[(&str, &str)]| LabelStep::MapValues(name.to_owned(), pairs(of));
        let code = map("code", &[("40", "no"), ("{2,3}*", "ok"), ("4*", "client"), ("404", "late")]);
        assert_eq!(after(std::slice::from_ref(&code)), pairs(&[("a", "1"), ("code", "client"), ("z", "x.y")]));
        assert_eq!(after(&[map("z", &[("x*", "")])]), pairs(&[("a", "1"), ("code", "404"), ("z", "")]));
        assert_eq!(after(&[map("z", &[("{", "n")]), map("no", &[("*", "n")])]), after(&[]));
        assert_eq!(after(&[code, rename("code", "a")]), pairs(&[("a", "client"), ("z", "x.y")]), "in order");
    }
}
