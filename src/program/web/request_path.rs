//! The path of a request as everything here compares it. Knows no paths by name.

use std::borrow::Cow;

/// The path with each run of slashes as one: `//metrics`, which a joined URL easily has, is `/metrics`. Answered at once rather than by
/// a redirect, which would make a GET of a POST.
pub(super) fn single_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut single = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !single.ends_with('/') {
            single.push(c);
        }
    }
    Cow::Owned(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_slashes_are_one() {
        for (path, single) in
            [("/", "/"), ("//", "/"), ("//metrics", "/metrics"), ("/api///v1//rules/", "/api/v1/rules/"), ("*", "*"), ("", "")]
        {
            assert_eq!(single_slashes(path), single);
        }
    }
}
