//! What a view gives to the screen: where its data is, its columns, and how data becomes notes, rows and charts.

use std::rc::Rc;
use std::time::Instant;

use serde_json::Value;

use super::plain::Plain;

/// A table with notes above it, or only notes. The tabs and their details are pages.
pub(super) struct Page {
    /// In the path of pages, such as `Series > login`.
    pub(super) title: Plain,
    /// The paths of the API that give the data. The first must exist, others may be missing in an older bridge.
    pub(super) paths: Paths,
    pub(super) columns: &'static [Column],
    pub(super) show: Show,
}

/// Where the data is.
pub(super) enum Paths {
    /// The same paths always. The screen filters the rows.
    Fixed(Vec<String>),
    /// Depends on the text of the filter, because the bridge searches.
    Searched(Rc<dyn Fn(&str) -> String>),
    /// None: the page shows what is known already.
    None,
}

/// Makes the notes and rows of readouts.
pub(super) type Show = Rc<dyn Fn(&Readouts<'_>) -> Shown>;

/// Makes the page that Enter opens.
pub(super) type Open = Rc<dyn Fn() -> Page>;

/// The answers of one time, in the order of the paths. A path that does not exist gave null.
pub(super) struct Readout {
    pub(super) answers: Vec<Value>,
    pub(super) at: Instant,
}

/// The last answers, and those before, for rates.
pub(super) struct Readouts<'a> {
    pub(super) now: &'a Readout,
    pub(super) before: Option<&'a Readout>,
}

impl Readouts<'_> {
    /// The answer of a path; null if there is none.
    pub(super) fn answer(&self, place: usize) -> &Value {
        self.now.answers.get(place).unwrap_or(&Value::Null)
    }

    /// By how much a count grew each second. `None` without earlier answers, or if it began again.
    pub(super) fn rate(&self, count: f64, earlier: impl Fn(&Value) -> Option<f64>) -> Option<f64> {
        let before = self.before?;
        let seconds = self.now.at.duration_since(before.at).as_secs_f64();
        let grown = count - earlier(before.answers.first()?)?;
        (seconds > 0.0 && grown >= 0.0).then(|| grown / seconds)
    }
}

/// What a page shows.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) notes: Vec<Note>,
    pub(super) rows: Vec<Row>,
    pub(super) charts: Vec<Chart>,
    /// Instead of rows.
    pub(super) empty: &'static str,
}

/// How a text is emphasised. Each has a sign or a word too, because not everybody sees colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tone {
    #[default]
    Normal,
    Soft,
    Strong,
    Good,
    Warning,
    Bad,
}

/// A line, wrapped to the width of the screen.
pub(super) struct Note {
    pub(super) tone: Tone,
    pub(super) text: Plain,
}

impl Note {
    pub(super) fn new(tone: Tone, text: &str) -> Self {
        Self { tone, text: Plain::new(text) }
    }

    /// A fact: its name and what it is.
    pub(super) fn fact(name: &str, text: &str) -> Self {
        Self::new(Tone::Normal, &format!("{name}: {text}"))
    }
}

/// A column of a table.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) is_number: bool,
    /// The fewest columns of the screen that it needs. Numbers are never cut.
    pub(super) least: usize,
    /// On a narrow screen, the columns with the highest rank are left out. Those of rank 0 stay.
    pub(super) rank: u8,
}

impl Column {
    /// A column of texts, cut to no less than `least`.
    pub(super) const fn text(title: &'static str, rank: u8, least: usize) -> Self {
        Self { title, is_number: false, least, rank }
    }

    /// A column of numbers, right aligned.
    pub(super) const fn number(title: &'static str, rank: u8) -> Self {
        Self { title, is_number: true, least: 0, rank }
    }
}

/// One row.
pub(super) struct Row {
    /// What makes it the same row in the next answer.
    pub(super) id: String,
    pub(super) cells: Vec<Cell>,
    /// The page that Enter opens. Otherwise Enter shows the complete texts of the row.
    pub(super) open: Option<Open>,
}

impl Row {
    pub(super) fn new(id: &str, cells: Vec<Cell>) -> Self {
        Self { id: id.to_owned(), cells, open: None }
    }

    pub(super) fn opens(mut self, open: impl Fn() -> Page + 'static) -> Self {
        self.open = Some(Rc::new(open));
        self
    }
}

/// The text of a row in a column.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub(super) text: Plain,
    /// What it is sorted by, if it is a number.
    pub(super) number: Option<f64>,
    pub(super) tone: Tone,
}

impl Cell {
    pub(super) fn text(text: &str) -> Self {
        Self { text: Plain::new(text), ..Self::default() }
    }

    pub(super) fn number(number: f64, in_words: impl Fn(f64) -> String) -> Self {
        Self { text: Plain::new(&in_words(number)), number: Some(number), tone: Tone::Normal }
    }

    /// A number that may be unknown, shown as `-`.
    pub(super) fn maybe(number: Option<f64>, in_words: impl Fn(f64) -> String) -> Self {
        number.map_or_else(|| Self { number: Some(f64::NEG_INFINITY), ..Self::text("-") }, |number| Self::number(number, in_words))
    }

    pub(super) fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// A chart of the last minutes.
pub(super) struct Chart {
    pub(super) title: Plain,
    /// The value now.
    pub(super) latest: Plain,
    /// The largest value shown.
    pub(super) most: Plain,
    /// Age in seconds and value, oldest first.
    pub(super) points: Vec<(f64, f64)>,
    pub(super) tone: Tone,
}
