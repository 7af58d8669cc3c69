//! What stands on the screen, for each tab at several sizes.

use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::program::plain_text::is_hidden;
use crate::program::top::app::{After, Answer, Request};
use crate::program::top::page::Readout;
use crate::program::top::views::{TABS, examples};

const SIZES: [(u16, u16); 3] = [(60, 15), (80, 24), (200, 50)];

/// A display and the bridge that it asks.
struct Display {
    app: App,
    /// The answer of a path.
    bridge: Box<dyn Fn(&str) -> Value>,
}

impl Display {
    fn new(tab: usize, bridge: impl Fn(&str) -> Value + 'static) -> Self {
        let app = App::new(tab, 100, "http://127.0.0.1:9102", Duration::from_secs(2));
        let mut display = Self { app, bridge: Box::new(bridge) };
        display.ask();
        display
    }

    /// Answers what is due.
    fn ask(&mut self) {
        while let Some(request) = self.app.due(Instant::now()) {
            self.answer(request);
        }
    }

    fn answer(&mut self, request: Request) {
        let answers = request.paths.iter().map(|path| (self.bridge)(path)).collect();
        let at = Instant::now();
        self.app.take(Answer { sheet: request.sheet, result: Ok(Readout { answers, at }) }, at);
    }

    fn press(&mut self, code: KeyCode) -> After {
        let after = self.app.key(KeyEvent::new(code, KeyModifiers::NONE), Instant::now());
        self.ask();
        after
    }

    fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// The lines of the screen. Checks that each has the width of the screen, and nothing that a terminal would not show.
    fn screen(&mut self, (width, height): (u16, u16)) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, &mut self.app, Theme { has_colour: false })).expect("drawn");
        let buffer = terminal.backend().buffer();
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "colours in spite of NO_COLOR");
        let line = |y: u16| {
            let (mut line, mut x) = (String::new(), 0);
            while x < width {
                let symbol = buffer.cell((x, y)).expect("in the buffer").symbol();
                line.push_str(symbol);
                x += symbol.width() as u16;
            }
            assert_eq!(x, width, "a wide character beyond the end: {line}");
            assert!(!line.chars().any(is_hidden), "{line:?}");
            line
        };
        (0..height).map(line).collect()
    }

    /// The lines, and the places of those in which the selected row's emphasis begins.
    fn selected_lines(&mut self, (width, height): (u16, u16)) -> Vec<u16> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, &mut self.app, Theme { has_colour: true })).expect("drawn");
        let buffer = terminal.backend().buffer();
        let is_selected =
            |y: &u16| buffer.cell((0, *y)).is_some_and(|cell| cell.symbol() == ">" && cell.modifier.contains(Modifier::REVERSED));
        (2..height).filter(is_selected).collect()
    }
}

/// The frame is whole: tabs above, keys below.
fn check_frame(lines: &[String], context: &str) {
    let (first, last) = (lines.first().expect("lines"), lines.last().expect("lines"));
    assert!(
        first.contains("Over") && first.contains("9") && first.contains("0") && first.contains("Conf") && first.contains('['),
        "{context}: {first}"
    );
    assert!(last.starts_with("? help"), "{context}: {last}");
}

#[test]
fn each_tab_has_its_columns_and_its_selected_row_at_each_size() {
    for size in SIZES {
        for (at, tab) in TABS.iter().enumerate() {
            let mut display = Display::new(at, examples::answer);
            for key in ['j', 'G', 'k', 'g'] {
                display.press(KeyCode::Char(key));
                let (lines, context) = (display.screen(size), format!("{} {size:?} {key}", tab.name));
                check_frame(&lines, &context);
                assert_eq!(display.selected_lines(size).len(), 1, "{context}: one selected row\n{}", lines.join("\n"));
                let page = (tab.page)(10);
                let header = lines.iter().find(|line| page.columns.first().is_some_and(|first| line.trim_start().starts_with(first.title)));
                let header = header.unwrap_or_else(|| panic!("{context}: no header\n{}", lines.join("\n")));
                let needed = |column: &&crate::program::top::page::Column| column.rank == 0 || size.0 >= 200;
                for column in page.columns.iter().filter(needed) {
                    assert!(header.contains(column.title), "{context}: {} is not in {header}", column.title);
                }
                check_numbers(&display, &lines, &context);
            }
        }
    }
}

/// Numbers of columns that stay are complete in the selected row.
fn check_numbers(display: &Display, lines: &[String], context: &str) {
    let sheet = display.app.sheet().expect("a page");
    let row = sheet.order.get(sheet.selected).and_then(|row| sheet.shown.rows.get(*row)).expect("a row");
    let line = lines.iter().skip(2).find(|line| line.starts_with("> ")).expect("a selected row");
    for (column, cell) in sheet.page.columns.iter().zip(&row.cells).filter(|(column, _)| column.is_number && column.rank == 0) {
        assert!(line.contains(cell.text.as_str()), "{context}: {} is not {} in {line}", column.title, cell.text.as_str());
    }
}

/// Each page that can be reached in two steps, with texts of senders that are replaced.
fn each_page(bridge: fn(&str) -> Value, mut check: impl FnMut(&mut Display, &str)) {
    for (at, tab) in TABS.iter().enumerate() {
        let mut display = Display::new(at, bridge);
        check(&mut display, tab.name);
        let rows = display.app.sheet().expect("a page").order.len();
        for row in 0..rows.min(3) {
            display.type_text(&"j".repeat(row));
            for depth in 0..2 {
                display.press(KeyCode::Enter);
                check(&mut display, &format!("{} row {row} depth {depth}", tab.name));
            }
            display.press(KeyCode::Char(char::from_digit((at as u32 + 1) % 10, 10).expect("a digit")));
            display.press(KeyCode::Home);
        }
        display.press(KeyCode::Char('a'));
        display.type_text("shop");
        check(&mut display, "typing");
        display.press(KeyCode::Enter);
        check(&mut display, "asked");
        display.press(KeyCode::Enter);
        check(&mut display, "opened from Ask");
    }
}

#[test]
fn details_are_whole_at_each_size() {
    each_page(examples::answer, |display, context| {
        for size in SIZES {
            let lines = display.screen(size);
            assert!(lines[0].contains("Over"), "{context}");
            assert!(lines[2..].iter().any(|line| !line.trim().is_empty()), "{context}: an empty page");
        }
    });
}

/// Replaces each text, so that columns hold what senders may send.
fn replaced(value: Value, by: &str) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{by}{text}{by}")),
        Value::Array(all) => all.into_iter().map(|value| replaced(value, by)).collect(),
        Value::Object(all) => all.into_iter().map(|(key, value)| (key, replaced(value, by))).collect(),
        other => other,
    }
}

#[test]
fn hostile_names_stay_inert_and_keep_the_layout() {
    let check = |display: &mut Display, context: &str| {
        for size in SIZES {
            let lines = display.screen(size);
            assert!(lines[0].contains("Over"), "{context}: {}", lines[0]);
            let last = lines.last().expect("lines");
            assert!(last.starts_with("? help") || last.starts_with("Ask: "), "{context}: {last}");
        }
    };
    each_page(|path| replaced(examples::answer(path), "\u{1b}[2J\u{1b}]0;x\u{7}\r\n\t\u{9b}31m\u{85}"), check);
    each_page(|path| replaced(examples::answer(path), "\u{202e}abc\u{2066}\u{200b}\u{200d}\u{feff}\u{ad}\u{e0041}"), check);
    each_page(|path| replaced(examples::answer(path), "漢字👋🏽👨\u{200d}👩\u{200d}👧🇩🇪e\u{301}\u{301}\u{301}ﷺ"), check);
    each_page(|path| replaced(examples::answer(path), &"x".repeat(8 << 10)), check);
    each_page(|path| replaced(examples::answer(path), &"漢 ".repeat(2 << 10)), check);
}

#[test]
fn unexpected_json_is_shown_without_a_panic() {
    let check = |display: &mut Display, _: &str| drop(display.screen((60, 15)));
    each_page(|_| json!(null), check);
    each_page(|_| json!([1, {}, "x"]), check);
    fn numbers(value: Value) -> Value {
        match value {
            Value::Array(all) => all.into_iter().map(numbers).collect(),
            Value::Object(all) => all.into_iter().map(|(key, value)| (key, numbers(value))).collect(),
            Value::String(_) => json!(-1e308),
            _ => json!({ "a": [null] }),
        }
    }
    each_page(|path| numbers(examples::answer(path)), check);
}

#[test]
fn a_small_terminal_says_so() {
    let mut display = Display::new(0, examples::answer);
    for size in [(59, 15), (60, 14), (20, 5)] {
        let text = display.screen(size).concat().replace(' ', "");
        assert!(text.starts_with("Theterminalistoosmall:"), "{text}");
    }
    assert_eq!(display.screen((1, 1)).len(), 1);
    assert!(display.screen((59, 15))[0].starts_with("The terminal is too small: 59x15. 60x15 is needed."));
    check_frame(&display.screen((60, 15)), "again");
}

#[test]
fn rows_are_filtered_sorted_and_selected() {
    let size = (80, 24);
    let mut display = Display::new(4, examples::answer);
    display.press(KeyCode::Char('/'));
    display.type_text("NUMBER_1");
    assert!(display.screen(size)[23].starts_with("/NUMBER_1"));
    display.press(KeyCode::Enter);
    let lines = display.screen(size);
    assert!(lines[23].contains("/NUMBER_1  1 of 10 (31)"), "{}", lines[23]);
    assert!(lines.iter().all(|line| !line.contains("family_number_20")));
    display.press(KeyCode::Down);
    let selected = |display: &mut Display| display.screen(size).into_iter().skip(2).find(|line| line.starts_with("> ")).expect("selected");
    assert!(selected(&mut display).contains("family_number_18"));
    display.type_text("sss");
    assert!(selected(&mut display).contains("family_number_18"), "the selected row stays");
    assert!(display.screen(size).iter().any(|line| line.contains("SERIES▼")));
    display.press(KeyCode::Char('S'));
    display.press(KeyCode::Home);
    assert!(selected(&mut display).contains("family_number_10"));
    assert!(display.screen(size)[23].contains("by SERIES▲"));
    display.press(KeyCode::Esc);
    assert!(display.screen(size)[23].contains("of 31"), "Esc clears the filter");
    display.press(KeyCode::Char('/'));
    display.type_text("nothing like it");
    assert!(display.screen(size).iter().any(|line| line.contains("Nothing matches the filter nothing like it.")));
}

#[test]
fn series_are_searched_by_the_bridge() {
    let asked = |path: &str| {
        if path.contains("search=host%3Da") { json!({ "families": [], "found": 0, "more": 0 }) } else { examples::answer(path) }
    };
    let mut display = Display::new(1, asked);
    assert!(display.screen((80, 24)).iter().any(|line| line.contains("family_number_01")));
    display.press(KeyCode::Char('/'));
    display.type_text("host=a");
    let lines = display.screen((80, 24));
    assert!(lines.iter().any(|line| line.contains("Nothing matches the filter host=a.")), "{lines:?}");
}

#[test]
fn keys_lead_to_tabs_details_and_back() {
    let size = (80, 24);
    let mut display = Display::new(0, examples::answer);
    for (key, tab) in [
        (KeyCode::Char('9'), "[9 Ev]"),
        (KeyCode::Char('0'), "[0 Conf]"),
        (KeyCode::Tab, "[1 Over]"),
        (KeyCode::BackTab, "[0 Conf]"),
        (KeyCode::Char('2'), "[2 Ser]"),
    ] {
        display.press(key);
        assert!(display.screen(size)[0].contains(tab), "{key:?}");
    }
    display.press(KeyCode::Enter);
    display.press(KeyCode::Enter);
    let path = "Series > family_number_01 > family_number_07 by host   http://127.0.0.1:9102";
    assert!(display.screen((200, 50))[1].starts_with(path), "{}", display.screen((200, 50))[1]);
    assert!(display.screen(size)[1].starts_with("…ly_number_01 > family_number_07 by host   http"), "{}", display.screen(size)[1]);
    display.press(KeyCode::Backspace);
    display.press(KeyCode::Esc);
    assert!(display.screen(size)[1].starts_with("http://127.0.0.1:9102"));
    display.press(KeyCode::Char('?'));
    assert!(display.screen((60, 15)).iter().any(|line| line.contains("another view")));
    assert!(display.screen((60, 15)).iter().any(|line| line.contains("quit")));
    assert_eq!(display.press(KeyCode::Char('q')), After::Continue, "a key closes the help");
    assert_eq!(display.press(KeyCode::Char('q')), After::End);
    let control = |display: &mut Display, c| display.app.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL), Instant::now());
    display.press(KeyCode::Char('a'));
    assert_eq!((control(&mut display, 'c'), control(&mut display, 'z')), (After::End, After::Suspend));
}

#[test]
fn a_question_is_answered_with_what_is_near() {
    let mut display = Display::new(0, examples::answer);
    display.app.paste("shop.paid:1|c\nsecond line", Instant::now());
    assert!(display.screen((80, 24))[23].starts_with("Ask: shop.paid:1|c"), "a pasted text is a question");
    display.press(KeyCode::Enter);
    let text = display.screen((80, 24)).join("\n");
    for part in
        ["Ask shop.paid:1|c", "! It never arrived.", "Rule: shop.* at mapping.yml:2:10, $1 = paid", "near raw", "shop.pay ", "near fam."]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let text = display.screen((60, 15)).join("\n");
    assert!(text.contains("! It never arrived.") && text.contains("> series"), "{text}");
}

#[test]
fn only_the_shown_page_is_asked_for_and_a_lost_bridge_keeps_the_data() {
    let mut display = Display::new(0, examples::answer);
    let now = Instant::now();
    let later = now + Duration::from_secs(3);
    let request = display.app.due(later).expect("due after the interval");
    assert_eq!((request.paths.len(), request.paths[0].as_str()), (1, "/api/v1/overview"));
    assert!(display.app.due(later).is_none(), "one request at a time");
    display.app.take(Answer { sheet: request.sheet, result: Err("Connection refused".to_owned()) }, later);
    let lines = display.screen((80, 24));
    assert!(lines[1].starts_with("! data of") && lines[1].contains("Connection refused"), "{}", lines[1]);
    assert!(lines.iter().any(|line| line.contains("Kernel")), "the data stays");
    let request = display.app.due(later + Duration::from_secs(3)).expect("asked again");
    display.answer(request);
    assert!(!display.screen((80, 24))[1].contains("refused"));
    display.press(KeyCode::Char('p'));
    assert!(display.app.due(later + Duration::from_secs(60)).is_none() && display.screen((80, 24))[1].contains("paused"));
    display.app.key(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::NONE), later);
    assert!(display.app.due(later).is_some(), "r asks while paused");
}

#[test]
fn a_family_at_its_limit_has_a_forecast_and_a_rule() {
    let mut display = Display::new(4, examples::answer);
    assert!(display.screen((80, 24)).iter().any(|line| line.starts_with("memory") && line.trim_end().ends_with("! full in 40 min")));
    display.press(KeyCode::Char('j'));
    display.press(KeyCode::Enter);
    let text = display.screen((80, 24)).join("\n");
    for part in ["For the mapping file; it saves at most 39,990 series, 3.81 MiB:", "- match: \"login\"", "  drop_labels: [\"user\"]"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn growth_becomes_a_rate() {
    let mut display = Display::new(2, examples::answer);
    let request = display.app.due(Instant::now() + Duration::from_secs(3)).expect("due");
    let mut answers: Vec<Value> = request.paths.iter().map(|path| examples::answer(path)).collect();
    answers[0]["rejections"][0]["count"] = json!(1_234_567 + 500);
    let at = display.app.sheet().and_then(|sheet| sheet.received()).expect("data") + Duration::from_secs(2);
    display.app.take(Answer { sheet: request.sheet, result: Ok(Readout { answers, at }) }, at);
    let lines = display.screen((80, 24));
    assert!(lines.iter().any(|line| line.contains("malformed_line") && line.contains("250  1,235,067")), "{lines:#?}");
}
