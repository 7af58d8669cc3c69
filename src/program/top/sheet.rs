//! A page on the screen: its data with its age, and what is selected, filtered and sorted.

use std::cmp::Ordering;
use std::time::Instant;

use super::page::{Cell, Page, Paths, Readout, Readouts, Shown};

/// A page, its data, and how it is looked at.
pub(super) struct Sheet {
    /// Finds the sheet again when its answer arrives.
    pub(super) id: u64,
    pub(super) page: Page,
    pub(super) shown: Shown,
    pub(super) filter: String,
    pub(super) sort: Option<Sort>,
    /// The places of the rows to show, in their order.
    pub(super) order: Vec<usize>,
    /// A place in `order`.
    pub(super) selected: usize,
    /// Whether it was opened from another page. Then its notes are more important than its rows.
    pub(super) is_detail: bool,
    /// The first row or line on the screen.
    pub(super) offset: usize,
    /// How many rows or lines the screen has, and whether they are lines of notes.
    pub(super) height: usize,
    pub(super) error: Option<String>,
    /// When to ask the bridge; `None` while a request is in progress.
    pub(super) due: Option<Instant>,
    /// Ask also while paused.
    pub(super) is_wanted: bool,
    now: Option<Readout>,
    before: Option<Readout>,
}

/// The column that rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: usize,
    pub(super) is_descending: bool,
}

impl Sheet {
    pub(super) fn new(id: u64, page: Page, now: Instant) -> Self {
        let mut sheet = Self {
            id,
            page,
            shown: Shown::default(),
            filter: String::new(),
            sort: None,
            order: Vec::new(),
            selected: 0,
            is_detail: false,
            offset: 0,
            height: 0,
            error: None,
            due: Some(now),
            is_wanted: true,
            now: None,
            before: None,
        };
        if matches!(sheet.page.paths, Paths::None) {
            sheet.take(Readout { answers: Vec::new(), at: now });
            sheet.due = None;
        }
        sheet
    }

    /// The API paths of the data.
    pub(super) fn paths(&self) -> Vec<String> {
        match &self.page.paths {
            Paths::Fixed(paths) => paths.clone(),
            Paths::Searched(path) => vec![path(&self.filter)],
            Paths::None => Vec::new(),
        }
    }

    /// Whether the bridge filters the rows.
    pub(super) fn is_searched(&self) -> bool {
        matches!(self.page.paths, Paths::Searched(_))
    }

    /// Whether the page has only notes, which scroll.
    pub(super) fn is_text(&self) -> bool {
        self.page.columns.is_empty()
    }

    /// When the data was received.
    pub(super) fn received(&self) -> Option<Instant> {
        self.now.as_ref().map(|readout| readout.at)
    }

    /// Takes new data.
    pub(super) fn take(&mut self, readout: Readout) {
        self.before = self.now.replace(readout);
        self.error = None;
        if let Some(now) = &self.now {
            self.shown = (self.page.show)(&Readouts { now, before: self.before.as_ref() });
        }
        self.arrange();
    }

    /// Filters and sorts the rows; the selected row stays selected.
    pub(super) fn arrange(&mut self) {
        let selected = self.order.get(self.selected).and_then(|row| self.shown.rows.get(*row)).map(|row| row.id.clone());
        self.arrange_around(selected.as_deref());
    }

    fn arrange_around(&mut self, selected: Option<&str>) {
        let wanted = if self.is_searched() { String::new() } else { self.filter.to_lowercase() };
        let rows = &self.shown.rows;
        let has = |row: &usize| {
            wanted.is_empty()
                || rows.get(*row).is_some_and(|row| row.cells.iter().any(|cell| cell.text.as_str().to_lowercase().contains(&wanted)))
        };
        self.order = (0..rows.len()).filter(has).collect();
        if let Some(Sort { column, is_descending }) = self.sort {
            let cell = |row: &usize| rows.get(*row).and_then(|row| row.cells.get(column));
            self.order.sort_by(|a, b| {
                let ordering = compare(cell(a), cell(b));
                if is_descending { ordering.reverse() } else { ordering }
            });
        }
        let found = selected.and_then(|id| self.order.iter().position(|row| rows.get(*row).is_some_and(|row| row.id == id)));
        self.selected = found.unwrap_or(self.selected).min(self.order.len().saturating_sub(1));
    }

    /// Sorts by the next column; after the last one, in the order of the bridge.
    pub(super) fn sort_by_next(&mut self) {
        let next = self.sort.map_or(0, |sort| sort.column + 1);
        // Of numbers, the largest are of interest.
        self.sort = self.page.columns.get(next).map(|column| Sort { column: next, is_descending: column.is_number });
        self.arrange();
    }

    /// Reverses the order; without a sorted column, of the first.
    pub(super) fn reverse(&mut self) {
        if self.page.columns.is_empty() {
            return;
        }
        let sort = self.sort.unwrap_or(Sort { column: 0, is_descending: false });
        self.sort = Some(Sort { is_descending: !sort.is_descending, ..sort });
        self.arrange();
    }

    /// Changes the filter. The first row is selected, because what was selected may be gone.
    pub(super) fn set_filter(&mut self, filter: String, now: Instant) {
        if filter == self.filter {
            return;
        }
        self.filter = filter;
        (self.selected, self.offset) = (0, 0);
        self.arrange_around(None);
        if self.is_searched() {
            (self.due, self.is_wanted) = (Some(now), true);
        }
    }

    /// Selects a row `by` rows further, or scrolls notes.
    pub(super) fn step(&mut self, by: isize) {
        if self.is_text() {
            // Drawing limits it to the lines that there are.
            self.offset = self.offset.saturating_add_signed(by);
        } else {
            self.selected = self.selected.saturating_add_signed(by).min(self.order.len().saturating_sub(1));
        }
    }

    /// The rows of a screen, as PgUp and PgDn skip them.
    pub(super) fn screenful(&self) -> isize {
        isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1)
    }
}

/// By number, otherwise by text.
fn compare(a: Option<&Cell>, b: Option<&Cell>) -> Ordering {
    let numbers = a.and_then(|a| a.number).zip(b.and_then(|b| b.number));
    let text = |cell: Option<&Cell>| cell.map(|cell| cell.text.as_str().to_lowercase()).unwrap_or_default();
    numbers.map_or_else(|| text(a).cmp(&text(b)), |(a, b)| a.total_cmp(&b))
}
