//! Flags that may be given more than once: each time, and in their variable, a list with commas between its items.
//!
//! `a,b` is two items, `a\,b` one with a comma in it. Spaces around an item do not count; an empty list has none.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::builder::TypedValueParser;

/// The items of one occurrence of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::program::cli) struct List<T>(Vec<T>);

/// The items of all occurrences of a flag, in their order.
pub(in crate::program::cli) fn all<T>(lists: &[List<T>]) -> impl Iterator<Item = &T> {
    lists.iter().flat_map(|list| &list.0)
}

/// Reads a list whose items `item` reads.
pub(super) fn list<P>(item: P) -> ListParser<P> {
    ListParser(item)
}

/// See [`list`].
#[derive(Clone)]
pub(super) struct ListParser<P>(P);

impl<P: TypedValueParser> TypedValueParser for ListParser<P> {
    type Value = List<P::Value>;

    fn parse_ref(&self, command: &clap::Command, arg: Option<&clap::Arg>, value: &OsStr) -> Result<Self::Value, clap::Error> {
        split(value).iter().map(|item| self.0.parse_ref(command, arg, item)).collect::<Result<_, _>>().map(List)
    }
}

/// The items of a text; bytes, because a path need not be UTF-8.
fn split(text: &OsStr) -> Vec<OsString> {
    let mut items = vec![Vec::new()];
    let mut bytes = text.as_bytes().iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' => items.push(Vec::new()),
            // Another backslash is one.
            b'\\' if bytes.next_if_eq(&b',').is_some() => items.last_mut().into_iter().for_each(|item| item.push(b',')),
            _ => items.last_mut().into_iter().for_each(|item| item.push(byte)),
        }
    }
    let trimmed = items.iter().map(|item| item.trim_ascii()).filter(|item| !item.is_empty());
    trimmed.map(|item| OsString::from_vec(item.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_but_for_those_behind_a_backslash() {
        let items = |text: &str| split(OsStr::new(text)).into_iter().map(|item| item.into_string().expect("UTF-8")).collect::<Vec<_>>();
        assert_eq!(items("a=b,c=d"), ["a=b", "c=d"]);
        assert_eq!(items(r"a=b\,c,d=e"), ["a=b,c", "d=e"]);
        assert_eq!(items(" a , b c "), ["a", "b c"]);
        assert_eq!(items(r"C:\x\\,y\"), [r"C:\x\,y\"]);
        for nothing in ["", " ", ",", " , ,"] {
            assert!(items(nothing).is_empty(), "{nothing:?}");
        }
        assert_eq!(split(OsStr::from_bytes(b"\xff,a")), [OsStr::from_bytes(b"\xff"), OsStr::new("a")]);
    }
}
