//! Repeatable flags: each occurrence, and the variable, hold a list whose items are separated by commas.
//!
//! `a,b` is two items, `a\,b` is one item with a comma. Spaces around an item are removed, and empty items are left out.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::builder::TypedValueParser;

/// The items of one occurrence of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::program::cli) struct List<T>(Vec<T>);

/// The items of all occurrences of a flag, in order.
pub(in crate::program::cli) fn all<T>(lists: &[List<T>]) -> impl Iterator<Item = &T> {
    lists.iter().flat_map(|list| &list.0)
}

/// A parser of lists; `item` parses each item.
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

/// The items of a list. It works on bytes, because a path need not be UTF-8.
fn split(text: &OsStr) -> Vec<OsString> {
    let (mut items, mut item) = (Vec::new(), Vec::new());
    let mut bytes = text.as_bytes().iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' => items.push(std::mem::take(&mut item)),
            // A backslash before any other byte is literal.
            b'\\' if bytes.next_if_eq(&b',').is_some() => item.push(b','),
            _ => item.push(byte),
        }
    }
    items.push(item);
    let trimmed = items.iter().map(|item| item.trim_ascii()).filter(|item| !item.is_empty());
    trimmed.map(|item| OsString::from_vec(item.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_items_unless_escaped() {
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
