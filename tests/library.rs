//! The library as another program uses it: values that are checked, extreme times and limits.

/// Every number that a time, a duration or a limit may be, the largest included.
mod extremes;
