//! What a terminal shows of the bytes that a program writes. It knows the sequences that `top` needs and no other one: what a sender
//! made the program write would fail the test.

use unicode_width::UnicodeWidthChar;

/// A screen, its cursor and its modes.
pub struct Screen {
    width: usize,
    height: usize,
    /// A wide character is followed by an empty cell.
    cells: Vec<Vec<Option<char>>>,
    at: (usize, usize),
    /// The private modes that are set.
    pub modes: Vec<u32>,
    /// The beginning of a sequence or a character that is not complete.
    rest: Vec<u8>,
}

impl Screen {
    pub fn new(width: u16, height: u16) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        // A terminal begins with a visible cursor and line wrapping.
        Self { width, height, cells: vec![vec![Some(' '); width]; height], at: (0, 0), modes: vec![25, 7], rest: Vec::new() }
    }

    /// Takes another size. The screen is blank until the program draws it.
    pub fn resize(&mut self, width: u16, height: u16) {
        (self.width, self.height) = (usize::from(width), usize::from(height));
        self.cells = vec![vec![Some(' '); self.width]; self.height];
    }

    pub fn lines(&self) -> Vec<String> {
        self.cells.iter().map(|line| line.iter().flatten().collect()).collect()
    }

    /// Takes bytes of the program.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.rest);
        let end = match std::str::from_utf8(&all) {
            Ok(_) => all.len(),
            Err(error) => {
                assert!(error.error_len().is_none(), "not UTF-8");
                error.valid_up_to()
            }
        };
        let text = std::str::from_utf8(&all[..end]).expect("checked");
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\u{1b}' => match self.sequence(&text[at + 1..]) {
                    Some(length) => drop(chars.nth(length - 1)),
                    None => {
                        self.rest = all[at..].to_vec();
                        return;
                    }
                },
                '\r' => self.at.0 = 0,
                '\n' => self.at.1 = (self.at.1 + 1).min(self.height - 1),
                c => self.put(c),
            }
        }
        self.rest = all[end..].to_vec();
    }

    fn put(&mut self, c: char) {
        assert!(!c.is_control() && !"\u{202e}\u{2066}\u{200b}\u{200d}\u{feff}".contains(c), "{c:?} reaches the terminal");
        let width = c.width().unwrap_or(0);
        assert!(width > 0, "{c:?} has no width");
        let (x, y) = self.at;
        assert!(self.modes.contains(&7) || x + width <= self.width, "a character beyond the end of line {y}");
        if let Some(line) = self.cells.get_mut(y) {
            for (place, cell) in line.iter_mut().enumerate().skip(x).take(width) {
                *cell = (place == x).then_some(c);
            }
        }
        self.at.0 += width;
    }

    /// Carries out a sequence after its ESC; returns its length, or `None` if it is not complete.
    fn sequence(&mut self, text: &str) -> Option<usize> {
        assert!(text.is_empty() || text.starts_with('['), "an unknown sequence: {:?}", text.chars().take(8).collect::<String>());
        let length = text.char_indices().skip(1).find(|(_, c)| c.is_ascii_alphabetic())?.0 + 1;
        let (parameters, end) = (&text[1..length - 1], &text[length - 1..length]);
        let numbers = || parameters.trim_start_matches('?').split(';').map(|number| number.parse::<u32>().unwrap_or(0));
        let is_private = parameters.starts_with('?');
        match (end, is_private) {
            ("m", false) => {}
            ("H", false) => {
                let mut places = numbers().map(|place| place.max(1) as usize - 1);
                let (y, x) = (places.next().unwrap_or(0), places.next().unwrap_or(0));
                self.at = (x, y.min(self.height - 1));
            }
            ("J", false) => self.cells = vec![vec![Some(' '); self.width]; self.height],
            ("h", true) => {
                self.modes.retain(|mode| numbers().all(|number| number != *mode));
                self.modes.extend(numbers());
            }
            ("l", true) => self.modes.retain(|mode| numbers().all(|number| number != *mode)),
            _ => panic!("an unknown sequence: ESC [ {parameters} {end}"),
        }
        Some(length)
    }
}
