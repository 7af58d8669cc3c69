//! exposition: the registry's families, in a stable order, as a page.
//!
//! Families are sorted by name, series by their label text; the bridge's own families follow. Reads cells while they are written;
//! what a page shows of one series is consistent in itself. Knows no HTTP.

mod float;
mod own;
mod text;

pub(crate) use self::own::own_families;
pub(crate) use self::text::{Style, render};
