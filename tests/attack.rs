//! Attacks on the real program, one kind a file: what is promised holds while somebody tries to break it, and nothing is lost unsaid.

mod memory;
