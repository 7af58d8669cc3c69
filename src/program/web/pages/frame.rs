//! The frame of all pages: head, navigation, the box of Ask, and the keys.

use maud::{DOCTYPE, Markup, html};

use super::assets::Asset;
use super::visit::Visit;
use crate::program::web::api::Live;
use crate::program::web::view::View;

/// Where a page is, and what links lead on.
pub(super) struct Place<'a> {
    pub(super) view: View,
    /// What leads from the page to `/`: empty, or `../`.
    pub(super) base: &'static str,
    pub(super) live: &'a Live,
}

impl Place<'_> {
    /// A link to a view.
    pub(super) fn link(&self, view: View) -> String {
        let base = self.base;
        match view {
            // Where the exposition is at `/`, the overview has the other path.
            View::Overview if self.live.telemetry_path != "/" => if base.is_empty() { "./" } else { base }.to_owned(),
            view => format!("{base}ui/{}", view.name()),
        }
    }

    /// A link to another path of the bridge, which starts with a slash.
    pub(super) fn path(&self, path: &str) -> String {
        let base = if self.base.is_empty() { "./" } else { self.base };
        format!("{base}{}", path.trim_start_matches('/'))
    }

    fn asset(&self, asset: Asset) -> String {
        format!("{}ui/{}?v={}", self.base, asset.name(), asset.version())
    }
}

/// The whole page around what a view shows.
pub(super) fn page(place: &Place<'_>, visit: &Visit, shown: &Markup) -> Markup {
    let title = place.view.title();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - Statsd Bridge" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(place.asset(Asset::Style));
                script src=(place.asset(Asset::Script)) defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (header(place, visit))
                div.frame {
                    (navigation(place))
                    main #main tabindex="-1" { (shown) }
                }
                (keys())
            }
        }
    }
}

fn header(place: &Place<'_>, visit: &Visit) -> Markup {
    html! {
        header.top {
            a.brand href=(place.link(View::Overview)) { "Statsd Bridge" small { (env!("CARGO_PKG_VERSION")) } }
            form.search method="get" action=(place.link(View::Ask)) role="search" aria-label="Ask" {
                input #q type="search" name="q" aria-label="A StatsD line, a StatsD name or a Prometheus name"
                    placeholder="Why is it missing? A line, a StatsD name or a Prometheus name" autocomplete="off" autocapitalize="off" spellcheck="false";
                button { "Ask" }
            }
            span #state {
                @if visit.is_ready { span.state.good { "ready" } } @else { span.state.waiting { "not ready" } }
            }
            span.tools {
                span.soft #renewed role="status" {}
                button #pause type="button" aria-pressed="false" data-script hidden { "Pause" }
                button #help type="button" aria-haspopup="dialog" data-script hidden { "Keys" }
            }
        }
    }
}

fn navigation(place: &Place<'_>) -> Markup {
    html! {
        nav aria-label="Views" {
            ul {
                @for view in View::ALL {
                    li {
                        a href=(place.link(view)) aria-current=[(view == place.view).then_some("page")] { (view.title()) }
                    }
                }
            }
        }
    }
}

fn keys() -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            dl.facts {
                dt { kbd { "/" } } dd { "to the search" }
                dt { kbd { "j" } " " kbd { "k" } } dd { "to the next row, to the previous row" }
                dt { kbd { "Enter" } } dd { "opens the link of the row" }
                dt { kbd { "p" } } dd { "pauses and resumes the renewal of the page" }
                dt { kbd { "?" } } dd { "shows these keys" }
                dt { kbd { "Esc" } } dd { "leaves a field or this box" }
            }
            form method="dialog" { button { "Close" } }
        }
    }
}
