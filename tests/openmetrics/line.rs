//! One sample line of OpenMetrics: name, labels, value, timestamp, exemplar.

/// Names and values, unescaped, in the order of the line.
pub type Labels = Vec<(String, String)>;

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name with its suffix.
    pub name: String,
    pub labels: Labels,
    pub value: f64,
    pub timestamp: Option<f64>,
    pub has_exemplar: bool,
}

impl Sample {
    pub fn parse(line: &str) -> Result<Self, String> {
        let (named, rest) = name(line)?;
        let (name, labels, rest) = match rest.strip_prefix('{') {
            Some(inside) => {
                let (quoted, labels, rest) = label_set(inside)?;
                let name = named.or(quoted).ok_or("no name")?;
                (name, labels, rest)
            }
            None => (named.ok_or("no name")?, Labels::new(), rest),
        };
        let rest = rest.strip_prefix(' ').ok_or("no space before the value")?;
        let (plain, exemplar) = match rest.split_once(" # ") {
            Some((plain, exemplar)) => (plain, Some(exemplar)),
            None => (rest, None),
        };
        let (value, timestamp) = value_and_timestamp(plain)?;
        exemplar.map(check_exemplar).transpose()?;
        Ok(Self { name, labels, value, timestamp, has_exemplar: exemplar.is_some() })
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The name at the start of a line, or `None` if the name is quoted between the braces.
fn name(line: &str) -> Result<(Option<String>, &str), String> {
    let end = line.find(['{', ' ']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    match name {
        "" if rest.starts_with('{') => Ok((None, rest)),
        _ if is_name(name) => Ok((Some(name.to_owned()), rest)),
        _ => Err(format!("bad name {name:?}")),
    }
}

pub fn is_name(name: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !name.is_empty() && name.chars().all(is_good) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Reads the text between braces: an optional quoted name, and labels. Returns the text after the closing brace.
fn label_set(inside: &str) -> Result<(Option<String>, Labels, &str), String> {
    let mut rest = inside;
    let (mut name, mut labels) = (None, Labels::new());
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok((name, labels, rest));
    }
    loop {
        let (key, after, is_quoted) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted).map(|(key, after)| (key, after, true))?,
            None => {
                let end = rest.find('=').ok_or("a label without =")?;
                (rest[..end].to_owned(), &rest[end..], false)
            }
        };
        if is_quoted && labels.is_empty() && name.is_none() && !after.starts_with('=') {
            name = Some(key);
            rest = after;
        } else {
            if !is_quoted && (!is_name(&key) || key.contains(':')) || key.starts_with("__") || key.is_empty() {
                return Err(format!("bad label name {key:?}"));
            }
            if labels.iter().any(|(known, _)| *known == key) {
                return Err(format!("label {key} twice"));
            }
            let (value, after) = unquote(after.strip_prefix("=\"").ok_or("a label's value has no quotes")?)?;
            labels.push((key, value));
            rest = after;
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return rest.strip_prefix('}').map(|rest| (name, labels, rest)).ok_or_else(|| "no } after the labels".to_owned()),
        }
    }
}

/// Returns the unescaped text up to the closing quote, and the text after the quote.
pub fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut plain = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((plain, &text[at + 1..])),
            '\\' => match chars.next().ok_or("a lone backslash")?.1 {
                'n' => plain.push('\n'),
                c @ ('"' | '\\') => plain.push(c),
                c => plain.extend(['\\', c]),
            },
            c => plain.push(c),
        }
    }
    Err("no closing quote".to_owned())
}

fn value_and_timestamp(text: &str) -> Result<(f64, Option<f64>), String> {
    let (value, timestamp) = match text.split_once(' ') {
        Some((value, timestamp)) => (value, Some(timestamp)),
        None => (text, None),
    };
    let timestamp = timestamp.map(number).transpose()?;
    if timestamp.is_some_and(|timestamp| !timestamp.is_finite()) {
        return Err("a timestamp that is no time".to_owned());
    }
    Ok((number(value)?, timestamp))
}

/// A decimal number; no hexadecimal, no underscores, no spaces.
pub fn number(text: &str) -> Result<f64, String> {
    let is_decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if !is_decimal && !["NaN", "Inf", "+Inf", "-Inf"].contains(&text) {
        return Err(format!("not a number: {text:?}"));
    }
    text.parse().map_err(|_| format!("not a number: {text:?}"))
}

fn check_exemplar(text: &str) -> Result<(), String> {
    let (_, labels, rest) = label_set(text.strip_prefix('{').ok_or("an exemplar without labels")?)?;
    let chars: usize = labels.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
    if chars > 128 {
        return Err("an exemplar's labels are too long".to_owned());
    }
    value_and_timestamp(rest.strip_prefix(' ').ok_or("no space before an exemplar's value")?).map(|_| ())
}
