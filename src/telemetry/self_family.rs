//! One of the bridge's own families, read back from the page of the recorder that carries it.

use std::borrow::Cow;

/// One own family, ready for any page format.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SelfFamily {
    /// Full name, prefix included.
    pub name: Cow<'static, str>,
    /// One line of help.
    pub help: Cow<'static, str>,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Sample lines as they stand on a text page, in a stable order, without newlines.
    pub lines: Vec<String>,
}

/// Reads the small text page of metrics-exporter-prometheus, whose order changes from render to render, into families.
pub(super) fn parse_families(page: &str) -> Vec<SelfFamily> {
    let mut families: Vec<SelfFamily> = Vec::new();
    let mut help = ("", "");
    for line in page.lines() {
        if let Some((name, text)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            help = (name, text);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' ')) {
            let kind = match kind {
                "counter" => "counter",
                "histogram" => "histogram",
                _ => "gauge",
            };
            let help = if help.0 == name { help.1.to_owned() } else { String::new() };
            families.push(SelfFamily { name: name.to_owned().into(), help: help.into(), kind, lines: Vec::new() });
        } else if !line.is_empty()
            && let Some(family) = families.last_mut()
        {
            family.lines.push(line.to_owned());
        }
    }
    for family in &mut families {
        if family.kind != "histogram" {
            family.lines.sort_unstable();
        }
    }
    families.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    families
}
