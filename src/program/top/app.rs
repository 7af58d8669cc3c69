//! What the screen shows, and what keys change: tabs, each with a stack of pages. Must not draw or send a request.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::page::{Note, Page, Paths, Readout, Shown};
use super::plain::Plain;
use super::prompt::{Prompt, Purpose, Typed};
use super::sheet::Sheet;
use super::views::{self, TABS};

/// The most pages of a tab: names lead to further names.
const MAX_DEPTH: usize = 16;

/// Requests in progress. The bridge answers two at once.
const MAX_REQUESTS: usize = 2;

/// The state of the screen.
pub(super) struct App {
    /// The pages of each tab, the shown one last.
    tabs: Vec<Vec<Sheet>>,
    /// The place of the tab that is shown.
    pub(super) at: usize,
    pub(super) is_paused: bool,
    pub(super) has_help: bool,
    pub(super) prompt: Option<Prompt>,
    /// The URL of the bridge.
    pub(super) base: Plain,
    pub(super) interval: Duration,
    requests: usize,
    next_id: u64,
}

/// A request to send.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) sheet: u64,
    pub(super) paths: Vec<String>,
}

/// The answer of a request.
pub(super) struct Answer {
    pub(super) sheet: u64,
    pub(super) result: Result<Readout, String>,
}

/// What follows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Continue,
    /// Draw everything again.
    Redraw,
    Suspend,
    End,
}

impl App {
    /// Shows the tab at a place. `limit` is the number of families and of senders.
    pub(super) fn new(at: usize, limit: u16, base: &str, interval: Duration) -> Self {
        let now = Instant::now();
        let tabs: Vec<Vec<Sheet>> = TABS.iter().zip(0..).map(|(tab, id)| vec![Sheet::new(id, (tab.page)(limit), now)]).collect();
        let next_id = tabs.len() as u64;
        let base = Plain::new(base);
        Self { tabs, at, is_paused: false, has_help: false, prompt: None, base, interval, requests: 0, next_id }
    }

    /// The page that is shown.
    pub(super) fn sheet(&self) -> Option<&Sheet> {
        self.tabs.get(self.at)?.last()
    }

    pub(super) fn sheet_mut(&mut self) -> Option<&mut Sheet> {
        self.tabs.get_mut(self.at)?.last_mut()
    }

    /// The titles of the pages that lead to the shown one.
    pub(super) fn titles(&self) -> impl Iterator<Item = &Plain> {
        self.tabs.get(self.at).into_iter().flatten().map(|sheet| &sheet.page.title)
    }

    /// The request that is due, of the shown page only.
    pub(super) fn due(&mut self, now: Instant) -> Option<Request> {
        if self.requests >= MAX_REQUESTS {
            return None;
        }
        let is_paused = self.is_paused;
        let sheet = self.sheet_mut()?;
        if sheet.due.is_none_or(|due| due > now) || (is_paused && !sheet.is_wanted) {
            return None;
        }
        (sheet.due, sheet.is_wanted) = (None, false);
        let request = Request { sheet: sheet.id, paths: sheet.paths() };
        self.requests += 1;
        Some(request)
    }

    /// Takes an answer. A page that was left keeps it too.
    pub(super) fn take(&mut self, answer: Answer, now: Instant) {
        self.requests = self.requests.saturating_sub(1);
        let next = now + self.interval;
        let Some(sheet) = self.tabs.iter_mut().flatten().find(|sheet| sheet.id == answer.sheet) else { return };
        // It is due already if its filter changed while it was asked for.
        sheet.due.get_or_insert(next);
        match answer.result {
            Ok(readout) => sheet.take(readout),
            Err(error) => sheet.error = Some(error),
        }
    }

    /// Takes a pasted text.
    pub(super) fn paste(&mut self, text: &str, now: Instant) {
        match &mut self.prompt {
            Some(prompt) => {
                prompt.insert(text);
                self.prompt_changed(now);
            }
            // A pasted name is a question.
            None => {
                let mut prompt = Prompt::new(Purpose::Ask, "");
                prompt.insert(text);
                self.prompt = Some(prompt);
            }
        }
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent, now: Instant) -> After {
        if key.kind == KeyEventKind::Release {
            return After::Continue;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c' | 'd') => return After::End,
                KeyCode::Char('z') => return After::Suspend,
                KeyCode::Char('l') => return After::Redraw,
                _ => {}
            }
        }
        if self.prompt.is_some() {
            self.prompt_key(key, now);
            return After::Continue;
        }
        if self.has_help {
            self.has_help = false;
            return After::Continue;
        }
        match key.code {
            KeyCode::Char('q' | 'Q') => return After::End,
            KeyCode::Char('?') => self.has_help = true,
            KeyCode::Char('a' | ':') => self.prompt = Some(Prompt::new(Purpose::Ask, "")),
            KeyCode::Char('/') => {
                self.prompt = self.sheet().filter(|sheet| !sheet.is_text()).map(|sheet| Prompt::new(Purpose::Filter, &sheet.filter))
            }
            KeyCode::Char('p' | ' ') => self.pause(now),
            KeyCode::Char('r') => self.refresh(now),
            KeyCode::Enter => self.open(now),
            KeyCode::Backspace => self.back(now),
            KeyCode::Esc => self.escape(now),
            KeyCode::Char(digit @ '1'..='9') => self.show_tab((digit as usize) - ('1' as usize), now),
            KeyCode::Char('0') => self.show_tab(9, now),
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.show_tab((self.at + 1) % TABS.len(), now),
            KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => self.show_tab((self.at + TABS.len() - 1) % TABS.len(), now),
            code => self.sheet_key(code),
        }
        After::Continue
    }

    /// A key that changes what is selected or sorted.
    fn sheet_key(&mut self, code: KeyCode) {
        let Some(sheet) = self.sheet_mut() else { return };
        match code {
            KeyCode::Char('j') | KeyCode::Down => sheet.step(1),
            KeyCode::Char('k') | KeyCode::Up => sheet.step(-1),
            KeyCode::PageDown => sheet.step(sheet.screenful()),
            KeyCode::PageUp => sheet.step(-sheet.screenful()),
            KeyCode::Char('g') | KeyCode::Home => sheet.step(isize::MIN),
            KeyCode::Char('G') | KeyCode::End => sheet.step(isize::MAX),
            KeyCode::Char('s') => sheet.sort_by_next(),
            KeyCode::Char('S') => sheet.reverse(),
            _ => {}
        }
    }

    fn prompt_key(&mut self, key: KeyEvent, now: Instant) {
        let Some(prompt) = &mut self.prompt else { return };
        let (typed, purpose) = (prompt.key(key), prompt.purpose);
        match (typed, purpose) {
            (Typed::Changed, _) => self.prompt_changed(now),
            (Typed::Cancelled, Purpose::Filter) => {
                self.prompt = None;
                if let Some(sheet) = self.sheet_mut() {
                    sheet.set_filter(String::new(), now);
                }
            }
            (Typed::Cancelled, Purpose::Ask) | (Typed::Done, Purpose::Filter) => self.prompt = None,
            (Typed::Done, Purpose::Ask) => {
                let question = self.prompt.take().map(|prompt| prompt.text.trim().to_owned()).unwrap_or_default();
                if !question.is_empty() {
                    self.push(views::ask(&question), now);
                }
            }
        }
    }

    /// A filter applies while it is typed.
    fn prompt_changed(&mut self, now: Instant) {
        let Some(text) = self.prompt.as_ref().filter(|prompt| prompt.purpose == Purpose::Filter).map(|prompt| prompt.text.clone()) else {
            return;
        };
        if let Some(sheet) = self.sheet_mut() {
            sheet.set_filter(text, now);
        }
    }

    fn pause(&mut self, now: Instant) {
        self.is_paused = !self.is_paused;
        if !self.is_paused {
            self.refresh(now);
        }
    }

    /// Asks again, also if it is paused.
    fn refresh(&mut self, now: Instant) {
        let Some(sheet) = self.sheet_mut() else { return };
        // Without a due time, a request is in progress, or the page asks nothing.
        if let Some(due) = &mut sheet.due {
            (*due, sheet.is_wanted) = (now, true);
        }
    }

    /// Shows the first page of a tab: details that were opened earlier would be taken for it.
    fn show_tab(&mut self, place: usize, now: Instant) {
        if let Some(stack) = self.tabs.get_mut(place) {
            stack.truncate(1);
            self.at = place;
            self.ask_soon(now);
        }
    }

    /// A page that is shown again is asked for if its data is older than the interval.
    fn ask_soon(&mut self, now: Instant) {
        let interval = self.interval;
        let Some(sheet) = self.sheet_mut() else { return };
        if sheet.due.is_some() && sheet.received().is_none_or(|at| now.duration_since(at) >= interval) {
            sheet.due = Some(now);
        }
    }

    fn open(&mut self, now: Instant) {
        let Some(sheet) = self.sheet() else { return };
        let Some(row) = sheet.order.get(sheet.selected).and_then(|row| sheet.shown.rows.get(*row)) else { return };
        let page = match &row.open {
            Some(open) => open(),
            None => texts(sheet, row.cells.iter().map(|cell| &cell.text)),
        };
        self.push(page, now);
    }

    fn push(&mut self, page: Page, now: Instant) {
        self.next_id += 1;
        let mut sheet = Sheet::new(self.next_id, page, now);
        sheet.is_detail = true;
        let Some(stack) = self.tabs.get_mut(self.at) else { return };
        if stack.len() >= MAX_DEPTH {
            stack.remove(1);
        }
        stack.push(sheet);
    }

    fn back(&mut self, now: Instant) {
        let Some(stack) = self.tabs.get_mut(self.at).filter(|stack| stack.len() > 1) else { return };
        stack.pop();
        self.ask_soon(now);
    }

    /// Ends the filter, or the page.
    fn escape(&mut self, now: Instant) {
        match self.sheet_mut() {
            Some(sheet) if !sheet.filter.is_empty() => sheet.set_filter(String::new(), now),
            _ => self.back(now),
        }
    }
}

/// The complete texts of a row.
fn texts<'a>(sheet: &Sheet, cells: impl Iterator<Item = &'a Plain>) -> Page {
    let facts: Vec<(String, String)> =
        sheet.page.columns.iter().zip(cells).map(|(column, text)| (column.title.to_owned(), text.as_str().to_owned())).collect();
    let title = facts.first().map(|(_, text)| Plain::new(text)).unwrap_or_default();
    let show = move |_: &super::page::Readouts<'_>| Shown {
        notes: facts.iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| Note::fact(name, text)).collect(),
        ..Shown::default()
    };
    Page { title, paths: Paths::None, columns: &[], show: std::rc::Rc::new(show) }
}
