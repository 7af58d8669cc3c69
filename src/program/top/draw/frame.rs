//! What stands around a page: the tabs, the state of the bridge and of the data, and the keys.

use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::theme::Theme;
use crate::program::top::app::App;
use crate::program::top::page::Tone;
use crate::program::top::plain::Plain;
use crate::program::top::prompt::{Prompt, Purpose};
use crate::program::top::sheet::Sheet;
use crate::program::top::views::{TABS, Tab};
use crate::program::top::wording::{count, duration};

/// The tabs and the state.
pub(super) fn head(buffer: &mut Buffer, app: &App, theme: Theme, area: Rect) {
    tabs(buffer, app, theme, area);
    let now = Instant::now();
    let (said, tone) = app.sheet().map(|sheet| state(app, sheet, now)).unwrap_or_default();
    let path: Vec<&str> = app.titles().map(Plain::as_str).collect();
    let path = if path.len() > 1 {
        format!("{}   ", Plain::new(&path.join(" > ")).end_of(usize::from(area.width / 2)).as_str())
    } else {
        String::new()
    };
    // An error has the place.
    let path = if tone == Tone::Bad { "" } else { &path };
    theme.put(buffer, (area.x, area.y + 1), &Plain::new(&format!("{path}{said}")), area.width, tone);
}

/// The tabs with their numbers, in short words if the screen is narrow. The shown one has brackets.
fn tabs(buffer: &mut Buffer, app: &App, theme: Theme, area: Rect) {
    let titled = |name: &str| {
        let mut chars = name.chars();
        chars.next().map(|first| format!("{}{}", first.to_uppercase(), chars.as_str())).unwrap_or_default()
    };
    let labels = |space: &str, name: &dyn Fn(&Tab) -> String| -> Vec<String> {
        let label = |(at, tab): (usize, &Tab)| {
            let label = format!("{}{space}{}", (at + 1) % 10, name(tab));
            if at == app.at { format!("[{label}]") } else { label }
        };
        TABS.iter().enumerate().map(label).collect()
    };
    let long = labels(" ", &|tab| titled(tab.name));
    let short = labels(" ", &|tab| tab.short.to_owned());
    let fits = |labels: &[String], gap: usize| labels.iter().map(|label| label.len() + gap).sum::<usize>() <= usize::from(area.width) + gap;
    let (labels, gap) = match () {
        () if fits(&long, 2) => (long, 2),
        () if fits(&short, 1) => (short, 1),
        () => (labels("", &|tab| tab.short.to_owned()), 1),
    };
    let mut x = area.x;
    for (at, label) in labels.iter().enumerate() {
        let label = Plain::new(label);
        let width = u16::try_from(label.width()).unwrap_or(u16::MAX).min(area.right().saturating_sub(x));
        let style = if at == app.at { theme.selected() } else { theme.style(Tone::Normal) };
        theme.put_styled(buffer, (x, area.y), &label, width, style);
        x = x.saturating_add(width + gap).min(area.right());
    }
}

/// The bridge, and how old the data is; or why there is none.
fn state(app: &App, sheet: &Sheet, now: Instant) -> (String, Tone) {
    let age = sheet.received().map(|at| now.duration_since(at).as_secs_f64());
    let old = age.map_or_else(|| "no data yet".to_owned(), |age| format!("data of {} ago", duration(age.floor())));
    if let Some(error) = &sheet.error {
        return (format!("! {old}: {error}"), Tone::Bad);
    }
    let is_late = age.is_none_or(|age| age > app.interval.as_secs_f64() + 3.0);
    let rhythm = format!("every {:?}", app.interval);
    match (app.is_paused, age) {
        (true, _) => (format!("‖ paused, {old}   {}", app.base.as_str()), Tone::Warning),
        (false, None) => (format!("asking {}", app.base.as_str()), Tone::Soft),
        (false, Some(_)) if is_late => (format!("! {old}   {}   {rhythm}", app.base.as_str()), Tone::Warning),
        (false, Some(_)) => (format!("{}   {rhythm}", app.base.as_str()), Tone::Soft),
    }
}

/// The prompt, or the keys and the number of rows.
pub(super) fn foot(buffer: &mut Buffer, app: &App, theme: Theme, area: Rect) {
    if let Some(prompt) = &app.prompt {
        return typed(buffer, prompt, theme, area);
    }
    let Some(sheet) = app.sheet() else { return };
    let rows = Plain::new(&rows(sheet)).cut(usize::from(area.width / 2));
    let width = u16::try_from(rows.width()).unwrap_or(area.width);
    let left = area.width.saturating_sub(width + 2);
    let keys = if app.titles().count() > 1 {
        ["? help", "Esc back", "/ filter", "s sort", "a ask", "q quit", "Enter open", "p pause"]
    } else {
        ["? help", "/ filter", "s sort", "Enter open", "a ask", "q quit", "p pause", "r refresh"]
    };
    let mut said = String::new();
    for key in keys {
        let longer = if said.is_empty() { key.to_owned() } else { format!("{said}  {key}") };
        if longer.len() > usize::from(left) {
            break;
        }
        said = longer;
    }
    theme.put(buffer, (area.x, area.y), &Plain::new(&said), left, Tone::Soft);
    theme.put(buffer, (area.right().saturating_sub(width), area.y), &rows, width, Tone::Normal);
}

/// The filter, the sorted column, and the number of rows.
fn rows(sheet: &Sheet) -> String {
    if sheet.is_text() {
        return String::new();
    }
    let shown = sheet.order.len();
    let place = if shown == 0 { 0 } else { sheet.selected + 1 };
    let mut said = if shown == sheet.shown.rows.len() {
        format!("{} of {}", count(place as f64), count(shown as f64))
    } else {
        format!("{} of {} ({})", count(place as f64), count(shown as f64), count(sheet.shown.rows.len() as f64))
    };
    if !sheet.filter.is_empty() {
        said = format!("/{}  {said}", Plain::new(&sheet.filter).cut(20).as_str());
    }
    if let Some((sort, column)) = sheet.sort.and_then(|sort| Some((sort, sheet.page.columns.get(sort.column)?))) {
        said = format!("by {}{}  {said}", column.title, if sort.is_descending { '▼' } else { '▲' });
    }
    said
}

/// What is typed, with its end visible.
fn typed(buffer: &mut Buffer, prompt: &Prompt, theme: Theme, area: Rect) {
    let (before, after) = match prompt.purpose {
        Purpose::Filter => ("/", "Enter keeps, Esc clears"),
        Purpose::Ask => ("Ask: ", "a line or a name"),
    };
    let after = Plain::new(after);
    let hint = u16::try_from(after.width()).unwrap_or(0);
    let text = prompt.shown();
    let room = usize::from(area.width.saturating_sub(hint + 4)).saturating_sub(before.len());
    let line = Plain::new(&format!("{before}{}▏", text.end(room).as_str()));
    theme.put(buffer, (area.x, area.y), &line, area.width.saturating_sub(hint + 2), Tone::Strong);
    theme.put(buffer, (area.right().saturating_sub(hint), area.y), &after, hint, Tone::Soft);
}
