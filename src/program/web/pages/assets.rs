//! The style sheet and the script. Together less than 60 KB, without a library.

use std::sync::LazyLock;

/// A file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::program::web) enum Asset {
    Style,
    Script,
}

static VERSIONS: LazyLock<[String; 2]> = LazyLock::new(|| [Asset::Style, Asset::Script].map(|asset| hash(asset.text())));

impl Asset {
    /// The asset at a path.
    pub(in crate::program::web) fn at(path: &str) -> Option<Self> {
        [Self::Style, Self::Script].into_iter().find(|asset| path.strip_prefix("/ui/") == Some(asset.name()))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Style => "page.css",
            Self::Script => "page.js",
        }
    }

    /// Its content type.
    pub(in crate::program::web) const fn content_type(self) -> &'static str {
        match self {
            Self::Style => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
        }
    }

    /// Its text.
    pub(in crate::program::web) const fn text(self) -> &'static str {
        match self {
            Self::Style => include_str!("assets/page.css"),
            Self::Script => concat!(include_str!("assets/page.js"), include_str!("assets/tail.js")),
        }
    }

    /// A hash of its text. Pages refer to the asset with its version, so that a browser may keep it.
    pub(in crate::program::web) fn version(self) -> &'static str {
        match (self, &*VERSIONS) {
            (Self::Style, [style, _]) => style,
            (Self::Script, [_, script]) => script,
        }
    }
}

/// FNV-1a.
fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assets_are_small_and_load_nothing() {
        assert!(Asset::Style.text().len() + Asset::Script.text().len() < 60_000);
        for asset in [Asset::Style, Asset::Script] {
            for foreign in ["http:", "https:", "//cdn", "@import", "url(", "eval(", "innerHTML", ".style."] {
                assert!(!asset.text().contains(foreign), "{} has {foreign}", asset.name());
            }
        }
        assert_ne!(Asset::Style.version(), Asset::Script.version());
    }
}
