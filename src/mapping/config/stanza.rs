//! Parses the `tests` key: samples to send, and lines that the exposition must or must not contain.

use super::findings::code;
use super::keys::TEST;
use super::read::File;
use super::tree::Node;
use crate::mapping::spec::Test;

/// Parses the list of tests.
pub(super) fn read(file: &mut File<'_>, node: &Node) -> Vec<Test> {
    let items = file.list(node, "`tests`").unwrap_or_default();
    items.iter().filter_map(|item| test(file, item)).collect()
}

fn test(file: &mut File<'_>, node: &Node) -> Option<Test> {
    let fields = file.fields(node, TEST)?;
    // A multi-line text is equivalent to a list, so that blocks of lines can be pasted.
    let mut lines = |key: &str| -> Vec<String> {
        let texts = fields.get(key).map(|node| file.texts(node, &format!("`{key}`"))).unwrap_or_default();
        let lines = texts.iter().flat_map(|text| text.lines());
        lines.filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    };
    let (send, expect, absent) = (lines("send"), lines("expect"), lines("absent"));
    if send.is_empty() {
        file.findings.error(node.at, code::BAD_TEST, "a test sends nothing; write `send: [\"app.requests:1|c\"]`");
    } else if expect.is_empty() && absent.is_empty() {
        file.findings.error(node.at, code::BAD_TEST, "a test expects nothing; write `expect:` with lines of the exposition, or `absent:`");
    }
    Some(Test { position: file.findings.position(node.at), lines: send, expect, absent })
}
