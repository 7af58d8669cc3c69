//! Normalizes request paths for comparison. Does not depend on specific paths.

use std::borrow::Cow;

/// Collapses each run of slashes into one. Concatenated URLs often contain `//metrics`. The server answers such a path directly,
/// because clients follow a redirect of a POST with a GET.
pub(super) fn collapse_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut collapsed = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !collapsed.ends_with('/') {
            collapsed.push(c);
        }
    }
    Cow::Owned(collapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_slashes_collapse() {
        for (path, expected) in
            [("/", "/"), ("//", "/"), ("//metrics", "/metrics"), ("/api///v1//rules/", "/api/v1/rules/"), ("*", "*"), ("", "")]
        {
            assert_eq!(collapse_slashes(path), expected);
        }
    }
}
