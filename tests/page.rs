//! A strict reader of the text format 0.0.4. It checks what a scraper may assume and promtool does not check.
//!
//! It is stricter than the format where the bridge promises more: HELP then TYPE before each family, no blank lines, one space
//! before a value, no timestamps, and quotes only around names that need them: `{"na.me","l.x"="v"} 1`. It uses no sockets, and
//! does not know which families an exposition must contain.

mod cases;
mod families;

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use crate::peers::repository;

/// An exposition that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub families: Vec<Family>,
}

/// One family: its HELP and TYPE, and its lines in the order of the exposition.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub name: String,
    pub help: String,
    pub kind: String,
    pub lines: Vec<Line>,
}

/// One line with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Name and labels as in the exposition: `x{a="b"}`.
    pub series: String,
    /// The name alone, suffix included.
    pub name: String,
    /// Labels in the order of the exposition, unescaped.
    pub labels: Labels,
    pub value: f64,
}

/// The first fault of an exposition: its line number, from 1, and a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageError {
    pub line: usize,
    pub what: String,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Page {
    /// Reads an exposition. Any deviation is an error.
    pub fn parse(text: &str) -> Result<Self, PageError> {
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(PageError { line: text.lines().count(), what: "no newline at the end".into() });
        }
        let mut families: Vec<Family> = Vec::new();
        let mut help: Option<(String, String)> = None;
        let mut number = 0;
        for raw in text.split_terminator('\n') {
            number += 1;
            read_line(raw, &mut families, &mut help).map_err(|what| PageError { line: number, what })?;
        }
        let whole = |what: String| PageError { line: number, what };
        if let Some((name, _)) = help {
            return Err(whole(format!("HELP of {name} without TYPE")));
        }
        self::families::check_families(&families).map_err(whole)?;
        Ok(Self { families })
    }

    /// The value of a series, whose name is written as in the exposition: `x{a="b"}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        expect_documented(series);
        self.lines().find(|l| l.series == series).map(|l| l.value)
    }

    /// The sum of all lines with this name; 0 if there is none.
    pub fn sum(&self, name: &str) -> f64 {
        expect_documented(name);
        self.lines().filter(|l| l.name == name).map(|l| l.value).sum()
    }

    /// The sum of the lines with this name that also have this label.
    pub fn sum_where(&self, name: &str, key: &str, value: &str) -> f64 {
        expect_documented(name);
        let has = |l: &&Line| l.name == name && l.labels.iter().any(|(k, v)| k == key && v == value);
        self.lines().filter(has).map(|l| l.value).sum()
    }

    /// Every line of every family.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.families.iter().flat_map(|f| &f.lines)
    }

    /// The family of this name.
    pub fn family(&self, name: &str) -> Option<&Family> {
        expect_documented(name);
        self.families.iter().find(|f| f.name == name)
    }
}

/// Fails for a self-metric that docs/metrics.md does not name. Otherwise, a test that expects 0 of a misspelled metric always
/// passes.
fn expect_documented(series: &str) {
    static DOCUMENTED: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let text = std::fs::read_to_string(repository().join("docs/metrics.md")).expect("docs/metrics.md is there");
        text.split('`').skip(1).step_by(2).map(|code| code.split('{').next().unwrap_or(code).to_owned()).collect()
    });
    let name = series.split('{').next().unwrap_or(series);
    if let Some(own) = name.strip_prefix("statsd_bridge_") {
        let family = ["_count", "_sum", "_bucket"].iter().find_map(|end| own.strip_suffix(end)).unwrap_or(own);
        assert!(DOCUMENTED.contains(own) || DOCUMENTED.contains(family), "docs/metrics.md names no {name}");
    }
}

/// The text of an exposition without self-metrics, for comparison with an expected exposition. Self-metrics start with `prefix` or
/// `process_`.
pub fn without_own(text: &str, prefix: &str) -> String {
    let own = |name: &str| name.starts_with(prefix) || name.starts_with("process_");
    let name = |line: &str| -> String {
        let rest = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        rest.chars().take_while(|&c| is_name_char(c)).collect()
    };
    text.split_inclusive('\n').filter(|line| !own(&name(line))).collect()
}

fn read_line(raw: &str, families: &mut Vec<Family>, help: &mut Option<(String, String)>) -> Result<(), String> {
    // In a value of a label it is as good as any other character.
    if raw.ends_with('\r') {
        return Err("carriage return".into());
    }
    if let Some(rest) = raw.strip_prefix("# HELP ") {
        let (name, text) = head_name(rest)?;
        let (name, text) = (&*name, text.ok_or("HELP without text")?);
        check_help(text)?;
        if families.iter().any(|f| f.name == name) {
            return Err(format!("second HELP of {name}"));
        }
        return match help.replace((name.to_owned(), text.to_owned())) {
            Some((earlier, _)) => Err(format!("HELP of {earlier} without TYPE")),
            None => Ok(()),
        };
    }
    if let Some(rest) = raw.strip_prefix("# TYPE ") {
        let (name, kind) = head_name(rest)?;
        let kind = kind.ok_or("TYPE without kind")?;
        let (of, text) = help.take().ok_or_else(|| format!("TYPE of {name} without HELP before it"))?;
        if of != name {
            return Err(format!("TYPE of {name} after HELP of {of}"));
        }
        if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
            return Err(format!("unknown type {kind}"));
        }
        families.push(Family { name: of, help: text, kind: kind.to_owned(), lines: Vec::new() });
        return Ok(());
    }
    if raw.starts_with('#') || raw.trim() != raw || raw.is_empty() {
        return Err(format!("neither HELP, TYPE nor a value: {raw:?}"));
    }
    if let Some((name, _)) = help {
        return Err(format!("a value between HELP and TYPE of {name}"));
    }
    let line = parse_value_line(raw)?;
    let family = families.last_mut().ok_or("a value before any TYPE")?;
    if !names_of(family).contains(&line.name) {
        return Err(format!("{} stands under the TYPE of {}", line.name, family.name));
    }
    family.lines.push(line);
    Ok(())
}

/// Names that the lines of a family may have.
fn names_of(family: &Family) -> Vec<String> {
    let with = |suffixes: &[&str]| suffixes.iter().map(|s| format!("{}{s}", family.name)).collect();
    match &*family.kind {
        "histogram" => with(&["_bucket", "_sum", "_count"]),
        "summary" => with(&["", "_sum", "_count"]),
        _ => with(&[""]),
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn check_name(name: &str) -> Result<(), String> {
    let bad = name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_name_char);
    if bad { Err(format!("not a metric name: {name:?}")) } else { Ok(()) }
}

/// The name in a HELP or TYPE line, quoted or not, and the text after the space.
fn head_name(text: &str) -> Result<(String, Option<&str>), String> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (name, rest) = parse_quoted(quoted)?;
            check_quoted(&name, &|name| check_name(name).is_ok())?;
            (name, rest)
        }
        None => {
            let name: String = text.chars().take_while(|&c| c != ' ').collect();
            check_name(&name)?;
            let rest = &text[name.len()..];
            (name, rest)
        }
    };
    Ok((name, rest.strip_prefix(' ')))
}

/// Fails for a quoted name that needs no quotes.
fn check_quoted(name: &str, is_plain: &dyn Fn(&str) -> bool) -> Result<(), String> {
    if name.is_empty() || is_plain(name) { Err(format!("no name that needs quotes: {name:?}")) } else { Ok(()) }
}

fn is_label_name(key: &str) -> bool {
    !key.is_empty() && !key.starts_with(|c: char| c.is_ascii_digit()) && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn check_help(text: &str) -> Result<(), String> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && !matches!(chars.next(), Some('\\' | 'n')) {
            return Err(format!("bad escape in HELP: {text:?}"));
        }
    }
    if text.is_empty() { Err("empty HELP".into()) } else { Ok(()) }
}

fn parse_value_line(raw: &str) -> Result<Line, String> {
    let (name, labels, rest) = match raw.strip_prefix("{\"") {
        Some(quoted) => {
            let (name, rest) = parse_quoted(quoted)?;
            check_quoted(&name, &|name| check_name(name).is_ok())?;
            let (labels, rest) = match rest.strip_prefix(',') {
                Some(inside) => parse_labels(inside)?,
                None => (Vec::new(), rest.strip_prefix('}').ok_or("no } after a name in quotes")?),
            };
            (name, labels, rest)
        }
        None => {
            let name: String = raw.chars().take_while(|&c| is_name_char(c)).collect();
            check_name(&name)?;
            let rest = &raw[name.len()..];
            let (labels, rest) = match rest.strip_prefix('{') {
                Some(inside) => parse_labels(inside)?,
                None => (Vec::new(), rest),
            };
            (name, labels, rest)
        }
    };
    let series = raw[..raw.len() - rest.len()].to_owned();
    let text = rest.strip_prefix(' ').ok_or_else(|| format!("no single space before the value: {raw:?}"))?;
    Ok(Line { series, name, labels, value: parse_value(text)? })
}

type Labels = Vec<(String, String)>;

/// Reads `a="b","c.d"="e"}` and returns the text after the brace.
fn parse_labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    loop {
        let (key, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (key, after) = parse_quoted(quoted)?;
                check_quoted(&key, &is_label_name)?;
                (key, after.strip_prefix("=\"").ok_or_else(|| format!("not a label: {rest:?}"))?)
            }
            None => {
                let (key, after) = rest.split_once("=\"").ok_or_else(|| format!("not a label: {rest:?}"))?;
                if !is_label_name(key) {
                    return Err(format!("not a label name: {key:?}"));
                }
                (key.to_owned(), after)
            }
        };
        if key.starts_with("__") {
            return Err(format!("not a label name: {key:?}"));
        }
        if labels.iter().any(|(k, _)| *k == key) {
            return Err(format!("label {key} twice in one series"));
        }
        let (value, after) = parse_quoted(after)?;
        labels.push((key, value));
        if let Some(end) = after.strip_prefix('}') {
            return Ok((labels, end));
        }
        rest = after.strip_prefix(',').ok_or_else(|| format!("neither , nor }} after a label: {after:?}"))?;
    }
}

/// Reads up to the closing quote and returns the text after it.
fn parse_quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match chars.next() {
                Some((_, '\\')) => '\\',
                Some((_, '"')) => '"',
                Some((_, 'n')) => '\n',
                other => return Err(format!("bad escape in quotes: {other:?}")),
            }),
            c => value.push(c),
        }
    }
    Err("no closing quote".into())
}

fn parse_value(text: &str) -> Result<f64, String> {
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e');
    match text {
        "NaN" => Ok(f64::NAN),
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        _ if text.chars().all(digits) => text.parse().map_err(|_| format!("not a value: {text:?}")),
        _ => Err(format!("not a value: {text:?}")),
    }
}
