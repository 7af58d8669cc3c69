//! Comments and strings of YAML.

/// A comment of one line. A pattern may hold any character.
pub(super) fn comment(indent: &str, text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{indent}# {}\n", line.trim_end())
}

/// A string of YAML in single quotes.
pub(super) fn yaml(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
