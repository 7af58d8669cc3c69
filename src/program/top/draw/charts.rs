//! Charts of the last 15 minutes, one beside or below another: a line each on a small screen, more on a large one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::theme::Theme;
use crate::program::top::page::{Chart, Tone};
use crate::program::top::plain::Plain;

/// The time that charts show, in seconds.
const TIME: f64 = 15.0 * 60.0;

/// From nothing to all.
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The fewest columns of a chart with its texts.
const LEAST_WIDTH: u16 = 56;

/// Columns of the title, and of the texts at the right.
const TITLE_WIDTH: u16 = 15;
const TEXT_WIDTH: u16 = 24;

/// The most lines of a chart, with one for its texts.
const MOST_HEIGHT: u16 = 6;

pub(super) fn draw(buffer: &mut Buffer, charts: &[Chart], theme: Theme, area: Rect) {
    let beside = (area.width / LEAST_WIDTH).clamp(1, 3);
    let below = (charts.len() as u16).div_ceil(beside).max(1);
    let height = (area.height / below).clamp(1, MOST_HEIGHT);
    let width = area.width / beside;
    for (at, chart) in (0..).zip(charts) {
        let (x, y) = (area.x + (at % beside) * width, area.y + (at / beside) * height);
        if y + height > area.bottom() {
            return;
        }
        let place = Rect { x, y, width: width.saturating_sub(if beside > 1 { 2 } else { 0 }), height };
        if height < 3 { in_a_line(buffer, chart, theme, place) } else { in_lines(buffer, chart, theme, place) }
    }
}

fn in_a_line(buffer: &mut Buffer, chart: &Chart, theme: Theme, place: Rect) {
    theme.put(buffer, (place.x, place.y), &chart.title, TITLE_WIDTH - 1, Tone::Normal);
    let width = place.width.saturating_sub(TITLE_WIDTH + TEXT_WIDTH);
    let line = bars(&chart.points, usize::from(width), 1);
    for line in line {
        theme.put(buffer, (place.x + TITLE_WIDTH, place.y), &line, width, Tone::Soft);
    }
    theme.put(buffer, (place.right().saturating_sub(TEXT_WIDTH - 1), place.y), &chart.latest, TEXT_WIDTH - 1, chart.tone);
}

fn in_lines(buffer: &mut Buffer, chart: &Chart, theme: Theme, place: Rect) {
    let title = Plain::new(&format!("{}: {}", chart.title.as_str(), chart.latest.as_str()));
    let tone = if chart.tone == Tone::Normal { Tone::Strong } else { chart.tone };
    theme.put(buffer, (place.x, place.y), &title, place.width, tone);
    let used = u16::try_from(title.width() + 2).unwrap_or(u16::MAX);
    let most = Plain::new(&format!("at most {} in 15 min", chart.most.as_str()));
    theme.put(buffer, (place.x.saturating_add(used).min(place.right()), place.y), &most, place.width.saturating_sub(used), Tone::Soft);
    // A blank line separates it from the next.
    let lines = bars(&chart.points, usize::from(place.width), usize::from(place.height - 2));
    for (line, y) in lines.iter().zip(place.y + 1..) {
        theme.put(buffer, (place.x, y), line, place.width, Tone::Soft);
    }
}

/// Lines of blocks, the highest first. The right end is now; time without points is blank.
fn bars(points: &[(f64, f64)], width: usize, height: usize) -> Vec<Plain> {
    let mut columns: Vec<Option<f64>> = vec![None; width];
    for (age, value) in points {
        let place = ((1.0 - (age / TIME).clamp(0.0, 1.0)) * width as f64) as usize;
        if let Some(column) = columns.get_mut(place.min(width.saturating_sub(1))) {
            *column = Some(column.map_or(*value, |most: f64| most.max(*value)));
        }
    }
    // Between two points nothing is missing: there are fewer points than columns.
    let first = columns.iter().position(Option::is_some).unwrap_or(width);
    let mut last = None;
    for column in columns.iter_mut().skip(first) {
        *column = column.or(last);
        last = *column;
    }
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let level = |value: f64, line: usize| {
        let full = if most > 0.0 { (value.max(0.0) / most * (height * 8) as f64).ceil() as usize } else { 0 };
        // The lowest line has a mark for each point, so that no value differs from no data.
        let full = full.max(usize::from(line == 0));
        LEVELS.get(full.saturating_sub(line * 8).min(8)).copied().unwrap_or(' ')
    };
    let line = |line: usize| columns.iter().map(|value| value.map_or(' ', |value| level(value, line))).collect::<String>();
    (0..height).rev().map(|at| Plain::new(&line(at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(points: &[(f64, f64)], width: usize, height: usize) -> Vec<String> {
        bars(points, width, height).iter().map(|line| line.as_str().to_owned()).collect()
    }

    #[test]
    fn points_become_bars() {
        assert_eq!(shown(&[(899.0, 8.0), (600.0, 4.0), (300.0, 0.0), (0.0, 1.0)], 4, 1), ["█▄▁▁"]);
        assert_eq!(shown(&[(899.0, 8.0), (0.0, 4.0)], 2, 2), ["█ ", "██"]);
        assert_eq!(shown(&[(100.0, 3.0), (0.0, 3.0)], 9, 1), ["        █"]);
        assert_eq!(shown(&[(100.0, 0.0)], 3, 1), ["  ▁"]);
        assert_eq!((shown(&[], 3, 1), shown(&[(1.0, f64::NAN)], 0, 1)), (vec!["   ".to_owned()], vec![String::new()]));
    }
}
