//! state: the form of a snapshot of all series, so that they can be kept over a restart. The file that it is in, and when one is
//! due, are the program's affair; what a series is made of is the registry's.

pub mod format;

#[cfg(test)]
mod tests;
