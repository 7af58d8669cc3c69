//! state: the format of a snapshot of all series, which keeps them over a restart. The program decides about the file and the time
//! of a snapshot; the registry defines the content of a series.

pub mod format;

#[cfg(test)]
mod tests;
