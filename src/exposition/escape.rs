//! The names of a family and of its labels as one page has them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::name::Escaping;
use crate::registry::{Family, Series};

/// A family's names on one page.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    name: String,
}

impl Names {
    /// Of a family and the series of it that the page is to show. Without an escaping nothing needs one.
    pub(super) fn of(family: &Family, _series: &[Arc<Series>], _escaping: Option<Escaping>) -> Self {
        Self { name: family.name().as_str().to_owned() }
    }

    /// Of one of the bridge's own families, whose name needs nothing.
    pub(super) fn of_own(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// The family's name on the page, without quotes.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Appends the name as `# HELP` and `# TYPE` have it.
    pub(super) fn push_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
    }

    /// Appends the name of a line with this suffix. Returns what is to stand before the first label: `{`, or `,` where the braces
    /// are open already and must be closed.
    #[inline]
    pub(super) fn push_line(&self, suffix: &str, out: &mut Vec<u8>) -> &'static str {
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        "{"
    }

    /// A rendered label text of one of the series with the page's names.
    #[inline]
    pub(super) fn labels<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }
}
