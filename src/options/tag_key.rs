//! The key of a DogStatsD tag, checked when it is made.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The key of a DogStatsD tag as clients send it, `trace_id` of `#trace_id:4bf92f`: not empty, and without `:`, `,`, `|`, `#` and line
/// ends. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TagKey(Arc<str>);

impl TagKey {
    /// This key.
    ///
    /// # Errors
    ///
    /// [`TagKeyError`] if no client can send a tag with this key.
    pub fn new(key: &str) -> Result<Self, TagKeyError> {
        if key.is_empty() || key.contains([':', ',', '|', '#', '\n', '\r']) {
            return Err(TagKeyError { key: key.to_owned() });
        }
        Ok(Self(key.into()))
    }
}

/// The text.
impl Deref for TagKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be a [`TagKey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagKeyError {
    key: String,
}

impl fmt::Display for TagKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.key.chars().take(100).collect();
        write!(f, "{start:?} cannot be the key of a tag: a key is not empty and has no : , | # and no line end")
    }
}

impl std::error::Error for TagKeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_can_be_sent_are_accepted() {
        for bad in ["", "a:b", "a,b", "a|b", "#a", "a\n", "\ra"] {
            assert!(TagKey::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(&*TagKey::new("trace id").unwrap(), "trace id");
    }
}
