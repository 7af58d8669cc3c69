//! How a list is searched, sorted and cut, as a query states: `q`, `sort` and `limit`. All views with long lists share it.

use serde_json::{Value, json};

use super::parameters::Parameters;
use super::reply::ApiError;

/// What the query of a list may state.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListRules {
    /// The orders; the first one is the default.
    pub(super) sorts: &'static [&'static str],
    /// The number of entries, and the largest number that a query may state.
    pub(super) limit: (usize, usize),
    /// Further parameters.
    pub(super) more: &'static [&'static str],
}

impl ListRules {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// A parameter that is not known, or a value that is not possible, with those that are.
    pub(super) fn read(self, query: Option<&str>) -> Result<(Listing, Parameters), ApiError> {
        let known: Vec<&str> = ["q", "sort", "limit"].into_iter().chain(self.more.iter().copied()).collect();
        let parameters = Parameters::read(&[query.unwrap_or_default()], &known)?;
        let (default, max) = self.limit;
        let limit =
            match parameters.last("limit") {
                Some(text) => text.parse().ok().filter(|number| (1..=max).contains(number)).ok_or_else(|| {
                    ApiError::bad_data(format!("invalid parameter \"limit\": {text:?} is not an integer from 1 to {max}"))
                })?,
                None => default,
            };
        let first = self.sorts.first().copied().unwrap_or_default();
        let sort =
            match parameters.last("sort") {
                Some(text) => self.sorts.iter().copied().find(|sort| *sort == text).ok_or_else(|| {
                    ApiError::bad_data(format!("invalid parameter \"sort\": {text:?} is none of {}", self.sorts.join(", ")))
                })?,
                None => first,
            };
        let q = parameters.last("q").unwrap_or_default().trim().to_owned();
        let wanted = q.to_lowercase();
        Ok((Listing { q, wanted, sort, limit, rules: self }, parameters))
    }
}

/// What a query states about a list.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) q: String,
    wanted: String,
    pub(super) sort: &'static str,
    pub(super) limit: usize,
    rules: ListRules,
}

impl Listing {
    /// Whether one of the texts contains what is searched, in any case. Everything matches an empty search.
    pub(super) fn matches<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> bool {
        self.wanted.is_empty() || texts.into_iter().any(|text| text.as_ref().to_lowercase().contains(&self.wanted))
    }

    /// Searches this text.
    pub(super) fn search(&mut self, text: &str) {
        (self.q, self.wanted) = (text.trim().to_owned(), text.trim().to_lowercase());
    }

    /// Whether all entries are wanted.
    pub(super) fn is_all(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The list as the answer states it: what was asked, and how many entries there are. `found` match.
    pub(super) fn state(&self, found: usize) -> Value {
        let (default, max) = self.rules.limit;
        json!({
            "q": self.q, "sort": self.sort, "sorts": self.rules.sorts, "limit": self.limit, "limit_default": default, "limit_max": max,
            "found": found, "more": found.saturating_sub(self.limit),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: ListRules = ListRules { sorts: &["lines", "name"], limit: (100, 200), more: &["family"] };

    #[test]
    fn queries_state_a_list() {
        let (listing, parameters) = RULES.read(Some("q=Web&sort=name&limit=5&family=a")).expect("valid");
        assert_eq!((&*listing.q, listing.sort, listing.limit, parameters.last("family")), ("Web", "name", 5, Some("a")));
        assert!(listing.matches(["x", "my-WEB-1"]) && !listing.matches(["x"]) && !listing.is_all());
        let state = listing.state(7);
        assert_eq!((&state["more"], &state["found"], &state["sort"]), (&json!(2), &json!(7), &json!("name")));
        let (all, _) = RULES.read(Some("q=")).expect("a form with an empty field");
        assert_eq!((all.sort, all.limit, all.is_all()), ("lines", 100, true));
    }

    #[test]
    fn wrong_queries_say_what_is_possible() {
        for (query, part) in [
            ("limit=0", "from 1 to 200"),
            ("limit=201", "from 1 to 200"),
            ("limit=x", "from 1 to 200"),
            ("limit=", "from 1 to 200"),
            ("sort=x", "none of lines, name"),
            ("x=1", "supported: q, sort, limit, family"),
        ] {
            let error = RULES.read(Some(query)).err().expect(query);
            assert!(error.text.contains(part), "{query}: {}", error.text);
        }
    }
}
