//! Pages of HTML.

pub(super) mod landing;
pub(super) mod problems;
