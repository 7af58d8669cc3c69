//! Regular expressions as Go's RE2 reads them, written for the crate `regex`.
//!
//! In Go `\d \w \s \b` are ASCII, `\Q..\E` quotes, a `{` that repeats nothing is text, and a class holds no classes but named ones.
//! Knows no rules.

/// `pattern` for the crate `regex`, its `unicode` on and its `utf8` off. An error is a sentence; what else is wrong with a pattern
/// the crate says.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = Reader { rest: pattern, out: String::with_capacity(pattern.len() + 16) };
    while let Some(c) = reader.next() {
        match c {
            '\\' => reader.escape(false)?,
            '[' => reader.class()?,
            '{' if !repeats(reader.rest) => reader.out.push_str("\\{"),
            '(' => {
                check_flags(reader.rest)?;
                reader.out.push('(');
            }
            _ => reader.out.push(c),
        }
    }
    Ok(reader.out)
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(c) = self.next() else { return Err("It ends with a backslash.".to_owned()) };
        match c {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            's' => self.out.push_str(r"[\t\n\f\r ]"),
            'S' => self.out.push_str(r"[^\t\n\f\r ]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            'b' if !in_class => self.out.push_str(r"(?-u:\b)"),
            'B' if !in_class => self.out.push_str(r"(?-u:\B)"),
            'p' | 'P' => self.property(c),
            'Q' if !in_class => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.out.push_str(&regex::escape(quoted));
                self.rest = rest;
            }
            'x' => self.hexadecimal(),
            '0'..='7' => self.octal(c)?,
            '8' | '9' => return Err(format!("`\\{c}` refers back, which Go's syntax has not.")),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => push_hex(u32::from(c), &mut self.out),
            _ => self.out.extend(['\\', c]),
        }
        Ok(())
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`.
    fn property(&mut self, letter: char) {
        let Some(inside) = self.rest.strip_prefix('{') else {
            self.out.extend(['\\', letter]);
            let one = self.next();
            self.out.extend(one);
            return;
        };
        let (letter, inside) = match (inside.strip_prefix('^'), letter) {
            (Some(inside), 'p') => ('P', inside),
            (Some(inside), _) => ('p', inside),
            (None, _) => (letter, inside),
        };
        let (name, rest) = inside.split_once('}').unwrap_or((inside, ""));
        self.out.extend(['\\', letter, '{']);
        self.out.push_str(name);
        self.out.push('}');
        self.rest = rest;
    }

    /// `\x7f`, `\x{7f}`.
    fn hexadecimal(&mut self) {
        let braced = self.rest.strip_prefix('{').and_then(|inside| inside.find('}')).map(|length| length + 2);
        let digits = self.rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(self.rest.len()).min(2);
        let (taken, rest) = self.rest.split_at_checked(braced.unwrap_or(digits)).unwrap_or((self.rest, ""));
        self.out.push_str("\\x");
        self.out.push_str(taken);
        self.rest = rest;
    }

    /// Up to three digits; one alone, unless it is 0, would refer back.
    fn octal(&mut self, first: char) -> Result<(), String> {
        let more = self.rest.find(|c: char| !('0'..='7').contains(&c)).unwrap_or(self.rest.len()).min(2);
        if first != '0' && more == 0 {
            return Err(format!("`\\{first}` refers back, which Go's syntax has not."));
        }
        let (digits, rest) = self.rest.split_at_checked(more).unwrap_or(("", self.rest));
        let number = digits.chars().fold(first.to_digit(8).unwrap_or(0), |sum, c| sum * 8 + c.to_digit(8).unwrap_or(0));
        push_hex(number, &mut self.out);
        self.rest = rest;
        Ok(())
    }

    /// What follows `[`, to its `]`. Each character is written as its number, so that none has a meaning of its own.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.out.push('^');
            self.rest = rest;
        }
        let mut is_first = true;
        loop {
            let named =
                self.rest.strip_prefix("[:").and_then(|inside| inside.find(":]")).and_then(|length| self.rest.split_at_checked(length + 4));
            if let Some((name, rest)) = named {
                self.out.push_str(name);
                self.rest = rest;
                is_first = false;
                continue;
            }
            match self.next() {
                None => return Err("A class `[` is not closed by `]`.".to_owned()),
                Some(']') if !is_first => break,
                Some('\\') => self.escape(true)?,
                Some(c) => push_hex(u32::from(c), &mut self.out),
            }
            let is_range = self.rest.strip_prefix('-').is_some_and(|after| !after.starts_with(']'));
            if is_range {
                self.out.push('-');
                self.next();
                match self.next() {
                    Some('\\') => self.escape(true)?,
                    Some(c) => push_hex(u32::from(c), &mut self.out),
                    None => return Err("A class `[` is not closed by `]`.".to_owned()),
                }
            }
            is_first = false;
        }
        self.out.push(']');
        Ok(())
    }
}

fn push_hex(number: u32, out: &mut String) {
    out.push_str(&format!("\\x{{{number:X}}}"));
}

/// Whether what follows a `{` makes it a repetition: `2}`, `2,}`, `2,3}`.
fn repeats(after: &str) -> bool {
    let Some((inside, _)) = after.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

/// Flags of the crate that Go has not.
fn check_flags(after: &str) -> Result<(), String> {
    let Some(inside) = after.strip_prefix('?') else { return Ok(()) };
    let flags = inside.split(|c: char| !c.is_ascii_alphabetic() && c != '-').next().unwrap_or_default();
    let is_group = inside.get(flags.len()..).is_some_and(|rest| rest.starts_with([':', ')']));
    match flags.chars().find(|c| matches!(c, 'x' | 'u' | 'R')) {
        Some(flag) if is_group => Err(format!("`(?{flag})`: Go's syntax has only the flags i, m, s and U.")),
        _ => Ok(()),
    }
}
