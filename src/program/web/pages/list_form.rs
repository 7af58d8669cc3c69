//! What all long lists share: the form that searches, sorts and cuts, the links that state a list, and the line about what is not shown.

use maud::{Markup, html};
use serde_json::Value;

use super::frame::Place;
use super::wording::{count_of, list, number, text};
use crate::program::plain_text::percent_encoded;

/// The form of a list, from its state in the data of the report. `orders` names each order. `hidden` parameters stay as they are.
pub(super) fn list_form(place: &Place<'_>, state: &Value, placeholder: &str, orders: &[(&str, &str)], more: &Markup) -> Markup {
    let sorted = text(&state["sort"]);
    html! {
        form.inline method="get" action=(place.link(place.view)) role="search" aria-label=(place.view.title()) {
            input #search type="search" name="q" aria-label="Search" value=(text(&state["q"])) placeholder=(placeholder) autocomplete="off" spellcheck="false";
            @if orders.len() > 1 {
                // One item, so that the word stays beside its field on a narrow page.
                span {
                    label for="sort" { "by " }
                    select #sort name="sort" {
                        @for sort in list(&state["sorts"]).map(text) {
                            @let shown = orders.iter().find(|(name, _)| *name == sort).map_or(sort, |(_, shown)| shown);
                            option value=(sort) selected[sort == sorted] { (shown) }
                        }
                    }
                }
            }
            @if state["limit"] != state["limit_default"] { input type="hidden" name="limit" value=(count_plain(&state["limit"])); }
            (more)
            button { "Show" }
        }
    }
}

/// The query of a list: empty, or with its `?`. `limit` replaces the one in the state.
pub(super) fn list_query(state: &Value, limit: Option<usize>) -> String {
    let is_first = list(&state["sorts"]).next() == Some(&state["sort"]);
    let limit =
        limit.map(|limit| limit.to_string()).or_else(|| (state["limit"] != state["limit_default"]).then(|| count_plain(&state["limit"])));
    let q = Some(text(&state["q"])).filter(|q| !q.is_empty()).map(percent_encoded);
    let sort = Some(text(&state["sort"])).filter(|_| !is_first).map(str::to_owned);
    let stated = [("q", q), ("sort", sort), ("limit", limit)];
    let stated: Vec<String> = stated.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
    if stated.is_empty() { String::new() } else { format!("?{}", stated.join("&")) }
}

/// Says how many entries are not shown, and leads to them: to a longer list, and from the longest one to the JSON.
pub(super) fn not_shown(place: &Place<'_>, state: &Value, what: &str) -> Markup {
    let (more, max) = (number(&state["more"]), number(&state["limit_max"]) as usize);
    let is_longest = number(&state["limit"]) as usize >= max;
    html! {
        @if more > 0.0 {
            p.foot {
                "and " (count_of(&state["more"])) " more " (what) ": narrow the search"
                @if !is_longest { ", or " a href=(format!("{}{}", place.link(place.view), list_query(state, Some(max)))) { "show " (max) } }
                @else if let Some(name) = place.view.api() {
                    @let all = number(&state["found"]).min(1_000.0) as usize;
                    ", or read " a href=(place.path(&format!("/api/v1/{name}{}", list_query(state, Some(all))))) { (all) " as JSON" }
                }
            }
        }
    }
}

fn count_plain(value: &Value) -> String {
    format!("{:.0}", number(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn links_state_what_differs_from_the_default() {
        let state =
            |q: &str, sort: &str, limit: u32| json!({ "q": q, "sort": sort, "sorts": ["a", "b"], "limit": limit, "limit_default": 100 });
        assert_eq!(list_query(&state("", "a", 100), None), "");
        assert_eq!(list_query(&state("x&y", "b", 5), None), "?q=x%26y&sort=b&limit=5");
        assert_eq!(list_query(&state("", "b", 5), Some(200)), "?sort=b&limit=200");
    }
}
