//! Names that did arrive and are near to a name that did not.

use serde_json::{Value, json};

use super::question::Question;

/// Names in an answer.
const SHOWN: usize = 5;

/// Characters of a name that are compared.
const COMPARED: usize = 64;

/// The nearest names, raw ones and those of families.
pub(super) fn near(question: &Question<'_>, text: &str) -> Value {
    let wanted = comparable(text.split([':', '{', '|']).next().unwrap_or_default());
    let raw = question.arrived.iter().map(|known| (&*known.name, "raw"));
    let rejected = question.live.bridge.rejections();
    let rejected = rejected.iter().filter_map(|rejection| rejection.last.as_ref()?.input.split([':', '|', '#', ';', ',']).next());
    let rejected = rejected.filter(|name| !name.is_empty()).map(|name| (name, "raw"));
    let families = question.live.bridge.registry().families();
    let names = raw.chain(rejected).chain(families.iter().map(|family| (family.name().as_str(), "family")));
    let mut found: Vec<(usize, &str, &str)> =
        names.filter_map(|(name, of)| Some((distance(&wanted, &comparable(name))?, name, of))).collect();
    found.sort();
    found.dedup_by_key(|(_, name, _)| *name);
    found.into_iter().take(SHOWN).map(|(_, name, of)| json!({ "name": name, "of": of })).collect()
}

/// Lower case, with one form of all separators, without the suffixes of an exposition.
fn comparable(name: &str) -> Vec<char> {
    let bare = ["_total", "_bucket", "_sum", "_count"].into_iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    bare.chars().take(COMPARED).map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// The number of changes from one name to the other; `None` if they are not near.
fn distance(a: &[char], b: &[char]) -> Option<usize> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let within = a.len().min(b.len()) >= 3 && (a.windows(b.len()).any(|part| part == b) || b.windows(a.len()).any(|part| part == a));
    let most = (a.len() / 3).max(2);
    if a.len().abs_diff(b.len()) > most {
        return within.then_some(most);
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, x) in a.iter().enumerate() {
        let mut before = at;
        let mut left = at + 1;
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let cost = (before + usize::from(x != y)).min(*cell + 1).min(left + 1);
            before = *cell;
            *cell = cost;
            left = cost;
        }
    }
    let changes = row.last().copied().unwrap_or_default();
    if changes <= most { Some(changes) } else { within.then_some(most) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted() {
        let distance = |a: &str, b: &str| distance(&comparable(a), &comparable(b));
        assert_eq!(distance("app.requests", "app_requests"), Some(0));
        assert_eq!(distance("app.request", "app.requests"), Some(1));
        assert_eq!(distance("payments_received_total", "payments_recieved"), Some(2));
        assert_eq!(distance("kitten", "sitting"), None);
        assert_eq!(distance("checkout.time", "chekout.tiem"), Some(3));
        assert_eq!(distance("time", "shop.checkout.time"), Some(2));
        assert_eq!((distance("a", ""), distance("abc", "xyzw")), (None, None));
    }
}
