//! A line as SVG, by attributes alone: the policy of the pages allows no styles within them.

use maud::{Markup, html};
use serde_json::Value;

use super::wording::{list, number};

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 48.0;

/// The seconds that the width shows.
const SECONDS: f64 = 900.0;

/// The line of `[age, value]` points. `title` says what it shows, also to a reader who does not see it.
pub(super) fn chart(title: &str, points: &Value, limit: Option<f64>) -> Markup {
    let points: Vec<(f64, f64)> = list(points).map(|pair| (number(&pair[0]), number(&pair[1]))).collect();
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    // The limit is drawn where the values come near it.
    let limit = limit.filter(|limit| most >= limit / 4.0);
    let top = most.max(limit.unwrap_or_default()).max(1e-9) * 1.05;
    let x = |age: f64| WIDTH * (1.0 - (age / SECONDS).min(1.0));
    let y = |value: f64| HEIGHT * (1.0 - value / top);
    let line: Vec<String> = points.iter().map(|(age, value)| format!("{:.1},{:.1}", x(*age), y(*value))).collect();
    let ends = points.first().zip(points.last()).map(|(first, last)| (x(first.0), x(last.0)));
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(title) {
            line x1="0" x2=(WIDTH) y1=(HEIGHT) y2=(HEIGHT) {}
            @if let (Some((from, to)), true) = (ends, line.len() > 1) {
                polygon points=(format!("{from:.1},{HEIGHT} {} {to:.1},{HEIGHT}", line.join(" "))) {}
                polyline points=(line.join(" ")) {}
            }
            @if let Some(limit) = limit {
                polyline.second points=(format!("0,{0:.1} {WIDTH},{0:.1}", y(limit))) {}
            }
        }
    }
}
