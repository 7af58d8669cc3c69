//! stub
pub fn apply(_: &[super::spec::LabelStep], _: &mut Vec<(String, String)>) {}
